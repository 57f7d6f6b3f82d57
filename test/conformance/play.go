package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/conformance/judge"
	"github.com/kerf-autoscaler/kerf/test/conformance/world"
)

// result is what came of one world.
type result struct {
	world         *world.World
	plan          solver.Plan
	disagreements []judge.Disagreement
	err           error
}

// play looks at all worlds, on all workers.
func play(ctx context.Context, s settings) (*report, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	seeds, results := make(chan uint64), make(chan result)
	go func() {
		defer close(seeds)
		for seed := s.seed; seed < s.seed+uint64(s.clusters); seed++ { //nolint:gosec // positive
			select {
			case seeds <- seed:
			case <-ctx.Done():
				return
			}
		}
	}()
	var workers sync.WaitGroup
	for range s.workers {
		workers.Go(func() {
			for seed := range seeds {
				results <- look(ctx, world.Draw(seed, s.pods))
			}
		})
	}
	go func() {
		workers.Wait()
		close(results)
	}()
	report := newReport()
	collect(s, report, results, cancel)
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return report, report.explain(ctx, s.shown)
}

// look lets kerf plan for a world and judges the plan.
func look(ctx context.Context, w *world.World) result {
	problem := w.Problem()
	r := result{world: w, plan: solver.Solve(ctx, problem)}
	r.disagreements, r.err = judge.Judge(ctx, w, &problem, &r.plan)
	return r
}

// collect adds results up, says now and then how far they are, and gives up at the first that could not be judged.
func collect(s settings, report *report, results <-chan result, cancel context.CancelCauseFunc) {
	ticker := time.NewTicker(s.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			_, _ = fmt.Fprintln(s.out, report.summary())
		case r, more := <-results:
			if !more {
				return
			}
			if r.err != nil {
				cancel(fmt.Errorf("judging the plan for seed %d: %w", r.world.Seed, r.err))
				continue
			}
			report.add(r)
			if s.verbose {
				_, _ = fmt.Fprintln(s.out, describe(r))
			}
		}
	}
}
