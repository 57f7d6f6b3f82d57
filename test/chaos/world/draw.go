package world

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
)

// Launch is the plan of the exhaustive runs: so many machines launched at once, in launch groups of one request each, with nothing
// else going wrong. With drain they are all deleted once they are nodes with pods.
func Launch(machines int, drain bool) Plan {
	return Plan{
		Seed: 1, Pods: machines, Shapes: 1, Workers: 4, Calm: 90 * time.Second, Drain: drain, Restart: time.Second, Shuffle: true,
		Steps: []Step{{At: 2 * time.Second, Action: StepScale, Number: machines}},
	}
}

// dice draws what a plan is made of.
type dice struct{ *rand.Rand }

// in draws a time, evenly.
func (d dice) in(least, most time.Duration) time.Duration {
	return least + time.Duration(d.Int64N(int64(most-least)+1))
}

// over draws a time such that short ones are as likely as long ones.
func (d dice) over(least, most time.Duration) time.Duration {
	return time.Duration(math.Exp(math.Log(float64(least)) + d.Float64()*math.Log(float64(most)/float64(least)))).Round(time.Millisecond)
}

// chance is true so often.
func (d dice) chance(share float64) bool { return d.Float64() < share }

// pick draws one of several.
func pick[T any](d dice, from ...T) T { return from[d.IntN(len(from))] }

// size draws how many machines a world has: one to four in most, as that is where most of what can break does, and up to twenty in some.
func (d dice) size() int {
	if d.chance(0.03) {
		return 5 + d.IntN(16)
	}
	return 1 + min(d.IntN(4), d.IntN(4))
}

// Draw makes the plan of a seed: some machines, one to three crashes in most runs, and a few other faults.
func Draw(seed uint64) Plan {
	d := dice{rand.New(rand.NewPCG(seed, 2))} //nolint:gosec // to be repeated, not to be secret
	plan := Plan{
		Seed: seed, Pods: d.size(), Shapes: 1 + d.IntN(len(shapes())), Workers: 1 + d.IntN(6), Shuffle: true,
		Restart: pick(d, 0, time.Second, 15*time.Second, time.Minute), Calm: d.in(90*time.Second, 4*time.Minute),
		Drain: d.chance(0.35), Orphaned: d.chance(0.5), Lags: map[string]Lag{}, AWS: faults.Plan{Seed: seed},
	}
	if d.chance(0.25) {
		plan.Limit = max(1, plan.Pods-1+d.IntN(3))
	}
	for _, kind := range []string{"Machine", "Node", "Pod", "Provisioner"} {
		if d.chance(0.5) {
			plan.Lags[kind] = Lag{Most: d.over(20*time.Millisecond, 5*time.Second)}
		}
	}
	if d.chance(0.2) {
		from := d.in(0, plan.Calm-time.Second)
		plan.Freezes = append(plan.Freezes, Freeze{
			Kind: pick(d, "Machine", "Node", "Pod", "Provisioner", "PodDisruptionBudget"), From: from,
			Until: from + d.over(100*time.Millisecond, 10*time.Minute),
		})
	}
	if d.chance(0.75) {
		for range pick(d, 1, 1, 2, 3) {
			plan.Crashes = append(plan.Crashes, d.crash(&plan))
		}
		if d.chance(0.4) {
			plan.Meanwhile = append(plan.Meanwhile, pick(d, StepTemplate, StepTemplate, StepDeleteMachine, StepDeleteMachine, StepDeletePods, StepDeleteNode, StepProvisioner))
		}
	}
	if d.chance(0.2) {
		for range 1 + d.IntN(2) {
			plan.Clocks = append(plan.Clocks, d.in(-2*time.Minute, 2*time.Minute))
		}
	}
	plan.Steps = d.steps(&plan)
	if d.situate(&plan) {
		return plan
	}
	for range 1 + d.IntN(3) {
		d.trouble(&plan)
	}
	return plan
}

// crash draws a place to die at: anywhere, or where instances are asked for.
func (d dice) crash(plan *Plan) Crash {
	if d.chance(0.4) {
		return Crash{Action: actionLaunch, Call: 1 + d.IntN(3), Phase: pick(d, Phases()...)}
	}
	return Crash{Call: 10 + d.IntN(60+25*plan.Pods), Phase: pick(d, Phases()...)}
}

// actionLaunch asks AWS for instances.
const actionLaunch = "CreateFleet"

// steps draws what people and EC2 do.
func (d dice) steps(plan *Plan) []Step {
	out := []Step{{At: d.in(time.Second, 5*time.Second), Action: StepScale, Number: plan.Pods}}
	for range d.IntN(4) {
		out = append(out, Step{
			At: d.in(5*time.Second, plan.Calm-time.Second), Number: d.IntN(8),
			Action: pick(d, StepScale, StepShrink, StepDeletePods, StepDeleteMachine, StepDeleteNode, StepReclaim, StepLimit, StepTemplate,
				StepProvisioner, StepDumb, StepTerminate, StepAmbush, StepRestart, StepStrip, StepRejoin, StepExpire, StepConsolidate),
		})
	}
	slices.SortStableFunc(out, func(a, b Step) int { return int(a.At - b.At) })
	return out
}

// trouble adds a fault of a class to the plan.
func (d dice) trouble(plan *Plan) {
	aws := &plan.AWS
	from, long := d.in(0, 30*time.Second), d.over(time.Second, plan.Calm)
	some := faults.When{After: faults.Duration(from), For: faults.Duration(long), Share: 0.1 + 0.4*d.Float64()}
	all := faults.When{After: faults.Duration(from), For: faults.Duration(long)}
	switch d.IntN(12) {
	case 0, 1:
		aws.Ambiguous = append(aws.Ambiguous, faults.Ambiguity{When: some, Kind: pick(d, faults.Drop, faults.Failure, faults.Hang)})
	case 2, 3:
		aws.Visibility = &faults.Visibility{
			ByID:     &faults.Range{Most: faults.Duration(d.over(time.Second, 5*time.Minute))},
			ByFilter: &faults.Range{Most: faults.Duration(d.over(time.Second, 5*time.Minute))},
		}
	case 4:
		some.Share = 0.05
		aws.Flap = append(aws.Flap, faults.Flap{When: some})
	case 5:
		aws.Empty = append(aws.Empty, faults.Emptiness{When: all})
	case 6:
		some.After = furnished // most is launched first
		aws.Partial = append(aws.Partial, faults.Partial{When: some, Kind: pick(d,
			faults.Short, faults.Silent, faults.Extra, faults.Duplicate, faults.OtherType, faults.Untold)})
	case 7:
		some.After = furnished
		aws.ICE = append(aws.ICE, faults.Shortage{When: some})
	case 8:
		aws.Throttle = &faults.Throttle{Buckets: map[string]faults.Bucket{
			"CreateFleet": {Size: 1, Refill: 0.1}, "DescribeInstances": {Size: 2, Refill: 0.5}, "TerminateInstances": {Size: 1, Refill: 0.2},
		}}
	case 9:
		aws.Down = append(aws.Down, faults.Outage{When: all, Kind: pick(d, faults.Drop, faults.Failure, faults.Unavailable, faults.Hang)})
	case 10:
		aws.ShutdownLag = &faults.Range{Most: faults.Duration(2 * time.Minute)}
		aws.ClockOffset = faults.Duration(d.in(-10*time.Minute, 10*time.Minute))
	case 11:
		plan.Windows = append(plan.Windows, Window{Class: pick(d, ClassAPILost, ClassAPIRefused), From: from, Until: from + long, Share: 0.05 + 0.2*d.Float64()})
	}
}
