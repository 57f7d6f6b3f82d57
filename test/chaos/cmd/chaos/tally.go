package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/kerf-autoscaler/kerf/test/chaos/job"
	"github.com/kerf-autoscaler/kerf/test/chaos/world"
)

// shownAtOnce is how many broken runs are told of as they come.
const shownAtOnce = 20

// tally adds reports up. It is safe for concurrent use.
type tally struct {
	mu    sync.Mutex
	begun time.Time
	// runs, hit, calls and events map the kind of a run -> how many there were, in how many of them something that was planned went
	// wrong, and how much happened in them.
	runs, hit, calls, events map[string]int
	planned, struck          map[string]int // class of faults -> runs
	came                     map[string]int // the same -> how often it struck
	// points is how many crash points the runs of that kind stand for.
	points int
	// spent maps what was done -> the processor's time that it took.
	spent map[string]time.Duration
	// live is what the worlds on real API servers have told.
	live   string
	broken []job.Report
	hunts  []job.Report
}

func newTally() *tally {
	return &tally{
		begun: time.Now(), runs: map[string]int{}, hit: map[string]int{}, calls: map[string]int{}, events: map[string]int{},
		planned: map[string]int{}, struck: map[string]int{}, came: map[string]int{}, spent: map[string]time.Duration{},
	}
}

// spend counts the processor's time of a process that has ended, and of those that it has started.
func (t *tally) spend(on string, ended *os.ProcessState) {
	if ended == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.spent[on] += ended.UserTime() + ended.SystemTime()
}

// hear takes in what the worlds on real API servers have told.
func (t *tally) hear(live string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.live = live
}

func (t *tally) take(out io.Writer, r job.Report) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.Kind == "mutant" {
		t.hunts = append(t.hunts, r)
		fmt.Fprintf(out, "mutant %s: %s\n", r.Name, outcome(r)) //nolint:errcheck // nobody to tell
		return
	}
	t.runs[r.Kind]++
	t.points += r.Stands
	t.calls[r.Kind] += r.Calls
	t.events[r.Kind] += r.Events
	if r.Hit() {
		t.hit[r.Kind]++
	}
	for class, n := range r.Hits {
		t.came[class] += n
	}
	for _, class := range r.Planned {
		t.planned[class]++
		if r.Hits[class] > 0 {
			t.struck[class]++
		}
	}
	if r.Broken() {
		t.broken = append(t.broken, r)
		if len(t.broken) <= shownAtOnce {
			fmt.Fprintf(out, "BROKEN %s: %q %s\n", r.Name, r.Violations, r.Err) //nolint:errcheck // nobody to tell
		}
	}
}

func (t *tally) progress(out io.Writer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(out, "%6s  %d crash points, %d seeds, %d races, %d mutants; %d broken runs\n", //nolint:errcheck // nobody to tell
		time.Since(t.begun).Round(time.Second), t.runs["point"], t.runs["seed"], t.runs["race"], len(t.hunts), len(t.broken))
}

// verdict prints all figures, and returns what is wrong.
func (t *tally) verdict(out io.Writer) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	say := func(format string, args ...any) { fmt.Fprintf(out, format, args...) } //nolint:errcheck // nobody to tell
	say("\n%s", t.live)
	errs := []error{t.faults(say), t.caught(say)}
	say("\n%-8s %8s %16s %12s %12s\n", "kind", "runs", "with fault hit", "calls", "events")
	for _, kind := range slices.Sorted(maps.Keys(t.runs)) {
		say("%-8s %8d %16d %12d %12d\n", kind, t.runs[kind], t.hit[kind], t.calls[kind], t.events[kind])
	}
	if t.points > 0 {
		say("\nthe runs of kind point stand for %d crash points: the others leave the same world behind as one of these\n", t.points)
	}
	if t.runs["race"] > 0 {
		say("\nin the runs of kind race pods came %d times at a moment of a machine's end, and %d times at any time; %d were bound late to a tainted node\n",
			t.came[world.ClassAmbush], t.came[world.StepVisit], t.came[world.ClassSchedulerLag])
	}
	say("\n%-8s %16s\n", "part", "processor time")
	for _, part := range slices.Sorted(maps.Keys(t.spent)) {
		say("%-8s %16s\n", part, t.spent[part].Round(time.Second))
	}
	say("\n%d violations in %d runs, %s\n", len(t.broken), t.runs["point"]+t.runs["seed"]+t.runs["race"], time.Since(t.begun).Round(time.Second))
	if len(t.broken) > 0 {
		errs = append(errs, fmt.Errorf("%d runs broke a promise; replay one with make chaos %s", len(t.broken), t.broken[0].Name))
	}
	return errors.Join(errs...)
}

// faults prints which faults struck, and returns an error for those that never did.
func (t *tally) faults(say func(string, ...any)) error {
	var errs []error
	say("\n%-28s %10s %10s\n", "fault", "planned in", "struck in")
	for _, class := range slices.Sorted(maps.Keys(t.planned)) {
		say("%-28s %10d %10d\n", class, t.planned[class], t.struck[class])
		if t.struck[class] == 0 && t.runs["seed"] >= 1000 {
			errs = append(errs, fmt.Errorf("fault %s never struck: nothing was shown about it", class))
		}
	}
	return errors.Join(errs...)
}

// caught prints what became of the bugs put in on purpose, and returns an error for those that survived.
func (t *tally) caught(say func(string, ...any)) error {
	if len(t.hunts) == 0 {
		return nil
	}
	var errs []error
	say("\n%-28s %s\n", "mutant", "caught")
	slices.SortFunc(t.hunts, func(a, b job.Report) int { return a.Iteration - b.Iteration })
	for _, h := range t.hunts {
		say("%-28s %s\n", h.Name, outcome(h))
		if !h.Broken() {
			errs = append(errs, fmt.Errorf("mutant %s survived", h.Name))
		}
	}
	return errors.Join(errs...)
}

// outcome says whether a bug was found, and by what.
func outcome(r job.Report) string {
	switch {
	case len(r.Violations) > 0:
		return fmt.Sprintf("in run %d: %s", r.Iteration, r.Violations[0])
	case r.Err != "":
		return fmt.Sprintf("in run %d: %s", r.Iteration, r.Err)
	default:
		return fmt.Sprintf("SURVIVED %d runs", r.Iteration)
	}
}
