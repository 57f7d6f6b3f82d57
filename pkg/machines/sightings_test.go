package machines_test

import (
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func TestTimeCountsFromTheFirstSight(t *testing.T) {
	noon := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	clock := clocktesting.NewFakeClock(noon)
	s := machines.NewSightings(clock)
	m := builders.Machine("m", "p")
	m.UID = "first"
	stored := noon.Add(-time.Hour)
	want := func(what string, stored, since time.Time) {
		t.Helper()
		if got := s.Since(m, what, stored); !got.Equal(since) {
			t.Errorf("%s is seen since %s, want %s", what, got, since)
		}
	}
	want("launched", stored, noon)
	clock.Step(time.Minute)
	want("launched", stored, noon)
	want("launched", stored.Add(time.Millisecond), noon) // the API server keeps whole seconds
	want("joined", stored, noon.Add(time.Minute))
	want("launched", stored.Add(time.Second), noon.Add(time.Minute)) // anew
	clock.Step(time.Minute)
	m.UID = "twin"
	want("launched", stored.Add(time.Second), noon.Add(2*time.Minute))
	clock.Step(time.Minute)
	s.Forget(m.Name)
	want("launched", stored.Add(time.Second), noon.Add(3*time.Minute))
}
