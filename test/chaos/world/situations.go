package world

import (
	"time"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
)

// furnished is when what was there before has been put into the world: that goes as planned.
const furnished = faults.Duration(time.Second)

// situation is several things that have to come together, which they would rarely do if each was drawn for itself.
type situation struct {
	share int // of 100 plans
	set   func(dice, *Plan)
}

func situations() []situation {
	return []situation{
		{9, dice.lose},
		{6, dice.replace},
		{9, dice.refill},
		{18, dice.succeed},
		{8, dice.grow},
		{9, dice.meet},
		{11, dice.distort},
		{7, dice.starve},
		{6, dice.part},
	}
}

// situate puts one of the situations into the plan, or none.
func (d dice) situate(plan *Plan) bool {
	drawn := d.IntN(100)
	for _, s := range situations() {
		if drawn -= s.share; drawn < 0 {
			s.set(d, plan)
			return true
		}
	}
	return false
}

// lose has the answer to a request for instances get lost with the process, and EC2 hide what it made, while somebody deletes a machine
// that waits for it.
func (d dice) lose(plan *Plan) {
	plan.Crashes = []Crash{{Action: actionLaunch, Call: 1 + d.IntN(plan.Shapes), Phase: pick(d, Lost, After)}}
	plan.Meanwhile = []string{pick(d, StepDeleteMachine, StepTemplate)}
	plan.AWS.Visibility = &faults.Visibility{ByFilter: &faults.Range{Least: faults.Duration(10 * time.Second), Most: faults.Duration(4 * time.Minute)}}
}

// replace has pods go and others come under their names just before a machine is drained, while the watch of pods shows them late.
func (d dice) replace(plan *Plan) {
	plan.Crashes, plan.Freezes, plan.Meanwhile, plan.Limit = nil, nil, nil, 0
	plan.Pods = max(2, plan.Pods)
	plan.Lags["Pod"] = Lag{Least: 12 * time.Second, Most: 20 * time.Second}
	at := d.in(time.Minute, plan.Calm-20*time.Second)
	plan.Steps = []Step{
		{At: 2 * time.Second, Action: StepScale, Number: plan.Pods},
		{At: at, Action: StepDeletePods, Number: plan.Pods},
		{At: at + d.in(5*time.Second, 9*time.Second), Action: StepDeleteMachine, Number: d.IntN(8)},
	}
}

// refill has nodes run empty until they are about to be removed, and pods come back to them just then, which the watch of pods does not
// show.
func (d dice) refill(plan *Plan) {
	plan.Crashes, plan.Meanwhile, plan.Limit = nil, nil, 0
	delete(plan.Lags, "Pod")
	empty := d.in(75*time.Second, 90*time.Second)
	plan.Calm = empty + d.in(3*time.Minute, 4*time.Minute)
	frozen := empty + d.in(8*time.Second, 20*time.Second)
	again := empty + d.in(20*time.Second, 34*time.Second)
	plan.Freezes = []Freeze{{Kind: "Pod", From: frozen, Until: again + d.in(10*time.Second, 90*time.Second)}}
	plan.Steps = []Step{
		{At: 2 * time.Second, Action: StepScale, Number: plan.Pods},
		{At: empty, Action: StepShrink, Number: d.IntN(plan.Pods)},
		{At: max(frozen, again), Action: StepScale, Number: plan.Pods},
	}
}

// succeed has a process end at any time after the launch, and the next one begin with what an API server shows that is far behind.
func (d dice) succeed(plan *Plan) {
	plan.Crashes, plan.Freezes = nil, nil
	at, kind := d.in(4*time.Second, plan.Calm-10*time.Second), pick(d, "Node", "Machine", "Machine", "Machine", "Pod")
	shown := d.over(time.Second, 30*time.Second)
	plan.Behind = map[string]Behind{kind: {By: at + plan.Restart - shown, For: d.over(40*time.Second, 5*time.Minute)}}
	plan.Steps = []Step{{At: 2 * time.Second, Action: StepScale, Number: plan.Pods}, {At: at, Action: StepRestart}}
}

// grow has more pods come while the watch does not show yet what was made for those before them, in half of the worlds up to a limit that
// leaves some of them without a machine.
func (d dice) grow(plan *Plan) {
	plan.Crashes, plan.Freezes, plan.Meanwhile, plan.Limit = nil, nil, nil, 0
	plan.Pods = max(3, plan.Pods)
	first := 1 + d.IntN(plan.Pods-1)
	if d.chance(0.5) {
		plan.Limit = first + d.IntN(plan.Pods-first)
	}
	plan.Lags[pick(d, "Machine", "Provisioner")] = Lag{Least: 6 * time.Second, Most: 15 * time.Second}
	plan.Steps = []Step{
		{At: 2 * time.Second, Action: StepScale, Number: first},
		{At: d.in(4*time.Second, 7*time.Second), Action: StepScale, Number: plan.Pods},
	}
}

// meet has a machine deleted about when its node joins: in that moment, which the watches show some seconds later, or before, while
// EC2 hides the instance so long that it cannot be ended until pods run on it.
func (d dice) meet(plan *Plan) {
	plan.Crashes, plan.Freezes, plan.Meanwhile, plan.Limit = nil, nil, nil, 0
	plan.Steps = []Step{{At: 2 * time.Second, Action: StepScale, Number: plan.Pods}}
	if d.chance(0.5) {
		plan.Lags["Machine"] = Lag{Least: time.Second, Most: 3 * time.Second}
		plan.Lags["Node"] = Lag{Least: 5 * time.Second, Most: 12 * time.Second}
		plan.Steps = append(plan.Steps, Step{At: 5 * time.Second, Action: StepAmbush}, Step{At: d.in(40*time.Second, time.Minute), Action: StepAmbush})
		return
	}
	plan.AWS.Visibility = &faults.Visibility{ByID: &faults.Range{Least: faults.Duration(30 * time.Second), Most: faults.Duration(2 * time.Minute)}}
	plan.Steps = append(plan.Steps, Step{At: d.in(6*time.Second, 12*time.Second), Action: StepDeleteMachine, Number: d.IntN(8)})
}

// distort has requests for instances be answered with something else than was asked for, in several ways.
func (d dice) distort(plan *Plan) {
	kinds := []string{faults.Short, faults.Silent, faults.Extra, faults.Duplicate, faults.OtherType, faults.Untold}
	d.Shuffle(len(kinds), func(i, k int) { kinds[i], kinds[k] = kinds[k], kinds[i] })
	for _, kind := range kinds[:3] {
		plan.AWS.Partial = append(plan.AWS.Partial, faults.Partial{When: faults.When{After: furnished, Share: 0.3 + 0.4*d.Float64()}, Kind: kind})
	}
}

// starve has EC2 run out of what pods want, or of most of it, from the start.
func (d dice) starve(plan *Plan) {
	short := faults.Shortage{When: faults.When{After: furnished, For: faults.Duration(d.over(5*time.Second, plan.Calm))}, Instances: pick(d, 0, 0, 1, 2)}
	switch d.IntN(4) {
	case 0:
		short.CapacityType = v1alpha5.CapacityTypeSpot
	case 1:
		short.CapacityType = v1alpha5.CapacityTypeOnDemand
	case 2:
		short.Share = 0.6 + 0.35*d.Float64()
	}
	plan.AWS.ICE = append(plan.AWS.ICE, short)
}

// part has a process end when some of the machines that were launched together know which instance is theirs, and others do not.
func (d dice) part(plan *Plan) {
	plan.Pods, plan.Shapes, plan.Limit, plan.Freezes = max(3, plan.Pods), 1, 0, nil
	plan.Crashes = []Crash{{Action: actionLaunch, Call: 1, Later: 1 + d.IntN(plan.Pods), Phase: pick(d, Phases()...)}}
}
