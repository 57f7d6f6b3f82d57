package world

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
)

// Race is what comes to nodes while kerf is about to give them back.
type Race struct {
	// TTL is the provisioner's ttlSecondsAfterEmpty.
	TTL int64
	// From is when watches begin to lag: until then machines are launched, which is no part of the race.
	From time.Duration
	// SchedulerLag is for how long at most the scheduler does not know of a taint, and binds pods to the node. It is drawn for each pod.
	SchedulerLag time.Duration
	// Held is the share of calls of the API server that take their time, up to HeldFor, before they are carried out.
	Held    float64
	HeldFor time.Duration
	// Ambushes are what comes at a moment that kerf chooses, and Visits what comes at a time: steps of the plan name them.
	Ambushes []Ambush
	Visits   []Visit
}

// Ambush is a visit at a moment of the end of an empty machine, of whichever comes to it. Each strikes once at most.
type Ambush struct {
	Moment Moment
	// After says that the call has been carried out, and kerf has done nothing since.
	After bool
	// Skip is how many such moments are let pass before.
	Skip  int
	Visit Visit
}

// ClassAmbush and ClassVisit count what came, and ClassSchedulerLag pods that the scheduler bound to a node that was tainted already.
const (
	ClassAmbush       = "ambush"
	ClassVisit        = "visit"
	ClassSchedulerLag = "late-bind"
)

// The kinds of visits and moments appear in the figures as "ambush MOMENT" and "visit WHO".

// StepVisit has the visit of this number come to one of the nodes.
const StepVisit = "visit"

// DrawRace makes the plan of a seed of the race: machines that become empty, and pods that come to them at every moment until they are
// gone, while the watches of pods, nodes and machines each lag by up to half a minute.
func DrawRace(seed uint64) Plan {
	d := dice{rand.New(rand.NewPCG(seed, 9))} //nolint:gosec // to be repeated, not to be secret
	empty := d.in(70*time.Second, 80*time.Second)
	race := &Race{
		TTL: pick[int64](d, 0, 0, 1, 5, 15, 30, 60), From: empty - 5*time.Second, SchedulerLag: d.over(20*time.Millisecond, 30*time.Second),
		Held: pick(d, 0, 0.1, 0.3), HeldFor: d.over(time.Millisecond, 3*time.Second),
	}
	plan := Plan{
		Seed: seed, Pods: 1 + d.IntN(3), Shapes: 1, Workers: 1 + d.IntN(6), Shuffle: true, Orphaned: d.chance(0.5),
		Lags: map[string]Lag{}, Race: race, AWS: faults.Plan{Seed: seed},
	}
	for _, kind := range []string{"Machine", "Node", "Pod"} {
		if d.chance(0.7) {
			most := d.over(20*time.Millisecond, 30*time.Second)
			plan.Lags[kind] = Lag{Least: pick(d, 0, most/2, most-time.Millisecond), Most: most}
		}
	}
	over := empty + time.Duration(race.TTL)*time.Second + 70*time.Second
	plan.Calm = over + d.in(0, 40*time.Second)
	plan.Steps = []Step{{At: 2 * time.Second, Action: StepScale, Number: plan.Pods}, {At: empty, Action: StepShrink, Number: d.few(plan.Pods)}}
	if d.chance(0.4) {
		plan.Steps = append(plan.Steps, Step{At: d.in(empty, over), Action: StepScale, Number: 1 + d.IntN(plan.Pods)})
	}
	if d.chance(0.15) {
		plan.Steps = append(plan.Steps, Step{At: d.in(empty, over), Action: StepRestart})
	}
	if d.chance(0.15) {
		from := d.in(empty, over)
		plan.Windows = append(plan.Windows, Window{Class: pick(d, ClassAPILost, ClassAPIRefused), From: from, Until: from + d.over(time.Second, time.Minute), Share: 0.2 + 0.8*d.Float64()})
	}
	if d.chance(0.3) { // what is drained waits for its end meanwhile
		down := faults.When{After: faults.Duration(d.in(empty, empty+time.Duration(race.TTL)*time.Second)), For: faults.Duration(d.in(5*time.Second, time.Minute))}
		plan.AWS.Down = []faults.Outage{{When: down, Kind: faults.Failure}}
	}
	for i := range d.IntN(6) {
		race.Visits = append(race.Visits, d.visit())
		plan.Steps = append(plan.Steps, Step{At: d.in(race.From, over), Action: StepVisit, Number: i})
	}
	for range 3 + d.IntN(4) {
		race.Ambushes = append(race.Ambushes, Ambush{Moment: d.moment(), After: d.chance(0.5), Skip: d.few(3), Visit: d.visit()})
	}
	slices.SortStableFunc(plan.Steps, func(a, b Step) int { return int(a.At - b.At) })
	return plan
}

// moment draws one of all, and those more often that come only when something has come before.
func (d dice) moment() Moment {
	return pick(d, append(Moments(), MomentDelete, MomentEvict, MomentEvict, MomentDrained, MomentTerminate)...)
}

// few draws a number below most, 0 more often than all others.
func (d dice) few(most int) int { return d.IntN(1 + d.IntN(most)) }

// visit draws who comes, when, and for how long.
func (d dice) visit() Visit {
	v := Visit{Who: pick(d, Visitors()...), Finishes: d.chance(0.5)}
	if d.chance(0.7) {
		v.Stays = d.over(100*time.Millisecond, time.Minute)
	}
	if d.chance(0.3) {
		v.Later = d.over(time.Millisecond, 35*time.Second)
	}
	return v
}

// ttl returns the provisioner's ttlSecondsAfterEmpty.
func (p *Plan) ttl() int64 {
	if p.Race == nil {
		return 30
	}
	return p.Race.TTL
}

// settledBefore reports whether what was done after so long is shown at once, as it was before the race.
func (p *Plan) settledBefore(at time.Duration) bool { return p.Race != nil && at < p.Race.From }
