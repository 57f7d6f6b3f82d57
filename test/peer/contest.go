package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"runtime"
	"time"
)

// try is one run of a side, ready to start. What it returns is turned into an answer when the clock has stopped.
type try func(ctx context.Context) (func() answer, error)

// side is one of the two.
type side struct {
	name string
	ask  func(ctx context.Context, w workload) (try, error)
}

// outcome is what a side made of a workload.
type outcome struct {
	answer
	invoice
	seconds   float64 // of the fastest run
	allocated uint64  // bytes, of the run that took least
}

// contest is a workload with what both sides made of it.
type contest struct {
	name            string
	pods, types     int
	kerf, karpenter outcome
	bound           float64 // US dollars per hour
	plain           bool    // whether room is all that pods want
}

// compete runs the recipes that are asked for, one after the other. With an error it returns the contests that were over before.
func compete(ctx context.Context, s settings, recipes []recipe) ([]contest, error) {
	var out []contest
	for _, r := range recipes {
		switch {
		case !s.workloads.MatchString(r.name):
		case r.missing != "":
			fmt.Fprintf(s.progress, "%s: left out: %s\n", r.name, r.missing)
		default:
			c, err := meet(ctx, s, r)
			if err != nil {
				return out, fmt.Errorf("%s: %w", r.name, err)
			}
			out = append(out, c)
		}
	}
	return out, nil
}

// meet gives one workload to both sides.
func meet(ctx context.Context, s settings, r recipe) (contest, error) {
	w, err := r.make()
	if err != nil {
		return contest{}, fmt.Errorf("making the workload: %w", err)
	}
	learnLabels(labelsOf(w.provisioners))
	c := contest{name: r.name, pods: len(w.pods), types: w.types(), plain: w.plain()}
	fmt.Fprintf(s.progress, "%s: %d pods, %d instance types\n", r.name, c.pods, c.types)
	if c.bound, err = lowerBound(w); err != nil {
		return contest{}, fmt.Errorf("computing the lower bound: %w", err)
	}
	shop := newShop(w)
	for _, side := range []struct {
		side
		outcome *outcome
	}{{side{"kerf", askKerf}, &c.kerf}, {side{"Karpenter", askKarpenter}, &c.karpenter}} {
		if *side.outcome, err = side.run(ctx, s, w); err != nil {
			return contest{}, fmt.Errorf("asking %s: %w", side.name, err)
		}
		o := side.outcome
		o.invoice = shop.bill(o.answer)
		fmt.Fprintf(s.progress, "  %s: %d of %d pods on %d nodes at $%.2f/h in %.3f s\n",
			side.name, o.placed(), c.pods, len(o.nodes), o.usd, o.seconds)
	}
	return c, nil
}

// run asks a side as often as it may be asked, and keeps the fastest run.
func (d side) run(ctx context.Context, s settings, w workload) (outcome, error) {
	out := outcome{seconds: math.Inf(1), allocated: math.MaxUint64}
	spent := time.Duration(0)
	for range s.repeat {
		try, err := d.ask(ctx, w)
		if err != nil {
			return outcome{}, fmt.Errorf("preparing: %w", err)
		}
		finish, took, allocated, err := watch(ctx, s.progress, d.name, try)
		if err != nil {
			return outcome{}, err
		}
		out.answer = finish()
		out.seconds, out.allocated = min(out.seconds, took.Seconds()), min(out.allocated, allocated)
		if spent += took; spent >= s.patience {
			break
		}
	}
	return out, nil
}

// watch runs a try with the clock and the allocations counted, and says every now and then that it still runs.
func watch(ctx context.Context, progress io.Writer, name string, try try) (func() answer, time.Duration, uint64, error) {
	done := make(chan struct{})
	quiet := make(chan struct{})
	go func() {
		defer close(quiet)
		ticker := time.NewTicker(10 * time.Second)
		defer ticker.Stop()
		for n := 10; ; n += 10 {
			select {
			case <-done:
				return
			case <-ticker.C:
				fmt.Fprintf(progress, "  %s: %d s so far\n", name, n)
			}
		}
	}()
	var before, after runtime.MemStats
	runtime.GC() // what was left of the last run is not this one's
	runtime.ReadMemStats(&before)
	start := time.Now()
	finish, err := try(ctx)
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	close(done)
	<-quiet
	return finish, took, after.TotalAlloc - before.TotalAlloc, err
}
