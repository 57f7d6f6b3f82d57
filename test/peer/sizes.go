package main

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/catalog"
	"github.com/kerf-autoscaler/kerf/test/region"
)

// keeper says which instance types of the region may be bought.
type keeper = func(catalog.InstanceType) bool

func twoShapes() (workload, error) {
	return onDemand(slices.Concat(
		replicas(500, "small", size(900, 3100)), replicas(500, "large", size(3500, 28*1024)),
	), region.GeneralPurpose)
}

// random draws from the few sizes of Karpenter's own benchmark.
func random() (workload, error) {
	r := dice(2)
	var out []*corev1.Pod
	for i := range 3000 {
		out = append(out, replicas(1, fmt.Sprintf("random-%04d", i), mixSize(r))...)
	}
	return onDemand(out, region.GeneralPurpose)
}

// allDifferent leaves nothing to be grouped.
func allDifferent() (workload, error) { return onDemand(randomPods(3000, 1), region.GeneralPurpose) }

// randomPods returns pods of 100m to 1500m and 100 to 4096 MiB.
func randomPods(n int, seed uint64) []*corev1.Pod {
	r := dice(seed)
	var out []*corev1.Pod
	for i := range n {
		out = append(out, replicas(1, fmt.Sprintf("random-%05d", i), size(100+r.IntN(1401), 100+r.IntN(3997)))...)
	}
	return out
}
