package solver_test

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// tied returns a problem of a few pods as few does, with all that pods may ask of each other, preferences, and what provisioners
// want of instance types. Where that matters to who is to host a pod, there is one provisioner.
func (w world) tied() solver.Problem {
	p := w.few()
	p.Settings.IgnorePreferences = w.chance(60)
	for first := 0; first < len(p.Pods); {
		workload := p.Pods[first].Name[:strings.LastIndex(p.Pods[first].Name, "-")+1]
		modifiers := w.ties()
		for ; first < len(p.Pods) && strings.HasPrefix(p.Pods[first].Name, workload); first++ {
			for _, modify := range modifiers {
				modify(p.Pods[first])
			}
		}
	}
	if len(p.Provisioners) == 1 && w.chance(30) {
		p.Provisioners[0].MinValues = map[string]int{w.pick(corev1.LabelInstanceTypeStable, categoryLabel): 2}
		p.Settings.MinValuesBestEffort = w.chance(50)
	}
	return p
}

// ties returns what the pods of one workload ask of others, or rather have.
func (w world) ties() []builders.PodModifier {
	var out []builders.PodModifier
	for range w.IntN(3) {
		app, skew := map[string]string{"app": w.pick("web", "db", "batch")}, int32(1+w.IntN(3)) //nolint:gosec // 1 to 3
		key := w.pick(corev1.LabelHostname, corev1.LabelHostname, corev1.LabelTopologyZone)
		switch w.IntN(6) {
		case 0, 1:
			out = append(out, builders.Spread(key, skew, app))
		case 2:
			out = append(out, builders.Affinity(key, app))
		case 3:
			out = append(out, builders.AntiAffinity(key, app))
		case 4:
			out = append(out, builders.Spread(key, skew, app), anyway)
		case 5:
			out = append(out, builders.AntiAffinity(key, app), rather)
		}
	}
	return out
}

// anyway makes the last topology spread a preference, rather the last anti-affinity.
func anyway(p *corev1.Pod) {
	p.Spec.TopologySpreadConstraints[len(p.Spec.TopologySpreadConstraints)-1].WhenUnsatisfiable = corev1.ScheduleAnyway
}

func rather(p *corev1.Pod) {
	a := p.Spec.Affinity.PodAntiAffinity
	last := len(a.RequiredDuringSchedulingIgnoredDuringExecution) - 1
	a.PreferredDuringSchedulingIgnoredDuringExecution = append(a.PreferredDuringSchedulingIgnoredDuringExecution,
		corev1.WeightedPodAffinityTerm{Weight: 10, PodAffinityTerm: a.RequiredDuringSchedulingIgnoredDuringExecution[last]})
	a.RequiredDuringSchedulingIgnoredDuringExecution = a.RequiredDuringSchedulingIgnoredDuringExecution[:last]
}

// soft reports whether the topology spread is a preference.
func soft(c corev1.TopologySpreadConstraint) bool {
	return c.WhenUnsatisfiable == corev1.ScheduleAnyway
}

// prefers reports whether the pod has preferences about others.
func prefers(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Spec.TopologySpreadConstraints, soft) ||
		pod.Spec.Affinity != nil && pod.Spec.Affinity.PodAntiAffinity != nil && len(pod.Spec.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution) > 0
}

// What pods ask of others beyond their node makes plans dearer, never cheaper, and brute force does not look at it: so the bound is
// held against more than all plans that there are.
func TestNoWayToBuyForTiedPodsCostsLessThanTheLowerBound(t *testing.T) {
	machines, compared := 0, 0
	for seed := range uint64(2 * problems) {
		p := newWorld(seed).tied()
		plan := solver.Solve(t.Context(), p)
		machines += len(plan.Machines)
		if plan.LowerBoundPerHour > plan.CostPerHour {
			t.Errorf("problem %d: the plan costs $%v/h, its lower bound is $%v/h", seed, plan.CostPerHour, plan.LowerBoundPerHour)
		}
		if (plan.LowerBoundPerHour > 0) != (len(plan.Machines) > 0) {
			t.Errorf("problem %d: a lower bound of $%v/h for %d machines", seed, plan.LowerBoundPerHour, len(plan.Machines))
		}
		if len(plan.Machines) == 0 || slices.ContainsFunc(p.Pods, prefers) && !p.Settings.IgnorePreferences {
			continue // another plan may keep other preferences, and the bound is not for these
		}
		compared++
		set := onMachines(p, plan)
		for _, pod := range p.Pods {
			pod.Spec.TopologySpreadConstraints = slices.DeleteFunc(pod.Spec.TopologySpreadConstraints, soft)
		}
		best := newBrute(p).buy(set)
		if best.unplaced > 0 {
			t.Errorf("problem %d: %d pods are on machines that brute force finds none for", seed, best.unplaced)
		}
		if plan.LowerBoundPerHour > best.cost+1e-9 {
			t.Errorf("problem %d: the lower bound is $%v/h, the pods can be bought for at $%v/h", seed, plan.LowerBoundPerHour, best.cost)
		}
	}
	if machines < problems || compared < problems/3 {
		t.Errorf("only %d machines are bought in all, and %d plans compared: too few to show anything", machines, compared)
	}
}

// onMachines returns the set of the pods that are planned for machines.
func onMachines(p solver.Problem, plan solver.Plan) int {
	set := 0
	for _, m := range plan.Machines {
		for _, pod := range m.Pods {
			set |= 1 << slices.Index(p.Pods, pod)
		}
	}
	return set
}
