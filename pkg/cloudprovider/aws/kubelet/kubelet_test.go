package kubelet

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

func TestPodsFollowInterfacesAndConfiguration(t *testing.T) {
	for name, tc := range map[string]struct {
		config     *v1alpha5.KubeletConfiguration
		family     string
		interfaces int64
		vcpus      int64
		want       int64
	}{
		"interfaces alone":              {nil, "AL2", 29, 2, 29},
		"maxPods in their place":        {&v1alpha5.KubeletConfiguration{MaxPods: ptr.To[int32](110)}, "AL2", 29, 2, 110},
		"podsPerCore below":             {&v1alpha5.KubeletConfiguration{PodsPerCore: ptr.To[int32](4)}, "AL2", 29, 2, 8},
		"podsPerCore above":             {&v1alpha5.KubeletConfiguration{PodsPerCore: ptr.To[int32](40)}, "AL2", 29, 2, 29},
		"podsPerCore of 0 is no bound":  {&v1alpha5.KubeletConfiguration{PodsPerCore: ptr.To[int32](0)}, "AL2", 29, 2, 29},
		"Bottlerocket knows only one":   {&v1alpha5.KubeletConfiguration{PodsPerCore: ptr.To[int32](4)}, "Bottlerocket", 29, 2, 29},
		"Windows goes by no interfaces": {nil, "Windows2022", 29, 2, 110},
		"Windows with maxPods":          {&v1alpha5.KubeletConfiguration{MaxPods: ptr.To[int32](20)}, "Windows2019", 29, 2, 20},
		"Windows with podsPerCore":      {&v1alpha5.KubeletConfiguration{PodsPerCore: ptr.To[int32](4)}, "Windows2025", 29, 2, 8},
		"both, the lesser counts":       {&v1alpha5.KubeletConfiguration{MaxPods: ptr.To[int32](20), PodsPerCore: ptr.To[int32](40)}, "AL2", 29, 2, 20},
	} {
		t.Run(name, func(t *testing.T) {
			if got := (Kubelet{Config: tc.config, Family: tc.family}).Pods(tc.interfaces, tc.vcpus); got != tc.want {
				t.Errorf("pods = %d, want %d", got, tc.want)
			}
		})
	}
}

func TestReservedCPUFallsWithEachCore(t *testing.T) {
	for cores, want := range map[int64]int64{1: 60, 2: 70, 4: 80, 8: 90, 16: 110, 36: 160, 96: 310} {
		if got := reservedMillicores(cores); got != want {
			t.Errorf("%d cores reserve %dm, want %dm", cores, got, want)
		}
	}
}

func TestReservationsAreReplacedKeyByKey(t *testing.T) {
	config := &v1alpha5.KubeletConfiguration{
		MaxPods: ptr.To[int32](5), KubeReserved: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("200m")},
	}
	for family, memory := range map[string]string{"AL2": "574Mi", "AL2023": "574Mi", "Ubuntu": "574Mi", "Custom": "574Mi", "Bottlerocket": "310Mi", "Windows2022": "310Mi"} {
		k := Kubelet{Config: config, Family: family}
		got := k.KubeReserved(29, k.Pods(29, 2), 2)
		for name, want := range map[corev1.ResourceName]string{"cpu": "200m", "memory": memory, "ephemeral-storage": "1Gi"} {
			if q := got[name]; q.Cmp(resource.MustParse(want)) != 0 {
				t.Errorf("%s: %s = %s, want %s", family, name, q.String(), want)
			}
		}
	}
}

func TestEvictionThresholdsKeepCapacityFree(t *testing.T) {
	capacity := corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1000Mi"), corev1.ResourceEphemeralStorage: resource.MustParse("20Gi")}
	for name, tc := range map[string]struct {
		hard, soft      map[string]string
		memory, storage string
	}{
		"those of the images":        {nil, nil, "100Mi", "2Gi"},
		"a quantity":                 {map[string]string{SignalMemory: "300Mi"}, nil, "300Mi", "2Gi"},
		"a percentage":               {map[string]string{SignalMemory: "5%", SignalStorage: "25%"}, nil, "50Mi", "5Gi"},
		"100 % switches it off":      {map[string]string{SignalMemory: "100%"}, nil, "0", "2Gi"},
		"another signal":             {map[string]string{"pid.available": "5%"}, nil, "100Mi", "2Gi"},
		"nonsense keeps the default": {map[string]string{SignalMemory: "much", SignalStorage: "900%"}, nil, "100Mi", "2Gi"},
		"a soft one keeps nothing":   {nil, map[string]string{SignalMemory: "50%"}, "100Mi", "2Gi"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Kubelet{Config: &v1alpha5.KubeletConfiguration{EvictionHard: tc.hard, EvictionSoft: tc.soft}}.EvictionThreshold(capacity)
			memory, storage := got[corev1.ResourceMemory], got[corev1.ResourceEphemeralStorage]
			if memory.Cmp(resource.MustParse(tc.memory)) != 0 || storage.Cmp(resource.MustParse(tc.storage)) != 0 {
				t.Errorf("memory %s, storage %s; want %s, %s", memory.String(), storage.String(), tc.memory, tc.storage)
			}
		})
	}
}

func TestWindowsReservesForThePodsThatItTakes(t *testing.T) {
	config := &v1alpha5.KubeletConfiguration{PodsPerCore: ptr.To[int32](4)}
	for want, config := range map[string]*v1alpha5.KubeletConfiguration{"1465Mi": nil, "343Mi": config} {
		k := Kubelet{Config: config, Family: "Windows2019"}
		q := k.KubeReserved(29, k.Pods(29, 2), 2)[corev1.ResourceMemory]
		if q.Cmp(resource.MustParse(want)) != 0 {
			t.Errorf("memory = %s, want %s", q.String(), want)
		}
	}
}

func TestWindowsHasNoThresholdOfInodesUnlessStated(t *testing.T) {
	if got := (Kubelet{Family: "Windows2022"}).EvictionHard(); len(got) != 2 || got[SignalMemory] != "100Mi" || got[SignalStorage] != "10%" {
		t.Errorf("thresholds = %v", got)
	}
	config := &v1alpha5.KubeletConfiguration{EvictionHard: map[string]string{signalInodes: "3%"}}
	if got := (Kubelet{Family: "Windows2022", Config: config}).EvictionHard(); got[signalInodes] != "3%" {
		t.Errorf("thresholds = %v", got)
	}
}
