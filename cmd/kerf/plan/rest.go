package plan

import (
	"cmp"
	"context"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/manifests"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
)

// placeRest adds to a plan the pods that nothing is bought for: to the room that is left on nodes, or unplaced.
func (q *inquiry) placeRest(ctx context.Context, plan *solver.Plan) {
	if len(q.leftAlone) == 0 {
		return
	}
	rest := slices.SortedFunc(maps.Keys(q.leftAlone), func(a, b *corev1.Pod) int { return cmp.Compare(manifests.Key(a), manifests.Key(b)) })
	found := solver.Solve(ctx, problem.Rest(q.facts, rest, plan.Placements))
	plan.Placements = slices.Concat(plan.Placements, found.Placements)
	plan.CutShort = plan.CutShort || found.CutShort
	for _, u := range found.Unplaced {
		plan.Unplaced = append(plan.Unplaced, solver.Unplaced{Pod: u.Pod, Reason: q.leftAlone[u.Pod] + ", and no node that is there can host it"})
	}
}
