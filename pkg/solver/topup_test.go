package solver_test

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// late makes pods come to their places rounds after the others: it has them prefer, one after another, what is not to be had.
func late(wishes int) builders.PodModifier {
	return func(pod *corev1.Pod) {
		if pod.Spec.Affinity == nil {
			pod.Spec.Affinity = &corev1.Affinity{}
		}
		if pod.Spec.Affinity.NodeAffinity == nil {
			pod.Spec.Affinity.NodeAffinity = &corev1.NodeAffinity{}
		}
		for i := range wishes {
			a := pod.Spec.Affinity.NodeAffinity
			a.PreferredDuringSchedulingIgnoredDuringExecution = append(a.PreferredDuringSchedulingIgnoredDuringExecution,
				corev1.PreferredSchedulingTerm{Weight: int32(i + 1), Preference: corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{
					{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{"nowhere"}},
				}}})
		}
	}
}

// variedLateProblem is a varied problem some of whose pods come late, when machines that several instance types share are sold.
func variedLateProblem(seed uint64) solver.Problem {
	p, w := variedProblem(seed), newWorld(seed+1000)
	p.Settings.MinValuesBestEffort = seed%3 == 0
	for _, pod := range p.Pods {
		if w.chance(50) {
			late(1 + w.IntN(2))(pod)
		}
	}
	return p
}

func TestMachinesThatLatePodsTopUpKeepTheValuesThatAreWanted(t *testing.T) {
	for seed := range uint64(2 * problems) {
		p := variedLateProblem(seed)
		plan := solver.Solve(t.Context(), p)
		pods := len(plan.Placements) + len(plan.Unplaced)
		for i, m := range plan.Machines {
			pods += len(m.Pods)
			provisioner := provisionerNamed(p, m.Provisioner)
			types, faults := listed(p, &m)
			for _, fault := range faults {
				t.Errorf("problem %d: machine %d as %s", seed, i, fault)
			}
			if key := poorest(provisioner.MinValues, types, m.Requirements); key != "" && (!m.MinValuesRelaxed || !p.Settings.MinValuesBestEffort) {
				t.Errorf("problem %d: machine %d lists %v, too few values of %q for %v", seed, i, m.InstanceTypes, key, provisioner.MinValues)
			}
		}
		if pods != len(p.Pods) {
			t.Errorf("problem %d: %d pods in the plan, %d asked for", seed, pods, len(p.Pods))
		}
	}
}

func TestALatePodJoinsAMachineOnlyIfItAcceptsAllThatTheMachineHasToList(t *testing.T) {
	cheap := func(name string, price float64) *cloudprovider.InstanceType {
		return builders.InstanceType(name, builders.Capacity("4", "8Gi", 20), builders.OnDemand(price, "zone-a"))
	}
	only := func(names ...string) builders.PodModifier {
		return builders.NodeAffinity(corev1.NodeSelectorRequirement{Key: corev1.LabelInstanceTypeStable, Operator: corev1.NodeSelectorOpIn, Values: names})
	}
	for name, tc := range map[string]struct {
		accepts  []string
		machines int
	}{
		"one of the two is enough for no machine of two":        {[]string{"a", "b"}, 2},
		"both of the two are enough to go where the others are": {[]string{"a", "c"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			plan := solver.Solve(t.Context(), solver.Problem{
				Pods: []*corev1.Pod{
					builders.Pod(builders.Name("early"), builders.CPU("1")),
					builders.Pod(builders.Name("late"), builders.CPU("1"), only(tc.accepts...), late(1)),
				},
				Provisioners: []solver.Provisioner{{
					Name: "default", Requirements: scheduling.Requirements{}, MinValues: map[string]int{corev1.LabelInstanceTypeStable: 2},
					InstanceTypes: cloudprovider.InstanceTypes{cheap("a", 0.10), cheap("b", 0.30), cheap("c", 0.11)},
				}},
			})
			if len(plan.Machines) != tc.machines || len(plan.Unplaced) > 0 {
				t.Fatalf("%d machines, want %d; unplaced %v", len(plan.Machines), tc.machines, plan.Unplaced)
			}
			for _, m := range plan.Machines {
				host := slices.ContainsFunc(m.Pods, func(pod *corev1.Pod) bool { return pod.Name == "late" })
				strange := slices.ContainsFunc(m.InstanceTypes, func(n string) bool { return !slices.Contains(tc.accepts, n) })
				if len(m.InstanceTypes) < 2 || host && strange {
					t.Errorf("machine of %v lists %v", m.Pods, m.InstanceTypes)
				}
			}
		})
	}
}
