package chaos_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kerf-autoscaler/kerf/test/chaos/history"
	"github.com/kerf-autoscaler/kerf/test/chaos/job"
	"github.com/kerf-autoscaler/kerf/test/chaos/world"
)

// prologue returns what happened up to the end of the first process.
func prologue(t *testing.T, result *world.Result) []string {
	t.Helper()
	if result.Err != nil {
		t.Fatal(result.Err)
	}
	events := result.History.Events
	crash := slices.IndexFunc(events, func(e history.Event) bool { return e.Mark != nil && e.Mark.Name == history.MarkCrash })
	if crash < 0 {
		t.Fatal("no process ended")
	}
	out := []string{fmt.Sprint("ended at ", events[crash].At)}
	for i := range events[:crash] {
		out = append(out, events[i].Line(events[0].At))
	}
	return out
}

func TestToPlayATapeMakesTheHistoryThatWasRecorded(t *testing.T) {
	const machines = 3
	whole, tape := world.Record(t, world.Launch(machines, true))
	if whole.Err != nil {
		t.Fatal(whole.Err)
	}
	for i, point := range job.PointsOf(&whole) {
		if i%5 != 0 {
			continue
		}
		plan := point.Plan(machines)
		ran, played := world.Run(t, plan), world.Resume(t, plan, tape)
		if diff := cmp.Diff(prologue(t, &ran), prologue(t, &played)); diff != "" {
			t.Fatalf("%s: history (-run +played):\n%s", point, diff)
		}
	}
}
