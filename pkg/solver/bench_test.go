package solver_test

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// BenchmarkSolve plans for the worlds that others are measured with.
func BenchmarkSolve(b *testing.B) {
	for _, m := range measured() {
		for _, s := range m.large {
			b.Run(m.name+"/"+s.String(), func(b *testing.B) { measure(b, m.world(b, s)) })
		}
	}
}

// BenchmarkGrowth plans for more and more pods, nodes and types.
func BenchmarkGrowth(b *testing.B) {
	for _, pods := range []int{1000, 2000, 5000, 10000, 20000, 50000} {
		growth(b, "pods", karpenterMix, size{pods, 400, 0})
	}
	for _, types := range []int{50, 100, 200, 400, 800, 1353} {
		growth(b, "types", karpenterMix, size{5000, types, 0})
	}
	for _, nodes := range []int{250, 500, 1000, 2000, 4000} {
		growth(b, "nodes", busyCluster, size{5000, 400, nodes})
	}
}

func growth(b *testing.B, of string, world func(testing.TB, size) solver.Problem, s size) {
	b.Run(fmt.Sprintf("of=%s/%s", of, s), func(b *testing.B) { measure(b, world(b, s)) })
}

// measure plans again and again, and reports what the plan costs beside the time.
func measure(b *testing.B, p solver.Problem) {
	var plan solver.Plan
	b.ReportAllocs()
	for b.Loop() {
		plan = solver.Solve(b.Context(), p)
	}
	if len(plan.Unplaced) > 0 {
		b.Fatalf("%d pods are unplaced, one because %s", len(plan.Unplaced), plan.Unplaced[0].Reason)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(p.Pods)), "ns/pod")
	b.ReportMetric(float64(len(plan.Machines)), "machines")
	b.ReportMetric(plan.CostPerHour, "$/h")
	b.ReportMetric(plan.Ratio(), "x-bound")
}

// catalogue returns instance types of the given number: families with 1.8 to 8 GiB per core in ten sizes each, in three zones,
// spot and on demand.
func catalogue(n int) cloudprovider.InstanceTypes {
	out := make(cloudprovider.InstanceTypes, 0, n)
	for i := range n {
		family, cores := i/10, 1<<(i%10)
		memory := cores * (1800 + 97*(family*31%64))
		price := float64(cores)*0.02 + float64(memory)*0.000004*(1+float64(family%7)/20)
		name := fmt.Sprintf("f%03d.s%d", family, i%10)
		out = append(out, builders.InstanceType(name, builders.Capacity(fmt.Sprint(cores), fmt.Sprintf("%dMi", memory), 10+20*cores),
			builders.OnDemand(price, "zone-a", "zone-b", "zone-c"), builders.Spot(price*0.4, "zone-a", "zone-b", "zone-c")))
	}
	return out
}

// shapes returns pods that differ in as many ways as asked for.
func shapes(pods, shapes int) []*corev1.Pod {
	out := make([]*corev1.Pod, pods)
	for i := range out {
		k := i % shapes
		out[i] = builders.Pod(builders.Name(fmt.Sprintf("pod-%05d", i)),
			builders.CPU(fmt.Sprintf("%dm", 100+k*377%3700)), builders.Memory(fmt.Sprintf("%dMi", 128+k*911%9000)))
	}
	return out
}
