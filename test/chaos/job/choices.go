package job

import (
	"fmt"
	"testing"

	"github.com/kerf-autoscaler/kerf/test/chaos/world"
)

// Choices runs worlds in which machines go by choice, once for every place after the choice at which a process can die, and every one of its
// phases.
func Choices(t *testing.T, every int, share Share, tell func(Report)) {
	t.Helper()
	number := 0
	for _, choice := range world.Choices() {
		whole, tape := world.Record(t, world.Choose(choice))
		if whole.Err != nil {
			tell(Report{Kind: "point", Name: "CHOICE=" + string(choice), Err: whole.Err.Error()})
			continue
		}
		for _, point := range PointsOf(&whole) {
			if whole.Places[point.Crash.Call-1].Before.At < world.ChosenAt {
				continue
			}
			if number++; number%every != 0 || !share.has(number/every) {
				continue
			}
			plan := world.Choose(choice)
			plan.Crashes = []world.Crash{point.Crash}
			report := reportOn("point", fmt.Sprintf("CHOICE=%s %s", choice, point), plan, world.Resume(t, plan, tape))
			report.Stands = 1 + len(point.Alike)
			if report.Hits[world.ClassCrash] == 0 && report.Err == "" {
				report.Err = "the crash never struck: nothing was shown about it"
			}
			tell(report)
		}
	}
}
