package builders

import (
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

func (r dice) kubelet() *v1alpha5.KubeletConfiguration {
	k := &v1alpha5.KubeletConfiguration{
		MaxPods: r.number([]int32{0, 110}, []int32{-1}), PodsPerCore: r.number([]int32{0, 10}, []int32{-5}),
		EvictionMaxPodGracePeriod:   r.number([]int32{-1, 0, 60}, nil),
		ImageGCHighThresholdPercent: r.number([]int32{80, 100}, []int32{101, 10}),
		ImageGCLowThresholdPercent:  r.number([]int32{0, 80}, []int32{-1, 90}),
		EvictionHard:                r.thresholds(),
	}
	if r.coin() {
		k.CPUCFSQuota = new(r.coin())
		k.ContainerRuntime = new(pick(r, []string{"containerd", "dockerd", ""}, []string{"a;b", "$(x)"}))
		k.ClusterDNS = []string{pick(r, []string{"10.0.0.10", "fd00::1"}, []string{"kube-dns", "10.0.0.0/8", "fe80::1%eth0", "", "999.1.1.1"})}
	}
	reservable := []string{"cpu", "memory", "ephemeral-storage", "pid"}
	k.SystemReserved = r.quantities(reservable, []string{"pods"})
	k.KubeReserved = r.quantities(reservable, []string{"disk"})
	if r.mistakes && r.source.IntN(8) == 0 {
		k.KubeReserved["cpu"] = resource.MustParse("-1m")
	}
	k.EvictionSoft = r.thresholds()
	if len(k.EvictionSoft) > 0 {
		k.EvictionSoftGracePeriod = map[string]metav1.Duration{}
	}
	for _, signal := range slices.Sorted(maps.Keys(k.EvictionSoft)) {
		k.EvictionSoftGracePeriod[signal] = metav1.Duration{Duration: pick(r, []time.Duration{0, time.Minute, 90 * time.Second}, []time.Duration{-time.Second})}
	}
	if r.mistakes && r.source.IntN(8) == 0 {
		k.EvictionSoftGracePeriod = map[string]metav1.Duration{"pid.available": {Duration: time.Minute}}
	}
	return k
}

func (r dice) number(right, wrong []int32) *int32 {
	if r.coin() {
		return nil
	}
	return new(pick(r, right, wrong))
}

func (r dice) thresholds() map[string]string {
	out := map[string]string{}
	for range r.source.IntN(3) {
		signal := pick(r, []string{"memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available", "imagefs.inodesFree", "pid.available"},
			[]string{"memory.free", ""})
		out[signal] = pick(r, []string{"5%", "0%", "100%", "12.5%", "500Mi", "1e3", "0"}, []string{"101%", "-5%", "5 %", "", "%", "-1Gi", "1e1000", "NaN%"})
	}
	return out
}
