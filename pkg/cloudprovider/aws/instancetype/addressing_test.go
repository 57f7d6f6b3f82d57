package instancetype

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/kubelet"
)

func TestTheNetworkOfTheClusterDecidesHowManyPodsHaveAnAddress(t *testing.T) {
	maxPods := &v1alpha5.KubeletConfiguration{MaxPods: new(int32(58))}
	for _, tc := range []struct {
		what, instanceType string
		addressing         Addressing
		config             *v1alpha5.KubeletConfiguration
		family             string
		pods, memory       string // capacity, and what is kept for the kubelet
	}{
		{"addresses one by one", "m5.large", Addressing{}, nil, "AL2", "29", "574Mi"},
		{"an interface less", "m5.large", Addressing{ReservedInterfaces: 1}, nil, "AL2", "20", "574Mi"},
		{"an interface less on Bottlerocket", "m5.large", Addressing{ReservedInterfaces: 1}, nil, "Bottlerocket", "20", "475Mi"},
		{"no interface left", "m5.large", Addressing{ReservedInterfaces: 3}, nil, "AL2", "0", "574Mi"},
		{"fewer than none", "m5.large", Addressing{ReservedInterfaces: 9}, nil, "AL2", "0", "574Mi"},
		{"what is set stays", "m5.large", Addressing{ReservedInterfaces: 1, Prefixes: true}, maxPods, "AL2", "58", "574Mi"},
		{"prefixes", "m5.large", Addressing{Prefixes: true}, nil, "AL2023", "110", "574Mi"},
		{"prefixes on Bottlerocket", "m5.large", Addressing{Prefixes: true}, nil, "Bottlerocket", "110", "1465Mi"},
		{"prefixes and an interface less", "t3.micro", Addressing{ReservedInterfaces: 1, Prefixes: true}, nil, "AL2", "18", "299Mi"},
		{"prefixes on a small one", "t3.micro", Addressing{Prefixes: true}, nil, "AL2", "34", "299Mi"},
		{"prefixes on a large one", "m5.24xlarge", Addressing{Prefixes: true}, nil, "AL2", "250", "8362Mi"},
		{"prefixes on bare metal", "c5.metal", Addressing{Prefixes: true}, nil, "AL2", "250", "8362Mi"},
		{"Xen knows no prefixes", "m4.large", Addressing{Prefixes: true}, nil, "AL2", "20", "475Mi"},
		{"the default card alone counts", "p5.48xlarge", Addressing{ReservedInterfaces: 1}, nil, "AL2", "51", "1355Mi"},
		{"Windows goes by other numbers", "m5.large", Addressing{ReservedInterfaces: 1, Prefixes: true}, nil, "Windows2022", "110", "1465Mi"},
	} {
		t.Run(tc.what, func(t *testing.T) {
			l, _, _ := newLister(t, tc.instanceType)
			l.settings.Addressing = tc.addressing
			got, err := l.Describe(tc.instanceType, Setup{Kubelet: kubelet.Kubelet{Config: tc.config, Family: tc.family}, PodBytes: 20 << 30})
			if err != nil {
				t.Fatal(err)
			}
			wantQuantity(t, got.Capacity, corev1.ResourcePods, tc.pods)
			wantQuantity(t, got.Overhead.KubeReserved, corev1.ResourceMemory, tc.memory)
			if label, _ := got.Requirements.Get(awsv1alpha1.LabelInstancePods).Single(); label != tc.pods {
				t.Errorf("labelled with %s pods, want %s", label, tc.pods)
			}
		})
	}
}

func TestMaxPodsOfANodeAreWhatItsTypeIsPlannedWith(t *testing.T) {
	for _, addressing := range []Addressing{{}, {ReservedInterfaces: 1}, {Prefixes: true}} {
		l, _, store := newLister(t, "m5.large")
		l.settings.Addressing = addressing
		snapshot, err := store.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		info, _ := snapshot.Info("m5.large")
		k := with(nil).Kubelet
		described, err := l.Describe("m5.large", with(nil))
		if err != nil {
			t.Fatal(err)
		}
		wantQuantity(t, described.Capacity, corev1.ResourcePods, fmt.Sprint(k.PodLimit(l.AddressedPods(info))))
	}
}
