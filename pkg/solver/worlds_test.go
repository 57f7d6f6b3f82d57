package solver_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/region"
)

// size of a world that benchmarks measure.
type size struct{ pods, types, nodes int }

func (s size) String() string {
	return fmt.Sprintf("pods=%d/types=%d/nodes=%d", s.pods, s.types, s.nodes)
}

// dice draws the same for every world of a kind, so that figures of different sizes and days can be compared.
func dice() world { return newWorld(42) }

func (w world) number(of ...int) int { return of[w.IntN(len(of))] }

// karpenterMix is what Karpenter measures its scheduler with: a fifth each of pods that ask for nothing but room, that spread
// over zones, that spread over hosts, that keep to the zone of their like, and that never share a host. Labels and sizes are
// drawn for each pod, so that most pods are unlike all others.
func karpenterMix(_ testing.TB, s size) solver.Problem {
	return solver.Problem{Pods: mix(s.pods), Provisioners: []solver.Provisioner{{Name: "default", InstanceTypes: linearTypes(s.types)}}}
}

func mix(n int) []*corev1.Pod {
	w := dice()
	letter := func(key string) map[string]string {
		return map[string]string{key: w.pick("a", "b", "c", "d", "e", "f", "g")}
	}
	nginx := map[string]string{"app": "nginx"}
	out := make([]*corev1.Pod, n)
	for i := range out {
		pod := builders.Pod(builders.Name(fmt.Sprintf("pod-%05d", i)), builders.CPU(fmt.Sprintf("%dm", w.number(100, 250, 500, 1000, 1500))),
			builders.Memory(fmt.Sprintf("%dMi", w.number(100, 256, 512, 1024, 2048, 4096))))
		own := letter("my-label")
		modifiers := []builders.PodModifier{builders.Labels(own)}
		switch i % 5 {
		case 1:
			modifiers = append(modifiers, builders.Spread(corev1.LabelTopologyZone, 1, letter("my-label")))
		case 2:
			modifiers = append(modifiers, builders.Spread(corev1.LabelHostname, 1, letter("my-label")))
		case 3:
			like := letter("my-affinity")
			modifiers = []builders.PodModifier{builders.Labels(like), builders.Affinity(corev1.LabelTopologyZone, like)}
		case 4:
			modifiers = []builders.PodModifier{builders.Labels(nginx), builders.AntiAffinity(corev1.LabelHostname, nginx)}
		}
		for _, modify := range modifiers {
			modify(pod)
		}
		out[i] = pod
	}
	return out
}

// linearTypes returns types of 1, 2, 3... cores with 2 GiB and 10 pods for each, at $0.1 a core and $0.1 per 10^9 bytes in three
// zones, spot as on demand.
func linearTypes(n int) cloudprovider.InstanceTypes {
	zones := []string{"test-zone-1", "test-zone-2", "test-zone-3"}
	out := make(cloudprovider.InstanceTypes, 0, n)
	for i := range n {
		cores := i + 1
		price := 0.1*float64(cores) + 0.1*float64(cores)*2*(1<<30)/1e9
		out = append(out, builders.InstanceType(fmt.Sprintf("linear-%04d", i),
			builders.Capacity(fmt.Sprint(cores), fmt.Sprintf("%dGi", 2*cores), 10*cores), builders.Reserved("100m", "10Mi"),
			builders.OnDemand(price, zones...), builders.Spot(price, zones...)))
	}
	return out
}

// fullCatalogue is the same mix for ten provisioners that may buy all that a real region offers, spot and on demand. The five
// heaviest have taints that keep the pods off.
func fullCatalogue(tb testing.TB, s size) solver.Problem {
	types, err := region.InstanceTypes(region.Everything, v1alpha5.CapacityTypeSpot, v1alpha5.CapacityTypeOnDemand)
	if err != nil {
		tb.Fatal(err)
	}
	p := solver.Problem{Pods: mix(s.pods)}
	for i := range 10 {
		q := solver.Provisioner{
			Name: fmt.Sprint("team-", i), Weight: int32(i), InstanceTypes: types[:min(s.types, len(types))],
			Requirements: scheduling.FromLabels(map[string]string{teamLabel: fmt.Sprint("team-", i)}),
		}
		if i >= 5 {
			q.Taints = []corev1.Taint{{Key: "dedicated", Value: fmt.Sprint("team-", i), Effect: corev1.TaintEffectNoSchedule}}
		}
		p.Provisioners = append(p.Provisioners, q)
	}
	return p
}

// busyCluster has nodes with fifteen pods each and some room, and pods of workloads of fifty, of which 30 % spread over zones and
// 20 % never share a host.
func busyCluster(_ testing.TB, s size) solver.Problem {
	w := dice()
	p := solver.Problem{Provisioners: []solver.Provisioner{{Name: "default", InstanceTypes: catalogue(s.types)}}}
	apps := max(s.pods/50, 1)
	app := func(i int) map[string]string { return map[string]string{"app": fmt.Sprintf("app-%03d", i%apps)} }
	for i := range s.nodes {
		n := solver.Node{
			Name: fmt.Sprintf("node-%04d", i), Initialized: true,
			Available: builders.InstanceType("free", builders.Capacity(fmt.Sprintf("%dm", w.IntN(1500)), fmt.Sprintf("%dMi", w.IntN(3000)), 10)).Capacity,
			Labels: map[string]string{
				corev1.LabelTopologyZone: w.pick("zone-a", "zone-b", "zone-c"), corev1.LabelHostname: fmt.Sprintf("node-%04d", i),
				corev1.LabelArchStable: "amd64", corev1.LabelOSStable: string(corev1.Linux),
			},
		}
		for k := range 15 {
			n.Pods = append(n.Pods, builders.Pod(builders.Name(fmt.Sprintf("running-%04d-%02d", i, k)), builders.Labels(app(w.IntN(apps))), builders.OnNode(n.Name)))
		}
		p.Nodes = append(p.Nodes, n)
	}
	for i := range s.pods {
		kind := i % apps % 10 // of the workload
		modifiers := []builders.PodModifier{
			builders.Name(fmt.Sprintf("pod-%05d", i)), builders.Labels(app(i)),
			builders.CPU(fmt.Sprintf("%dm", 100+i%apps*377%1400)), builders.Memory(fmt.Sprintf("%dMi", 128+i%apps*911%3000)),
		}
		switch {
		case kind < 3:
			modifiers = append(modifiers, builders.Spread(corev1.LabelTopologyZone, 1, app(i)))
		case kind < 5:
			modifiers = append(modifiers, builders.AntiAffinity(corev1.LabelHostname, app(i)))
		}
		p.Pods = append(p.Pods, builders.Pod(modifiers...))
	}
	return p
}

// oneTemplate is what Cluster Autoscaler is measured with: many small pods and a fiftieth of them twice as large, for machines of
// one kind.
func oneTemplate(_ testing.TB, s size) solver.Problem {
	large := s.pods / 51
	p := solver.Problem{Provisioners: []solver.Provisioner{{Name: "default", InstanceTypes: cloudprovider.InstanceTypes{
		builders.InstanceType("only", builders.Capacity("1", "5k", 100), builders.OnDemand(1, "zone-a")),
	}}}}
	for i := range s.pods {
		cpu, memory := "50m", "100"
		if i < large {
			cpu, memory = "95m", "190"
		}
		p.Pods = append(p.Pods, builders.Pod(builders.Name(fmt.Sprintf("pod-%05d", i)), builders.CPU(cpu), builders.Memory(memory)))
	}
	return p
}

// allDifferent has pods of 100m to 1500m cpu and 100 to 4096 Mi memory, no two alike, for what a plain Provisioner may buy in a
// real region.
func allDifferent(tb testing.TB, s size) solver.Problem {
	types, err := region.InstanceTypes(region.GeneralPurpose, v1alpha5.CapacityTypeOnDemand)
	if err != nil {
		tb.Fatal(err)
	}
	p := solver.Problem{Provisioners: []solver.Provisioner{{Name: "default", InstanceTypes: types[:min(s.types, len(types))]}}}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range s.pods {
		p.Pods = append(p.Pods, builders.Pod(builders.Name(fmt.Sprintf("pod-%05d", i)),
			builders.CPU(fmt.Sprintf("%dm", 100+random.IntN(1401))), builders.Memory(fmt.Sprintf("%dMi", 100+random.IntN(3997)))))
	}
	return p
}

// identical has pods of five shapes, as a few Deployments make them.
func identical(_ testing.TB, s size) solver.Problem {
	return solver.Problem{Pods: shapes(s.pods, 5), Provisioners: []solver.Provisioner{{Name: "default", InstanceTypes: catalogue(s.types)}}}
}

// measured are the worlds that others are measured with: the sizes that benchmarks plan for, and one that a test can do.
func measured() []struct {
	name  string
	world func(testing.TB, size) solver.Problem
	small size
	large []size
} {
	return []struct {
		name  string
		world func(testing.TB, size) solver.Problem
		small size
		large []size
	}{
		{"karpenter-mix", karpenterMix, size{200, 40, 0}, []size{{500, 400, 0}, {5000, 400, 0}, {50000, 400, 0}}},
		{"full-catalogue", fullCatalogue, size{200, 1353, 0}, []size{{5000, 1353, 0}}},
		{"busy-cluster", busyCluster, size{200, 60, 50}, []size{{5000, 400, 2000}}},
		{"one-template", oneTemplate, size{510, 1, 0}, []size{{51000, 1, 0}}},
		{"all-different", allDifferent, size{100, 1353, 0}, []size{{3000, 1353, 0}}},
		{"identical", identical, size{200, 100, 0}, []size{{5000, 700, 0}}},
	}
}

func TestMeasuredPlansDoNotDependOnTheOrderOfTheProblem(t *testing.T) {
	for _, m := range measured() {
		t.Run(m.name, func(t *testing.T) {
			p := m.world(t, m.small)
			want := text(solver.Solve(t.Context(), p))
			for seed := range uint64(3) {
				shuffle(rand.New(rand.NewPCG(seed, 3)), &p)
				if got := text(solver.Solve(t.Context(), p)); got != want {
					t.Fatalf("the plan is\n%s\nand after shuffling\n%s", want, got)
				}
			}
		})
	}
}

// shuffle brings all lists of a problem into another order.
func shuffle(r *rand.Rand, p *solver.Problem) {
	r.Shuffle(len(p.Pods), func(i, j int) { p.Pods[i], p.Pods[j] = p.Pods[j], p.Pods[i] })
	r.Shuffle(len(p.Nodes), func(i, j int) { p.Nodes[i], p.Nodes[j] = p.Nodes[j], p.Nodes[i] })
	r.Shuffle(len(p.Provisioners), func(i, j int) { p.Provisioners[i], p.Provisioners[j] = p.Provisioners[j], p.Provisioners[i] })
	for i := range p.Nodes {
		running := p.Nodes[i].Pods
		r.Shuffle(len(running), func(i, j int) { running[i], running[j] = running[j], running[i] })
	}
	for i := range p.Provisioners {
		types := slices.Clone(p.Provisioners[i].InstanceTypes)
		r.Shuffle(len(types), func(i, j int) { types[i], types[j] = types[j], types[i] })
		p.Provisioners[i].InstanceTypes = types
	}
}

func TestClusterAutoscalersPodsNeed2595Machines(t *testing.T) {
	plan := solver.Solve(t.Context(), oneTemplate(t, size{51000, 1, 0}))
	if len(plan.Machines) != 2595 || len(plan.Unplaced) > 0 {
		t.Errorf("%d machines, %d pods unplaced", len(plan.Machines), len(plan.Unplaced))
	}
}

func TestMeasuredPlansPlaceAllPods(t *testing.T) {
	for _, m := range measured() {
		t.Run(m.name, func(t *testing.T) {
			plan := solver.Solve(t.Context(), m.world(t, m.small))
			if len(plan.Unplaced) > 0 {
				t.Errorf("%d pods are unplaced, one because %s", len(plan.Unplaced), plan.Unplaced[0].Reason)
			}
			if plan.LowerBoundPerHour > plan.CostPerHour {
				t.Errorf("the plan costs $%v/h, its lower bound is $%v/h", plan.CostPerHour, plan.LowerBoundPerHour)
			}
		})
	}
}
