package solver_test

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

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

// mix returns pods a fifth each of which ask for nothing special, spread over zones, spread over hostnames, select a zone, and
// keep to nodes of their own in sets of ten.
func mix(n int) []*corev1.Pod {
	out := shapes(n, 50)
	for i, pod := range out {
		app := map[string]string{"app": fmt.Sprint("app-", i%50)}
		modifiers := []builders.PodModifier{builders.Labels(app)}
		switch i % 5 {
		case 1:
			modifiers = append(modifiers, builders.Spread(corev1.LabelTopologyZone, 1, app))
		case 2:
			modifiers = append(modifiers, builders.Spread(corev1.LabelHostname, 5, app))
		case 3:
			modifiers = append(modifiers, builders.NodeSelector(map[string]string{corev1.LabelTopologyZone: "zone-b"}))
		case 4:
			own := map[string]string{"set": fmt.Sprint("set-", i/50)}
			modifiers = append(modifiers, builders.Labels(own), builders.AntiAffinity(corev1.LabelHostname, own))
		}
		for _, modify := range modifiers {
			modify(pod)
		}
	}
	return out
}

func BenchmarkSolveMix(b *testing.B) {
	for _, pods := range []int{500, 5000} {
		b.Run(fmt.Sprintf("pods=%d/types=400", pods), func(b *testing.B) {
			p := solver.Problem{Pods: mix(pods), Provisioners: []solver.Provisioner{{Name: "default", InstanceTypes: catalogue(400)}}}
			b.ReportAllocs()
			for b.Loop() {
				if plan := solver.Solve(b.Context(), p); len(plan.Unplaced) > 0 {
					b.Fatal(plan.Unplaced[0].Reason)
				}
			}
		})
	}
}

func BenchmarkSolve(b *testing.B) {
	for _, bc := range []struct{ pods, shapes, types, nodes int }{
		{500, 5, 700, 0},
		{5000, 5, 700, 0},
		{5000, 5, 700, 2000},
		{50000, 5, 700, 0},
		{3000, 3000, 700, 0},
		{5000, 5, 1353, 0},
	} {
		b.Run(fmt.Sprintf("pods=%d/shapes=%d/types=%d/nodes=%d", bc.pods, bc.shapes, bc.types, bc.nodes), func(b *testing.B) {
			p := solver.Problem{
				Pods:         shapes(bc.pods, bc.shapes),
				Provisioners: []solver.Provisioner{{Name: "default", InstanceTypes: catalogue(bc.types)}},
			}
			for i := range bc.nodes {
				p.Nodes = append(p.Nodes, solver.Node{
					Name: fmt.Sprintf("node-%04d", i), Initialized: true,
					Available: builders.InstanceType("free", builders.Capacity("500m", "600Mi", 3)).Capacity,
				})
			}
			b.ReportAllocs()
			for b.Loop() {
				if plan := solver.Solve(b.Context(), p); len(plan.Unplaced) > 0 {
					b.Fatal(plan.Unplaced[0].Reason)
				}
			}
		})
	}
}
