package world

import (
	"slices"

	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
)

// Classes returns what goes wrong in a plan, by the names that hits are counted under.
func (p *Plan) Classes() []string {
	var out []string
	add := func(there bool, class string) {
		if there && !slices.Contains(out, class) {
			out = append(out, class)
		}
	}
	add(len(p.Crashes) > 0, ClassCrash)
	add(len(p.Freezes) > 0, ClassFreeze)
	add(len(p.Behind) > 0, ClassBehind)
	add(len(p.Clocks) > 0, ClassClock)
	if p.Race != nil {
		add(len(p.Race.Ambushes) > 0, ClassAmbush)
		add(p.Race.SchedulerLag > 0, ClassSchedulerLag)
	}
	for _, w := range p.Windows {
		add(true, w.Class)
	}
	for _, s := range p.Steps {
		add(s.Action != StepScale && s.Action != StepStop && s.Action != StepDrain, s.Action)
	}
	for _, action := range p.Meanwhile {
		add(len(p.Crashes) > 0, action)
	}
	aws := &p.AWS
	for _, a := range aws.Ambiguous {
		add(true, "aws.ambiguous."+a.Kind)
	}
	for _, a := range aws.Partial {
		add(true, "aws."+faults.PartialHit+a.Kind)
	}
	for _, d := range aws.Down {
		add(true, "aws.down."+d.Kind)
	}
	add(aws.Visibility != nil && aws.Visibility.ByID != nil, "aws."+faults.VisibilityByID)
	add(aws.Visibility != nil && aws.Visibility.ByFilter != nil, "aws."+faults.VisibilityByFilter)
	add(len(aws.Flap) > 0, "aws."+faults.FlapHit)
	add(len(aws.Empty) > 0, "aws."+faults.EmptyHit)
	add(len(aws.ICE) > 0, "aws."+faults.ICEHit)
	add(aws.Throttle != nil, "aws."+faults.ThrottledRequests)
	add(aws.ShutdownLag != nil, "aws."+faults.ShutdownLagHit)
	add(aws.ClockOffset != 0, "aws."+faults.ClockHit)
	return out
}
