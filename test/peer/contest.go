package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"time"
)

// try is one run of a side, ready to start. What it returns is turned into an answer when the clock has stopped.
type try func(ctx context.Context) (func() answer, error)

// side is one of the two.
type side struct {
	name string
	ask  func(ctx context.Context, w workload) (try, error)
	// steady says that it always gives the same answer, so that there is no sense in asking again for a better one.
	steady bool
}

// mostTries is how often a side is asked for a plan that can be carried out. Karpenter's plans are not the same from run to run: where
// pods have to be with their like in one zone, some have them in two, since the first of them may leave open in which
// zone it is, and then the next may start anew in another.
const mostTries = 20

// outcome is what a side made of a workload.
type outcome struct {
	answer
	invoice
	seconds   float64 // of the fastest run
	allocated uint64  // bytes, of the run that took least
	runs      int
	// spoilt counts the runs whose plans could not be carried out, and spoiltBy is what was wrong with the first.
	spoilt   int
	spoiltBy string
}

// contest is a workload with what both sides made of it.
type contest struct {
	name            string
	pods, types     int
	kerf, karpenter outcome
	bound           float64 // US dollars per hour
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
	c := contest{name: r.name, pods: len(w.pods), types: w.types()}
	fmt.Fprintf(s.progress, "%s: %d pods, %d instance types\n", r.name, c.pods, c.types)
	if c.bound, err = lowerBound(w); err != nil {
		return contest{}, fmt.Errorf("computing the lower bound: %w", err)
	}
	referee := newReferee(w)
	for _, side := range []struct {
		side
		outcome *outcome
	}{{side{"kerf", askKerf, true}, &c.kerf}, {side{"Karpenter", askKarpenter, false}, &c.karpenter}} {
		if *side.outcome, err = side.run(ctx, s, w, referee); err != nil {
			return contest{}, fmt.Errorf("asking %s: %w", side.name, err)
		}
		o := side.outcome
		fmt.Fprintf(s.progress, "  %s: %d of %d pods on %d nodes in %.3f s: %s\n",
			side.name, o.placed(), c.pods, len(o.nodes), o.seconds, o.invoice)
	}
	return c, nil
}

// run asks a side as often as it may be asked, and keeps the time of its fastest run and the best of its plans. A run with a plan that
// cannot be carried out does not count: a side that is not steady is asked again.
func (d side) run(ctx context.Context, s settings, w workload, referee *referee) (outcome, error) {
	out, none := outcome{}, true
	spent := time.Duration(0)
	for {
		try, err := d.ask(ctx, w)
		if err != nil {
			return outcome{}, fmt.Errorf("preparing: %w", err)
		}
		finish, took, allocated, err := watch(ctx, s.progress, d.name, try)
		if err != nil {
			return outcome{}, err
		}
		next := outcome{answer: finish(), seconds: took.Seconds(), allocated: allocated}
		next.invoice = referee.bill(next.answer)
		if out.runs++; len(next.faults) == 0 {
			out.keep(next, none)
			none = false
		} else {
			fmt.Fprintf(s.progress, "  %s: %s\n", d.name, next.invoice)
			out.spoil(next)
		}
		spent += took
		if len(next.faults) > 0 && (d.steady || (none && out.runs >= mostTries)) {
			next.runs, next.spoilt, next.spoiltBy = out.runs, out.spoilt, out.spoiltBy
			return next, nil
		}
		if !none && (out.runs >= s.repeat || spent >= s.patience) {
			return out, nil
		}
	}
}

// keep takes what is better of a run whose plan can be carried out.
func (o *outcome) keep(next outcome, first bool) {
	if first || next.placed() > o.placed() || (next.placed() == o.placed() && next.usd < o.usd) {
		o.answer, o.invoice = next.answer, next.invoice
	}
	if first {
		o.seconds, o.allocated = next.seconds, next.allocated
	}
	o.seconds, o.allocated = min(o.seconds, next.seconds), min(o.allocated, next.allocated)
}

// spoil counts a run whose plan cannot be carried out.
func (o *outcome) spoil(next outcome) {
	if o.spoilt++; o.spoilt == 1 {
		o.spoiltBy = next.faults[0]
	}
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
