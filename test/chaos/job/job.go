// Package job carries out many runs of worlds and reports on each: seeds, every crash point of a launch, and the hunt for a bug that
// was put in on purpose.
package job

import (
	"encoding/json"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/kerf-autoscaler/kerf/test/chaos/invariant"
	"github.com/kerf-autoscaler/kerf/test/chaos/world"
)

// Report is what came of one run.
type Report struct {
	// Kind is what the run belongs to: seed, point, mutant.
	Kind string `json:"kind"`
	// Name tells how to repeat it.
	Name string `json:"name"`
	// Iteration counts the runs of a hunt.
	Iteration int `json:"iteration,omitempty"`
	// Stands is for how many crash points the run stands: itself, and those that leave the same world behind.
	Stands int `json:"stands,omitempty"`
	// Planned are the classes of faults of the plan, and Hits counts how often each struck.
	Planned []string       `json:"planned,omitempty"`
	Hits    map[string]int `json:"hits,omitempty"`
	// Calls is how many writes and calls of AWS kerf made, Events how long the history is.
	Calls  int `json:"calls"`
	Events int `json:"events"`
	// Lasted is how long the world was, in its own time.
	Lasted time.Duration `json:"lasted"`
	// Violations are what the history breaks.
	Violations []string `json:"violations,omitempty"`
	// Err is why the run could not be carried through.
	Err string `json:"err,omitempty"`
}

// Broken reports whether the run shows a bug.
func (r *Report) Broken() bool { return len(r.Violations) > 0 || r.Err != "" }

// Hit reports whether something that was planned to go wrong did.
func (r *Report) Hit() bool {
	for _, class := range r.Planned {
		if r.Hits[class] > 0 {
			return true
		}
	}
	return false
}

// Run carries out a plan and judges its history.
func Run(t *testing.T, kind, name string, plan world.Plan) Report {
	t.Helper()
	return reportOn(kind, name, plan, world.Run(t, plan))
}

// reportOn judges what came of a plan.
func reportOn(kind, name string, plan world.Plan, result world.Result) Report {
	report := Report{
		Kind: kind, Name: name, Planned: plan.Classes(), Hits: result.Hits, Calls: result.Calls, Events: len(result.History.Events),
	}
	if n := report.Events; n > 0 {
		report.Lasted = result.History.Events[n-1].At.Sub(result.History.Events[0].At)
	}
	if result.Err != nil {
		report.Err = result.Err.Error()
	}
	for _, v := range invariant.Judge(&result.History) {
		report.Violations = append(report.Violations, v.String())
	}
	return report
}

// Share is a part of the runs: those whose number leaves a remainder when it is divided.
type Share struct{ Remainder, Of int }

func (s Share) has(n int) bool { return s.Of <= 1 || n%s.Of == s.Remainder }

// Seeds runs the seeds from one number to another, both included.
func Seeds(t *testing.T, from, to uint64, share Share, tell func(Report)) {
	t.Helper()
	for seed := from; seed <= to; seed++ {
		if share.has(int(seed % 1_000_000)) { //nolint:gosec // small
			tell(Run(t, "seed", fmt.Sprint("SEED=", seed), world.Draw(seed)))
		}
	}
}

// Races does the same with the seeds of the race between emptiness and pods.
func Races(t *testing.T, from, to uint64, share Share, tell func(Report)) {
	t.Helper()
	for seed := from; seed <= to; seed++ {
		if share.has(int(seed % 1_000_000)) { //nolint:gosec // small
			tell(Run(t, "race", fmt.Sprint("RACE=", seed), world.DrawRace(seed)))
		}
	}
}

// Hunt runs worlds of a kind until one shows a bug, at most so many, and reports on the last one.
func Hunt(t *testing.T, name string, most int, draw func(seed uint64) world.Plan) Report {
	t.Helper()
	var report Report
	for i := 1; i <= most; i++ {
		report = Run(t, "mutant", name, draw(uint64(i))) //nolint:gosec // small
		report.Iteration = i
		if report.Broken() {
			break
		}
	}
	return report
}

// Writer tells reports as lines of JSON.
func Writer(to io.Writer) func(Report) {
	encoder := json.NewEncoder(to)
	return func(r Report) {
		if err := encoder.Encode(r); err != nil {
			fmt.Fprintln(to, err) //nolint:errcheck // who does not read that either
		}
	}
}
