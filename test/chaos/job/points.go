package job

import (
	"fmt"
	"testing"

	"github.com/kerf-autoscaler/kerf/test/chaos/world"
)

// Point is a call of a launch, or of the end of what was launched, at which a process can end, and a phase of it.
type Point struct {
	Crash world.Crash
	// End says that the call belongs to the end.
	End bool
	// Alike are the other points that leave the same world behind.
	Alike []Point
}

// PointsOf returns the points of a run without crashes that ends with the machines' end. Of those that leave the same world behind the
// first stands for all: the next process finds the same, and of the one before nothing else is left.
func PointsOf(whole *world.Result) []Point {
	var out []Point
	first := map[world.State]int{} // what is left behind -> which of the points does so
	for i, place := range whole.Places {
		for _, phase := range world.Phases() {
			point := Point{Crash: world.Crash{Call: i + 1, Phase: phase}, End: i >= whole.Launch}
			at, there := first[place.In(phase)]
			if there && out[at].End == point.End {
				out[at].Alike = append(out[at].Alike, point)
				continue
			}
			first[place.In(phase)] = len(out)
			out = append(out, point)
		}
	}
	return out
}

// Plan is that of a run with the crash.
func (p Point) Plan(machines int) world.Plan {
	plan := world.Launch(machines, p.End)
	plan.Crashes = []world.Crash{p.Crash}
	return plan
}

// String tells how to repeat the run.
func (p Point) String() string { return fmt.Sprintf("POINT=%d PHASE=%s", p.Crash.Call, p.Crash.Phase) }

// Scope is which crash points are tried.
type Scope struct {
	// Machines are launched at once.
	Machines int
	// Every is 1 for all places, more for a sample of them.
	Every int
	// Alike has those run as well that leave the same world behind as another one.
	Alike bool
}

// Points runs a launch of machines and, apart from it, their end, once for every place at which a process can die, and every one of its
// phases.
func Points(t *testing.T, scope Scope, share Share, tell func(Report)) {
	t.Helper()
	whole, tape := world.Record(t, world.Launch(scope.Machines, true))
	if whole.Err != nil {
		tell(Report{Kind: "point", Name: "the run without a crash", Err: whole.Err.Error()})
		return
	}
	for i, point := range PointsOf(&whole) {
		if number := i + 1; number%scope.Every != 0 || !share.has(number/scope.Every) {
			continue
		}
		run := []Point{point}
		if scope.Alike {
			run = append(run, point.Alike...)
		}
		for _, p := range run {
			plan := p.Plan(scope.Machines)
			report := reportOn("point", p.String(), plan, world.Resume(t, plan, tape))
			if report.Stands = 1; !scope.Alike {
				report.Stands += len(p.Alike)
			}
			if report.Hits[world.ClassCrash] == 0 && report.Err == "" {
				report.Err = "the crash never struck: nothing was shown about it"
			}
			tell(report)
		}
	}
}
