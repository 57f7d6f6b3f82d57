package userdata

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

func TestBottlerocketsSettingsDecideOnTheRoomForPods(t *testing.T) {
	const own = `
[settings.kubernetes]
max-pods = 5
[settings.kubernetes.kube-reserved]
cpu = "250m"
memory = "1e100000000"
[settings.kubernetes.system-reserved]
memory = "1.5Gi"
cpu = "5%"
[settings.kubernetes.eviction-hard]
"memory.available" = "12%"
"nodefs.available" = "a lot"
`
	list := func(name corev1.ResourceName, quantity string) corev1.ResourceList {
		return corev1.ResourceList{name: resource.MustParse(quantity)}
	}
	said := &v1alpha5.KubeletConfiguration{
		MaxPods: new(int32(20)), SystemReserved: list("cpu", "1"), EvictionHard: map[string]string{"pid.available": "5%"}, CPUCFSQuota: new(false),
	}
	tests := map[string]struct {
		family, own  string
		config, want *v1alpha5.KubeletConfiguration
	}{
		"where nothing is configured they count": {awsv1alpha1.AMIFamilyBottlerocket, own, nil, &v1alpha5.KubeletConfiguration{
			MaxPods: new(int32(5)), KubeReserved: list("cpu", "250m"), SystemReserved: list("memory", "1.5Gi"),
			EvictionHard: map[string]string{"memory.available": "12%"},
		}},
		"what is configured goes first": {awsv1alpha1.AMIFamilyBottlerocket, own, said, &v1alpha5.KubeletConfiguration{
			MaxPods: new(int32(20)), KubeReserved: list("cpu", "250m"), SystemReserved: list("cpu", "1"),
			EvictionHard: map[string]string{"pid.available": "5%"}, CPUCFSQuota: new(false),
		}},
		"other families have none":    {awsv1alpha1.AMIFamilyAL2023, own, said, said},
		"there are none":              {awsv1alpha1.AMIFamilyBottlerocket, "", nil, nil},
		"nobody can read them":        {awsv1alpha1.AMIFamilyBottlerocket, "[[[", said, said},
		"they are of another kind":    {awsv1alpha1.AMIFamilyBottlerocket, "[settings.kubernetes]\nmax-pods = 'x'\nkube-reserved = 3\n", nil, &v1alpha5.KubeletConfiguration{}},
		"a number that no node takes": {awsv1alpha1.AMIFamilyBottlerocket, "[settings.kubernetes]\nmax-pods = 99999999999\n", nil, &v1alpha5.KubeletConfiguration{}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Configured(tc.family, tc.own, tc.config)); diff != "" {
				t.Errorf("configuration (-want +got):\n%s", diff)
			}
		})
	}
}
