package provisioning

import (
	"context"
	"fmt"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
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
	snapshot, offers, err := c.look(ctx, c.journal.Clock.Now())
	if err != nil {
		return problem.Facts{}, 0, fmt.Errorf("surveying the cluster: %w", err)
	}
	c.surveyed = offers
	return problem.Facts{
		Snapshot: snapshot, Offers: offers.offers, ExpendableBelow: c.settings.ExpendableBelow, Settings: c.settings.Solver,
	}, c.decided, nil
}

// Foresee returns what the next decision on pods would be. Nothing comes of it.
func (c *Controller) Foresee(ctx context.Context) (solver.Plan, error) {
	facts, _, err := c.Survey(ctx)
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
	if edition != c.decided {
		return false, nil
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
