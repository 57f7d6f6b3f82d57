package live

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
	"github.com/kerf-autoscaler/kerf/test/chaos/line"
)

// Class is a way in which something goes wrong.
type Class string

// What goes wrong between kerf and those that it calls.
const (
	// CrashBefore, CrashApplied and CrashAfter end a process at one of its calls.
	CrashBefore  Class = "crash.before"
	CrashApplied Class = "crash.applied"
	CrashAfter   Class = "crash.after"

	APISlow  Class = "api.slow"
	APIBusy  Class = "api.busy"  // 429
	APIFails Class = "api.fails" // 500
	APILost  Class = "api.lost"  // carried out, and the answer lost

	WatchFrozen  Class = "watch.frozen"
	WatchLate    Class = "watch.late"
	WatchDropped Class = "watch.dropped"
	WatchLost    Class = "watch.lost" // frozen, and broken with all that it has not shown
	WatchGone    Class = "watch.gone" // dropped, and 410 to who wants to go on from where it was

	AWSSlow  Class = "aws.slow"
	AWSFails Class = "aws.fails"
	AWSLost  Class = "aws.lost"

	// HandoverKilled, HandoverGraceful and HandoverZombie are ways in which one leader follows another: it is killed, ends in order, or
	// does not get its lease renewed while all its other calls are late.
	HandoverKilled   Class = "handover.killed"
	HandoverGraceful Class = "handover.graceful"
	HandoverZombie   Class = "handover.zombie"

	// AWSShort, AWSOdd, AWSHidden and AWSThrottled are the simulator's own: pools without capacity, fleets that are not what was asked
	// for, instances that cannot be read at first, and buckets that are nearly empty.
	AWSShort     Class = "aws.short"
	AWSOdd       Class = "aws.odd"
	AWSHidden    Class = "aws.hidden"
	AWSThrottled Class = "aws.throttled"
)

// Classes are all of them. The worlds of consecutive seeds go round.
func Classes() []Class {
	return []Class{
		CrashBefore, HandoverZombie, CrashApplied, WatchFrozen, APILost, CrashAfter, AWSLost, HandoverKilled, WatchGone, AWSHidden, APIBusy,
		HandoverGraceful, WatchLate, AWSShort, APISlow, AWSSlow, WatchDropped, APIFails, AWSOdd, AWSFails, AWSThrottled, WatchLost,
	}
}

// Trouble is something that goes wrong from a call on, for a time.
type Trouble struct {
	Class Class
	// Call is the number of the call from which on it does; writes to the API server and calls of AWS count, from the moment on in which
	// there are pods.
	Call int
	// Action is that of AWS whose calls alone count; "" for all.
	Action string
	For    time.Duration
	// Share of the calls that it strikes, of which the first is one.
	Share float64
	// Delay is how late calls or events are.
	Delay time.Duration
	// Resource is whose watch it is about.
	Resource string
}

// String describes a trouble.
func (t Trouble) String() string {
	out := string(t.Class)
	if t.Call > 0 {
		out += strings.TrimRight(fmt.Sprintf(" at call %d %s", t.Call, t.Action), " ")
	}
	if t.For > 0 {
		out += fmt.Sprintf(" for %s", t.For)
	}
	if t.Resource != "" {
		out += " of " + t.Resource
	}
	if t.Share > 0 {
		out += fmt.Sprintf(", share %.2f", t.Share)
	}
	if t.Delay > 0 {
		out += fmt.Sprintf(", late by %s", t.Delay)
	}
	return out
}

// Plan is what is done to kerf in one world.
type Plan struct {
	Seed uint64
	// Machines is how many machines the pods need, each of which fills one.
	Machines int
	// Shapes is how many kinds of machines these are.
	Shapes int
	// Replicas is how many processes of kerf there are; of more than one, one leads.
	Replicas int
	Troubles []Trouble
	// Restart is how long a process that has ended is not there.
	Restart time.Duration
	AWS     faults.Plan
}

// callsPerMachine is how many calls kerf makes for a machine until it has pods, callsInAll until it is gone: a few less than it does.
const callsPerMachine, callsInAll = 8, 18

// watched are the resources whose watches kerf lives by.
func watched() []string { return []string{"machines", "nodes", "pods", "provisioners"} }

// dice draws what a plan is made of.
type dice struct{ *rand.Rand }

func newDice(seed, stream uint64) dice {
	return dice{rand.New(rand.NewPCG(seed, stream))} //nolint:gosec // to be repeated, not to be secret
}

func (d dice) in(least, most time.Duration) time.Duration {
	return least + time.Duration(d.Int64N(int64(most-least)+1))
}

// Draw makes the plan of a seed: five to ten machines, the class that it is the turn of, and most often a crash besides.
func Draw(seed uint64) Plan {
	d := newDice(seed, 3)
	plan := Plan{
		Seed: seed, Machines: 5 + d.IntN(6), Shapes: 1 + d.IntN(len(shapes())), Replicas: 1, Restart: d.in(0, 500*time.Millisecond),
		AWS: faults.Plan{Seed: seed},
	}
	class := Classes()[seed%uint64(len(Classes()))]
	plan.Troubles = append(plan.Troubles, d.trouble(class, &plan))
	if d.IntN(3) > 0 {
		crash := []Class{CrashBefore, CrashApplied, CrashAfter}[d.IntN(3)]
		plan.Troubles = append(plan.Troubles, d.trouble(crash, &plan))
	}
	if class == AWSHidden { // it is looked for only where nobody knows whether it is there
		plan.Troubles = append(plan.Troubles, Trouble{Class: CrashApplied, Call: 1, Action: launchAction})
	}
	return plan
}

// launchAction is the call that no crash may have kerf make twice.
const launchAction = "CreateFleet"

// trouble draws a trouble of a class.
func (d dice) trouble(class Class, plan *Plan) Trouble {
	launch := callsPerMachine * plan.Machines
	t := Trouble{Class: class, Call: 1 + d.IntN(launch), For: d.in(500*time.Millisecond, 2*time.Second)}
	switch class {
	case CrashBefore, CrashApplied, CrashAfter:
		t.For, t.Call = 0, 1+d.IntN(callsInAll*plan.Machines)
		if d.IntN(4) == 0 {
			t.Call, t.Action = 1, launchAction
		}
	case HandoverKilled, HandoverGraceful, HandoverZombie:
		plan.Replicas, t.For, t.Delay = 2, 0, d.in(time.Second, 4*time.Second)
	case APISlow, AWSSlow:
		t.Share, t.Delay = 0.2+0.3*d.Float64(), d.in(50*time.Millisecond, time.Second)
	case APIBusy, APIFails, APILost, AWSFails, AWSLost:
		t.Share = 0.1 + 0.4*d.Float64()
	case WatchFrozen, WatchLate, WatchDropped, WatchLost, WatchGone:
		t.Resource, t.Delay = watched()[d.IntN(len(watched())-1)], d.in(100*time.Millisecond, 1500*time.Millisecond)
	default:
		t.Call, t.For = 0, 0
		d.bend(class, &plan.AWS)
	}
	if class == AWSFails || class == AWSLost || class == AWSSlow { // there are few such calls, and most at the start
		t.Call, t.Share, t.For = 1+d.IntN(plan.Machines), 0.6, d.in(2*time.Second, 4*time.Second)
	}
	return t
}

// bend draws what the simulator does itself.
func (d dice) bend(class Class, aws *faults.Plan) {
	switch class {
	case AWSShort:
		aws.ICE = []faults.Shortage{{When: faults.When{Share: 0.4}}}
	case AWSOdd:
		kinds := []string{faults.Short, faults.Silent, faults.Duplicate, faults.Untold}
		aws.Partial = []faults.Partial{{When: faults.When{Share: 0.8, Most: 2}, Kind: kinds[d.IntN(len(kinds))]}}
	case AWSHidden:
		aws.Visibility = &faults.Visibility{
			ByID: &faults.Range{Most: faults.Duration(hiddenFor)}, ByFilter: &faults.Range{Most: faults.Duration(hiddenFor)},
		}
	case AWSThrottled:
		aws.Throttle = &faults.Throttle{Buckets: map[string]faults.Bucket{
			"CreateFleet": {Size: 1, Refill: 1}, "DescribeInstances": {Size: 2, Refill: 4}, "TerminateInstances": {Size: 1, Refill: 4},
		}}
	}
}

// hiddenFor is how long an instance cannot be read at most; what kerf is told to reckon with is more.
const hiddenFor = 1500 * time.Millisecond

// end says how a class ends a process at a call.
func (c Class) end() line.End {
	switch c {
	case CrashBefore:
		return line.Before
	case CrashApplied, HandoverKilled:
		return line.Applied
	case CrashAfter:
		return line.After
	default:
		return line.Never
	}
}

// staleness is how far behind kerf's caches may be.
func (p *Plan) staleness() time.Duration {
	var most time.Duration
	for _, t := range p.Troubles {
		most = max(most, t.For, t.Delay)
	}
	return most + 5*time.Second // that of a busy machine
}
