package v1alpha5_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

func TestDefaultsOfAKubeletNeedNotBeSaid(t *testing.T) {
	for name, tc := range map[string]struct {
		given, want *v1alpha5.KubeletConfiguration
	}{
		"nothing": {nil, nil},
		"all of them": {
			&v1alpha5.KubeletConfiguration{
				ContainerRuntime: new("containerd"), PodsPerCore: new(int32(0)), EvictionMaxPodGracePeriod: new(int32(0)),
				ImageGCHighThresholdPercent: new(int32(85)), ImageGCLowThresholdPercent: new(int32(80)), CPUCFSQuota: new(true),
				EvictionHard: map[string]string{"memory.available": "104857600", "nodefs.available": "10%", "nodefs.inodesFree": "5%"},
			},
			&v1alpha5.KubeletConfiguration{EvictionHard: map[string]string{}},
		},
		"other values": {
			&v1alpha5.KubeletConfiguration{
				ContainerRuntime: new("dockerd"), MaxPods: new(int32(0)), ImageGCHighThresholdPercent: new(int32(80)),
				EvictionHard: map[string]string{"memory.available": "10%", "nodefs.available": "100Mi", "pid.available": "", "imagefs.available": "5%"},
			},
			&v1alpha5.KubeletConfiguration{
				ContainerRuntime: new("dockerd"), MaxPods: new(int32(0)), ImageGCHighThresholdPercent: new(int32(80)),
				EvictionHard: map[string]string{"memory.available": "10%", "nodefs.available": "100Mi", "pid.available": "", "imagefs.available": "5%"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tc.given.WithoutDefaults()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
