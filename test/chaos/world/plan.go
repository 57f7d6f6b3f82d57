package world

import (
	"time"

	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
)

// Phase is where at a call a process ends.
type Phase string

// The phases of a call.
const (
	// Before: the call is never made.
	Before Phase = "before"
	// Lost: the call is carried out, and its answer never arrives.
	Lost Phase = "applied-without-answer"
	// After: the answer arrives, and the process ends before it calls anybody again.
	After Phase = "after"
)

// Phases returns all of them.
func Phases() []Phase { return []Phase{Before, Lost, After} }

// Crash ends the process at one of its calls.
type Crash struct {
	// Call counts writes to the API server and calls of AWS over the whole run, from 1; with an action, calls of just that.
	Call   int
	Action string `json:",omitempty"`
	// Later is how many calls after that of the action it is.
	Later int `json:",omitempty"`
	Phase Phase
}

// Lag is how far behind the store a watch is, drawn for each change.
type Lag struct{ Least, Most time.Duration }

// Freeze stops the watch of a kind for a time; then it catches up.
type Freeze struct {
	Kind        string
	From, Until time.Duration
}

// Behind is how a process begins that is not the first: with a kind as it was a time before, and with a watch that shows nothing newer for
// a time. So begins who lists from an API server that is behind the others.
type Behind struct{ By, For time.Duration }

// Window is a fault that strikes writes to the API server at random between two times.
type Window struct {
	Class       string
	From, Until time.Duration
	// Share of the calls that it strikes, as a fraction; 1 is all.
	Share float64
}

// Step is something that somebody does at a time.
type Step struct {
	At     time.Duration
	Action string
	// Number says how much, how many or which.
	Number int
}

// Plan is all that is decided about a run before it begins. The same plan makes the same history.
type Plan struct {
	Seed uint64
	// Pods are created at once, a machine for each.
	Pods int
	// Shapes is how many kinds of pods there are, each of which wants machines of its own.
	Shapes int
	// Limit is the provisioner's limit in machines; 0 is none.
	Limit int
	// Workers is how many reconciles a controller runs at a time.
	Workers int
	Lags    map[string]Lag
	Freezes []Freeze
	// Behind maps kind -> how far behind a process begins.
	Behind  map[string]Behind
	Crashes []Crash
	// Clocks are how far ahead of the API server's clock those of the processes are, in turn.
	Clocks []time.Duration
	// Restart is how long nothing runs after a crash, and Meanwhile what somebody does in that time.
	Restart   time.Duration
	Meanwhile []string
	Windows   []Window
	Steps     []Step
	// AWS is what goes wrong there until all is calm. Clocks that differ stay different.
	AWS faults.Plan
	// Calm is when faults end and pods are left alone, at the earliest: watches thaw first.
	Calm time.Duration
	// Drain deletes all machines once all is calm and settled.
	Drain bool
	// Orphaned says that nodes whose instance is gone are removed, as a cloud controller does.
	Orphaned bool
	// Race is what comes to nodes that are about to go; nil for no race.
	Race *Race `json:",omitempty"`
	// Shuffle draws the order of what could happen next; else it is first come, first served.
	Shuffle bool
}

// calm is when the last fault has ended.
func (p *Plan) calm() time.Duration {
	last := p.Calm
	for _, freeze := range p.Freezes {
		last = max(last, freeze.Until)
	}
	for _, window := range p.Windows {
		last = max(last, window.Until)
	}
	return last
}

// staleness is how far behind kerf's view may be at most.
func (p *Plan) staleness() time.Duration {
	var most time.Duration
	for _, lag := range p.Lags {
		most = max(most, lag.Most)
	}
	for _, freeze := range p.Freezes {
		most = max(most, freeze.Until-freeze.From)
	}
	for _, behind := range p.Behind {
		most = max(most, behind.By+behind.For)
	}
	return most
}
