package main

import (
	"context"

	"github.com/kerf-autoscaler/kerf/pkg/solver"
)

// askKerf returns a try: the solver's plan for the workload. Nothing is prepared before the clock runs.
func askKerf(_ context.Context, w workload) (try, error) {
	problem := solver.Problem{Pods: w.pods, Provisioners: w.provisioners, DaemonSets: w.daemons}
	return func(ctx context.Context) (func() answer, error) {
		plan := solver.Solve(ctx, problem)
		return func() answer { return ofPlan(plan) }, ctx.Err()
	}, nil
}

func ofPlan(plan solver.Plan) answer {
	out := answer{claimedUSD: plan.CostPerHour, claimedBound: plan.LowerBoundPerHour}
	for _, m := range plan.Machines {
		out.nodes = append(out.nodes, plannedNode{
			provisioner: m.Provisioner, instanceTypes: m.InstanceTypes, requirements: m.Requirements, pods: m.Pods,
		})
	}
	for _, u := range plan.Unplaced {
		out.unplaced = append(out.unplaced, u.Pod)
	}
	if len(plan.Unplaced) > 0 {
		out.refusal = plan.Unplaced[0].Pod.Name + ": " + plan.Unplaced[0].Reason
	}
	return out
}
