package provisioning

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/pkg/state"
)

// Survey returns what a decision on machines is made on that are there, and the edition of it, by which machines can be bought. It waits
// until the watches have shown what there is.
func (c *Controller) Survey(ctx context.Context) (problem.Facts, int64, error) {
	select {
	case <-c.synced:
	case <-ctx.Done():
		return problem.Facts{}, 0, ctx.Err()
	}
	if err := c.turn.Acquire(ctx, 1); err != nil {
		return problem.Facts{}, 0, fmt.Errorf("waiting for another decision: %w", err)
	}
	defer c.turn.Release(1)
	facts, offers, err := c.survey(ctx)
	c.surveyed = offers
	return facts, c.decided.Load(), err
}

func (c *Controller) survey(ctx context.Context) (problem.Facts, catalogue, error) {
	snapshot, offers, err := c.look(ctx, c.journal.Clock.Now())
	if err != nil {
		return problem.Facts{}, catalogue{}, fmt.Errorf("surveying the cluster: %w", err)
	}
	return problem.Facts{
		Snapshot: snapshot, Offers: offers.offers, ExpendableBelow: c.settings.ExpendableBelow, Settings: c.settings.Solver,
	}, offers, nil
}

// Edition returns that of a survey that would be taken now.
func (c *Controller) Edition() int64 { return c.decided.Load() }

// Foresee returns what the next decision on pods would be. Nothing comes of it.
func (c *Controller) Foresee(ctx context.Context) (solver.Plan, error) {
	if err := c.turn.Acquire(ctx, 1); err != nil {
		return solver.Plan{}, fmt.Errorf("waiting for another decision: %w", err)
	}
	facts, _, err := c.survey(ctx)
	c.turn.Release(1)
	if err != nil {
		return solver.Plan{}, err
	}
	asked := problem.Build(facts)
	asked.Planned = c.expected.planned(facts.Snapshot, &asked)
	ctx, cancel := context.WithTimeout(ctx, solveTimeout)
	defer cancel()
	return solver.Solve(ctx, asked), nil
}

// Buy creates machines by what an edition of the survey said, and reports whether it did. It does not if pods were decided on since, or if
// the machines have to wait for others to show that there is capacity: then the decision is to be made anew.
func (c *Controller) Buy(ctx context.Context, edition int64, order disruption.Order) (bool, error) {
	if err := c.turn.Acquire(ctx, 1); err != nil {
		return false, fmt.Errorf("waiting for another decision: %w", err)
	}
	defer c.turn.Release(1)
	if edition != c.decided.Load() {
		return false, nil
	}
	for i := range order.Machines {
		if _, known := c.surveyed.offers[order.Machines[i].Provisioner]; !known {
			return false, nil
		}
	}
	if _, held := c.surveyed.admit(order.Machines, c.pace, c.journal.Clock.Now()); len(held) > 0 {
		return false, nil
	}
	list, err := buildMachines(order.Machines, c.surveyed, c.settings.minValuesPolicy())
	if err != nil {
		return false, err
	}
	for i, machine := range list {
		machine.Name = order.Names[i]
		machine.Annotations[v1alpha5.ReplacesAnnotation] = order.For
	}
	return true, c.createAll(ctx, ctrl.LoggerFrom(ctx).WithName("provisioning"), list, order.Machines)
}

// withoutUndecided returns the machines but for those that only pods would come to whose node is closed to others and may be given back, or
// just was: what was bought in its place is for them, and if that fails they stay where they are.
func withoutUndecided(planned []solver.Machine, snapshot state.Snapshot) []solver.Machine {
	undecided := map[types.UID]bool{}
	for i := range snapshot.Entries {
		entry := &snapshot.Entries[i]
		if entry.Machine == nil || !entry.Deleting() || !entry.Machine.DeletionTimestamp.IsZero() {
			continue
		}
		if record := entry.Machine.Status.Disruption; record != nil && record.Committed {
			continue
		}
		for uid := range entry.Pods {
			undecided[uid] = true
		}
	}
	if len(undecided) == 0 {
		return planned
	}
	return slices.DeleteFunc(slices.Clone(planned), func(m solver.Machine) bool {
		return !slices.ContainsFunc(m.Pods, func(p *corev1.Pod) bool { return !undecided[p.UID] })
	})
}
