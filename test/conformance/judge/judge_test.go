package judge_test

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/conformance/judge"
	"github.com/kerf-autoscaler/kerf/test/conformance/world"
)

// small is a world in which two pods of web want different machines, and one asks for more than there is.
func small() *world.World {
	web := func(name string, modifiers ...builders.PodModifier) *corev1.Pod {
		app := map[string]string{"app": "web"}
		return builders.Pod(append(modifiers, builders.Name(name), builders.Labels(app), builders.CPU("1"), builders.AntiAffinity(corev1.LabelHostname, app))...)
	}
	return &world.World{
		Seed:       1,
		Namespaces: map[string]map[string]string{"default": {}},
		Types: cloudprovider.InstanceTypes{
			builders.InstanceType("large", builders.Capacity("8", "32Gi", 20), builders.OnDemand(0.4, "a", "b")),
			builders.InstanceType("small", builders.Capacity("2", "8Gi", 10), builders.OnDemand(0.1, "a")),
		},
		Provisioners: []*v1alpha5.Provisioner{builders.Provisioner("default", builders.Limit(corev1.ResourceCPU, "20"))},
		Pods:         []*corev1.Pod{web("web-0"), web("web-1"), builders.Pod(builders.Name("huge"), builders.CPU("9"))},
		Planned:      map[types.UID]string{},
	}
}

// good is a plan for the small world that nothing is wrong with.
func good(w *world.World) solver.Plan {
	machine := func(pod *corev1.Pod) solver.Machine {
		return solver.Machine{
			Provisioner: "default", InstanceTypes: []string{"small", "large"}, PricePerHour: 0.1, Zone: "a", CapacityType: "on-demand",
			Requirements: w.Problem().Provisioners[0].Requirements.Union(onDemandIn("a", "b")), Pods: []*corev1.Pod{pod},
		}
	}
	return solver.Plan{
		Machines: []solver.Machine{machine(w.Pods[0]), machine(w.Pods[1])},
		Unplaced: []solver.Unplaced{{Pod: w.Pods[2], Reason: "9 cpu asked, large has 8"}},
	}
}

func TestWhatIsWrongWithAPlanIsFound(t *testing.T) {
	tests := map[string]struct {
		world func(*world.World)
		plan  func(*world.World, *solver.Plan)
		want  judge.Kind // "" where nothing is wrong
	}{
		"nothing": {},
		"a pod is forgotten": {
			plan: func(_ *world.World, p *solver.Plan) { p.Unplaced = nil }, want: judge.Bookkeeping,
		},
		"a pod is planned twice": {
			plan: func(w *world.World, p *solver.Plan) { p.Machines[0].Pods = w.Pods[:2] }, want: judge.Bookkeeping,
		},
		"a pod is on a node that is not there": {
			plan: func(w *world.World, p *solver.Plan) {
				p.Machines, p.Placements = p.Machines[:1], []solver.Placement{{Pod: w.Pods[1], Node: "nowhere"}}
			},
			want: judge.Bookkeeping,
		},
		"a pod is left without a reason": {
			plan: func(_ *world.World, p *solver.Plan) { p.Unplaced[0].Reason = "" }, want: judge.Bookkeeping,
		},
		"an instance type is not sold where the machine is to be": {
			plan: func(_ *world.World, p *solver.Plan) {
				p.Machines[0].Requirements.Add(onDemandIn("b")["topology.kubernetes.io/zone"])
			},
			want: judge.Machine,
		},
		"a machine costs something else": {
			plan: func(_ *world.World, p *solver.Plan) { p.Machines[0].PricePerHour = 0.05 }, want: judge.Machine,
		},
		"a machine is not one of its provisioner's": {
			world: func(w *world.World) {
				builders.Requirement(corev1.LabelArchStable, corev1.NodeSelectorOpIn, "arm64")(w.Provisioners[0])
			},
			want: judge.Machine,
		},
		"the larger instance types exceed a limit": {
			world: func(w *world.World) { builders.Limit(corev1.ResourceCPU, "15")(w.Provisioners[0]) }, want: judge.Limits,
		},
		"pods that avoid each other share a machine": {
			plan: func(w *world.World, p *solver.Plan) {
				p.Machines = p.Machines[:1]
				p.Machines[0].Pods = w.Pods[:2]
			},
			want: judge.Placed,
		},
		"one of the instance types is too small": {
			world: func(w *world.World) { builders.CPU("3")(w.Pods[1]) }, want: judge.Placed,
		},
		"an instance type that is neither first nor last is too small": {
			plan: func(w *world.World, p *solver.Plan) {
				p.Machines[1].InstanceTypes = []string{"large", "small", "large"}
				p.Machines[1].PricePerHour = 0.4
			},
			world: func(w *world.World) { builders.CPU("3")(w.Pods[1]) }, want: judge.Placed,
		},
		"a DaemonSet leaves too little": {
			world: func(w *world.World) {
				w.DaemonSets = []*corev1.Pod{builders.Pod(builders.Name("agent"), builders.CPU("1500m"))}
			},
			want: judge.Placed,
		},
		"a pod is left that could have a machine": {
			plan: func(w *world.World, p *solver.Plan) {
				p.Machines = p.Machines[:1]
				p.Unplaced = append(p.Unplaced, solver.Unplaced{Pod: w.Pods[1], Reason: "none"})
			},
			want: judge.Unplaced,
		},
		"a pod is left for a limit": {
			world: func(w *world.World) { builders.Limit(corev1.ResourceCPU, "9")(w.Provisioners[0]) },
			plan: func(w *world.World, p *solver.Plan) {
				p.Machines = p.Machines[:1]
				p.Unplaced = append(p.Unplaced, solver.Unplaced{Pod: w.Pods[1], Reason: "limit"})
			},
		},
		"a pod is left that fits beside what is planned": {
			world: func(w *world.World) {
				builders.Limit(corev1.ResourceCPU, "9")(w.Provisioners[0])
				w.Pods[1].Spec.Affinity, w.Pods[0].Spec.Affinity = nil, nil
			},
			plan: func(w *world.World, p *solver.Plan) {
				p.Machines = p.Machines[:1]
				p.Unplaced = append(p.Unplaced, solver.Unplaced{Pod: w.Pods[1], Reason: "limit"})
			},
			want: judge.Unplaced,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := small()
			if tc.world != nil {
				tc.world(w)
			}
			plan := good(w)
			if tc.plan != nil {
				tc.plan(w, &plan)
			}
			check(t, w, &plan, tc.want)
		})
	}
}

func check(t *testing.T, w *world.World, plan *solver.Plan, want judge.Kind) {
	t.Helper()
	problem := w.Problem()
	found, err := judge.Judge(t.Context(), w, &problem, plan)
	if err != nil {
		t.Fatal(err)
	}
	if want == "" && len(found) > 0 || want != "" && (len(found) == 0 || found[0].Kind != want) {
		t.Errorf("found %v, want %q", found, want)
	}
}

func TestAnOrderInWhichTheSchedulerTakesAllPodsIsFound(t *testing.T) {
	w := small()
	one := map[string]string{"role": "one"}
	// The first counts pods of the role without being one: it gets to the machine only before the others do.
	counting := builders.Pod(builders.Name("counting"), builders.CPU("100m"), builders.Spread(corev1.LabelHostname, 1, one))
	w.Pods = []*corev1.Pod{
		builders.Pod(builders.Name("one-0"), builders.Labels(one), builders.CPU("100m")),
		builders.Pod(builders.Name("one-1"), builders.Labels(one), builders.CPU("100m")), counting,
		builders.Pod(builders.Name("alone"), builders.CPU("100m")),
	}
	plan := good(small())
	plan.Unplaced = nil
	plan.Machines[0].Pods, plan.Machines[1].Pods = w.Pods[:3], w.Pods[3:]
	check(t, w, &plan, "")
	plan.Machines[0].Pods, plan.Machines[1].Pods = slices.Concat(w.Pods[:2], w.Pods[3:]), w.Pods[2:3]
	check(t, w, &plan, "")
}

// onDemandIn requires a machine on demand in one of the zones.
func onDemandIn(zones ...string) scheduling.Requirements {
	return scheduling.NewRequirements(
		scheduling.NewRequirement(v1alpha5.CapacityTypeLabel, corev1.NodeSelectorOpIn, "on-demand"),
		scheduling.NewRequirement(corev1.LabelTopologyZone, corev1.NodeSelectorOpIn, zones...))
}
