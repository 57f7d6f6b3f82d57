package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kerf-autoscaler/kerf/test/chaos/live"
)

// tally adds results up. It is safe for concurrent use.
type tally struct {
	mu    sync.Mutex
	begun time.Time
	// wanted is how many worlds shall count, begun how many have been started that may.
	wanted, underway int
	// worlds are those that ran, counted those in which all that was planned went wrong.
	worlds, counted, broken        int
	crashes, processes, calls, bad int
	planned, struck                map[live.Class]int // class -> worlds
	errs                           []error
}

func newTally(wanted int) *tally {
	return &tally{begun: time.Now(), wanted: wanted, planned: map[live.Class]int{}, struck: map[live.Class]int{}}
}

// wants reports whether another world is wanted, which then is under way.
func (t *tally) wants() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counted+t.underway >= t.wanted || len(t.errs) > 0 {
		return false
	}
	t.underway++
	return true
}

func (t *tally) take(out io.Writer, seed uint64, r live.Result) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.underway--
	t.worlds++
	t.crashes, t.processes, t.calls, t.bad = t.crashes+r.Crashes, t.processes+r.Processes, t.calls+r.Calls, t.bad+len(r.Violations)
	for class, hits := range r.Struck {
		t.planned[class]++
		if hits > 0 {
			t.struck[class]++
		}
	}
	outcome := "kept"
	switch {
	case r.Err != nil:
		outcome = "not carried through: " + r.Err.Error()
		t.errs = append(t.errs, fmt.Errorf("seed %d: %w", seed, r.Err))
	case len(r.Violations) > 0:
		outcome = fmt.Sprintf("BROKEN %d times", len(r.Violations))
		t.broken++
	case !r.Hit:
		outcome = "does not count"
	}
	if r.Hit {
		t.counted++
	}
	var troubles []string
	for _, trouble := range live.Draw(seed).Troubles {
		troubles = append(troubles, trouble.String())
	}
	say(out, "seed %-3d %5.1fs %3d calls, %d processes: %s: %s\n", seed, r.Took.Seconds(), r.Calls, r.Processes, strings.Join(troubles, "; "), outcome)
	for _, v := range r.Violations {
		say(out, "    %s\n", v)
	}
}

// verdict prints what came of it all.
func (t *tally) verdict(out io.Writer) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	say(out, "\n%d worlds in %s, in %d of which all that was planned went wrong; %d processes, %d crashes, %d calls\n",
		t.worlds, time.Since(t.begun).Round(time.Second), t.counted, t.processes, t.crashes, t.calls)
	for _, class := range slices.Sorted(maps.Keys(t.planned)) {
		say(out, "  %-18s struck in %d of %d worlds\n", class, t.struck[class], t.planned[class])
		if t.struck[class] == 0 && t.wanted >= len(live.Classes()) {
			t.errs = append(t.errs, fmt.Errorf("%s has never struck", class))
		}
	}
	say(out, "%d violations in %d worlds\n", t.bad, t.broken)
	if t.broken > 0 {
		t.errs = append(t.errs, fmt.Errorf("promises were broken in %d worlds", t.broken))
	}
	if t.counted < t.wanted {
		t.errs = append(t.errs, fmt.Errorf("only %d of %d worlds count", t.counted, t.wanted))
	}
	return errors.Join(t.errs...)
}

// say prints; there is nobody to tell where that fails.
func say(out io.Writer, format string, args ...any) { fmt.Fprintf(out, format, args...) } //nolint:errcheck // as it says
