package instancetype

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/kubelet"
)

// windows describes a type as a node with an image of the family has it.
func windows(t *testing.T, name, family string) *cloudprovider.InstanceType {
	t.Helper()
	l, _, _ := newLister(t, name)
	got, err := l.Describe(name, Setup{Kubelet: kubelet.Kubelet{Family: family}, PodBytes: 50 << 30})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestWindowsNodesHaveAddressesForPodsAndNoInterfacesOfTheirOwn(t *testing.T) {
	got := windows(t, "m5.large", awsv1alpha1.AMIFamilyWindows2022)
	wantQuantity(t, got.Capacity, awsv1alpha1.ResourceAWSPrivateIPv4, "9") // 10 addresses, of which the interface keeps one
	wantQuantity(t, got.Capacity, corev1.ResourcePods, "110")
	wantQuantity(t, got.Allocatable(), corev1.ResourceMemory, "6012Mi") // 7577 - (11 x 110 + 255) - 100
	if q, ok := got.Capacity[awsv1alpha1.ResourceAWSPodENI]; ok {
		t.Errorf("there are %s interfaces for pods", q.String())
	}
	linux := describe(t, "m5.large", nil).Capacity
	if q, ok := linux[awsv1alpha1.ResourceAWSPrivateIPv4]; ok {
		t.Errorf("Linux has %s of the addresses", q.String())
	}
}

func TestWindowsNodesAreToldByLabels(t *testing.T) {
	for family, build := range map[string]string{
		awsv1alpha1.AMIFamilyWindows2019: "10.0.17763", awsv1alpha1.AMIFamilyWindows2022: "10.0.20348", awsv1alpha1.AMIFamilyWindows2025: "10.0.26100",
	} {
		requirements := windows(t, "m5.large", family).Requirements
		labels := requirements.Labels()
		if labels[corev1.LabelOSStable] != "windows" || labels[corev1.LabelWindowsBuild] != build || labels[awsv1alpha1.LabelInstancePods] != "110" {
			t.Errorf("%s: labels = %v", family, labels)
		}
		if len(requirements) != settledLabels {
			t.Errorf("%d labels are settled, want %d", len(requirements), settledLabels)
		}
	}
}

func TestThereIsNoWindowsForArm64(t *testing.T) {
	requirements := windows(t, "m6g.large", awsv1alpha1.AMIFamilyWindows2022).Requirements
	for _, key := range []string{corev1.LabelOSStable, corev1.LabelWindowsBuild} {
		if r := requirements.Get(key); !r.AllowsAbsent() || r.Has("windows") || r.Has("linux") {
			t.Errorf("%s is %s, want it absent", key, r)
		}
	}
}
