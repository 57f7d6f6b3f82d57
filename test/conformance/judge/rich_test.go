package judge_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/conformance/judge"
	"github.com/kerf-autoscaler/kerf/test/conformance/world"
)

// least asks that machines choose from that many instance types.
func least(w *world.World, n int32) {
	w.Provisioners[0].Spec.Requirements = append(w.Provisioners[0].Spec.Requirements, v1alpha5.Requirement{
		Key: corev1.LabelInstanceTypeStable, Operator: corev1.NodeSelectorOpExists, MinValues: &n,
	})
}

// full is a node of 2 cpus with a pod on it that leaves no room for the one that waits.
func full(modifiers ...builders.PodModifier) (*world.World, *corev1.Pod) {
	w := small()
	w.Pods, w.Provisioners = w.Pods[:1], nil
	pod := builders.Pod(append(modifiers, builders.Name("there"), builders.CPU("1500m"))...)
	w.Nodes = []world.Node{{Node: builders.Node("n", builders.Allocatable("2", "8Gi", 10))}}
	return w, pod
}

func expendable(p *corev1.Pod) { p.Spec.Priority = new(int32(-20)) }

func TestWhatMachinesMayChooseFromIsJudged(t *testing.T) {
	for name, tc := range map[string]struct {
		least      int32
		bestEffort bool
		plan       func(*world.World, *solver.Plan)
		want       judge.Kind
	}{
		"enough":       {least: 2},
		"too little":   {least: 3, want: judge.Machine},
		"as it can be": {least: 3, bestEffort: true, plan: func(_ *world.World, p *solver.Plan) { relax(p) }},
		"less than there should be, and not said":             {least: 3, bestEffort: true, want: judge.Machine},
		"said to be less, and is not":                         {least: 2, plan: func(_ *world.World, p *solver.Plan) { relax(p) }, want: judge.Machine},
		"a pod is left though there is enough to choose from": {least: 2, want: judge.Unplaced, plan: leaveSecond},
		"a pod is left for want of choice":                    {least: 3, plan: leaveBoth},
	} {
		t.Run(name, func(t *testing.T) {
			w := small()
			least(w, tc.least)
			w.BestEffort = tc.bestEffort
			plan := good(w)
			if tc.plan != nil {
				tc.plan(w, &plan)
			}
			check(t, w, &plan, tc.want)
		})
	}
}

func relax(p *solver.Plan) {
	for i := range p.Machines {
		p.Machines[i].MinValuesRelaxed = true
	}
}

func leaveSecond(w *world.World, p *solver.Plan) {
	p.Machines = p.Machines[:1]
	p.Unplaced = append(p.Unplaced, solver.Unplaced{Pod: w.Pods[1], Reason: "none"})
}

func leaveBoth(w *world.World, p *solver.Plan) {
	leaveSecond(w, p)
	p.Machines = nil
	p.Unplaced = append(p.Unplaced, solver.Unplaced{Pod: w.Pods[0], Reason: "none"})
}

func TestExpendablePodsGiveWay(t *testing.T) {
	never := func(p *corev1.Pod) { p.Spec.PreemptionPolicy = new(corev1.PreemptNever) }
	placed := func(w *world.World) solver.Plan {
		return solver.Plan{Placements: []solver.Placement{{Pod: w.Pods[0], Node: "n"}}}
	}
	left := func(w *world.World) solver.Plan {
		return solver.Plan{Unplaced: []solver.Unplaced{{Pod: w.Pods[0], Reason: "none"}}}
	}
	for name, tc := range map[string]struct {
		there, waits builders.PodModifier
		plan         func(*world.World) solver.Plan
		want         judge.Kind
	}{
		"to a pod that is placed":                      {there: expendable, plan: placed},
		"to a pod that is left":                        {there: expendable, plan: left, want: judge.Unplaced},
		"not if they are not expendable":               {there: func(*corev1.Pod) {}, plan: placed, want: judge.Placed},
		"not if they are not, and a pod is left":       {there: func(*corev1.Pod) {}, plan: left},
		"not to a pod that never preempts":             {there: expendable, waits: never, plan: placed, want: judge.Placed},
		"not to a pod that never preempts and is left": {there: expendable, waits: never, plan: left},
	} {
		t.Run(name, func(t *testing.T) {
			w, there := full(builders.OnNode("n"), tc.there)
			w.Nodes[0].Pods = []*corev1.Pod{there}
			if tc.waits != nil {
				tc.waits(w.Pods[0])
			}
			plan := tc.plan(w)
			check(t, w, &plan, tc.want)
		})
	}
}

func TestRoomIsKeptForNominatedPods(t *testing.T) {
	w, there := full(func(p *corev1.Pod) { p.Status.NominatedNodeName = "n" })
	plan := solver.Plan{Placements: []solver.Placement{{Pod: w.Pods[0], Node: "n"}}}
	check(t, w, &plan, "")
	w.Aside = []*corev1.Pod{there}
	check(t, w, &plan, judge.Placed)
}

func TestPodsOfANodeOnItsWayOutNeedAnother(t *testing.T) {
	w, there := full(builders.OnNode("n"))
	w.Nodes[0].Pods, w.Nodes[0].Leaving, w.Pods = []*corev1.Pod{there}, true, nil
	w.Nodes[0].Node.Spec.Taints = []corev1.Taint{v1alpha5.DisruptedTaint()}
	check(t, w, &solver.Plan{}, judge.Bookkeeping)
	check(t, w, &solver.Plan{Placements: []solver.Placement{{Pod: there, Node: "n"}}}, judge.Bookkeeping)
	w.Nodes = append(w.Nodes, world.Node{Node: builders.Node("m", builders.Allocatable("2", "8Gi", 10))})
	check(t, w, &solver.Plan{Placements: []solver.Placement{{Pod: there, Node: "m"}}}, "")
}

func TestAStartingNodeIsJudgedAsItWillBe(t *testing.T) {
	w, _ := full()
	passing := corev1.Taint{Key: "example.com/agent", Effect: corev1.TaintEffectNoSchedule}
	w.Nodes[0].Node.Spec.Taints = []corev1.Taint{passing}
	w.Nodes[0].Machine = builders.Machine("n", "default", builders.LaunchedAs("i", "2", "8Gi", 10))
	w.Nodes[0].Machine.Spec.StartupTaints = []corev1.Taint{passing}
	w.Nodes[0].Node.Status.Allocatable = corev1.ResourceList{}
	plan := solver.Plan{Placements: []solver.Placement{{Pod: w.Pods[0], Node: "n"}}}
	check(t, w, &plan, judge.Placed)
	w.Nodes[0].Passing = []corev1.Taint{passing}
	check(t, w, &plan, "")
	w.DaemonSets = []*corev1.Pod{builders.Pod(builders.Name("agent"), builders.CPU("1500m"))}
	check(t, w, &plan, judge.Placed)
}
