package main

import (
	"context"
	"fmt"
	"runtime/debug"
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
}

// play looks at all worlds, on all workers. If the context ends it looks at no more, and reports on those that it has: a plan that
// was cut short would tell nothing, so the last of them take the time that they take.
func play(ctx context.Context, s settings) (*report, error) {
	unhurried, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	seeds, results := make(chan uint64), make(chan result)
	go func() {
		defer close(seeds)
		for seed := s.seed; seed < s.seed+uint64(s.clusters); seed++ { //nolint:gosec // positive
			select {
			case seeds <- seed:
			case <-ctx.Done():
				return
			case <-unhurried.Done():
				return
			}
		}
	}()
	var workers sync.WaitGroup
	for range s.workers {
		workers.Go(func() {
			for seed := range seeds {
				r, err := look(unhurried, world.Draw(seed, s.pods))
				if err != nil {
					cancel(fmt.Errorf("judging the plan for seed %d: %w", seed, err))
					continue
				}
				results <- r
			}
		})
	}
	go func() {
		workers.Wait()
		close(results)
	}()
	report := newReport()
	collect(s, report, results)
	if err := context.Cause(unhurried); err != nil {
		return nil, err
	}
	if err := report.explain(ctx, s.shown); err != nil {
		return nil, err
	}
	return report, nil
}

// look lets kerf plan for a world and judges the plan.
func look(ctx context.Context, w *world.World) (result, error) {
	problem := w.Problem()
	r := result{world: w}
	if crash := protect(func() { r.plan = solver.Solve(ctx, problem) }); crash != nil {
		r.plan, r.disagreements = solver.Plan{}, []judge.Disagreement{*crash}
		return r, nil
	}
	var err error
	r.disagreements, err = judge.Judge(ctx, w, &problem, &r.plan)
	return r, err
}

// protect runs kerf and returns how it crashed, nil if it did not: one crash must not hide what else there is to find.
func protect(kerf func()) (crash *judge.Disagreement) {
	defer func() {
		if v := recover(); v != nil {
			crash = &judge.Disagreement{Kind: judge.Crash, Cause: fmt.Sprintf("%T", v), Text: fmt.Sprintf("%v\n%s", v, debug.Stack())}
		}
	}()
	kerf()
	return nil
}

// collect adds results up and says now and then how far they are.
func collect(s settings, report *report, results <-chan result) {
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
			report.add(r)
			if s.verbose {
				_, _ = fmt.Fprintln(s.out, describe(r))
			}
		}
	}
}
