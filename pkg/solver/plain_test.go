package solver_test

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/solver"
)

// That nothing has to be found out of the pods of a node makes no other plan.
func TestPlainNodesAreNodesLikeOthers(t *testing.T) {
	plain, others := 0, 0
	for seed := range uint64(problems) {
		p := newWorld(seed).problem()
		want := text(solver.Solve(t.Context(), p))
		needy := func(pod *corev1.Pod) bool { return !solver.IsPlain(pod) }
		for i := range p.Nodes {
			node := &p.Nodes[i]
			node.Plain = !slices.ContainsFunc(node.Pods, needy) && !slices.ContainsFunc(node.Yielding, needy)
			switch {
			case !node.Plain:
				others++
			case len(node.Pods) > 0:
				plain++
			}
		}
		if got := text(solver.Solve(t.Context(), p)); got != want {
			t.Fatalf("problem %d: plan is\n%s\nwhere plain nodes are known, without\n%s", seed, got, want)
		}
	}
	if plain == 0 || others == 0 {
		t.Errorf("%d plain nodes and %d others were tried", plain, others)
	}
}
