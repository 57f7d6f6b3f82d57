package journal_test

import (
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/kerf-autoscaler/kerf/pkg/journal"
)

func TestWorkThatDoesNotEndIsNamed(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Unix(1000, 0))
	pulse := journal.NewPulse(clock)
	var asked time.Time
	pulse.Await("a decision", func() time.Time { return asked })
	expect := func(what string, want ...string) {
		t.Helper()
		err := pulse.Check()
		if (err == nil) != (len(want) == 0) {
			t.Fatalf("%s: got %v, want %q", what, err, want)
		}
		for _, name := range want {
			if !strings.Contains(err.Error(), name) {
				t.Errorf("%s: got %v, want %q", what, err, want)
			}
		}
	}
	expect("at first")
	first, second := pulse.Begin("a pass"), pulse.Begin("a pass")
	clock.Step(journal.Patience)
	expect("as long as work may take")
	clock.Step(time.Second)
	expect("after that", "a pass")
	first()
	expect("while one of two is stuck", "a pass")
	second()
	expect("after both have ended")
	asked = clock.Now()
	clock.Step(2 * time.Minute)
	expect("while somebody waits", "a decision takes 2m0s")
	asked = time.Time{}
	expect("once it has happened")
}

func TestNoPulseTakesNoNote(t *testing.T) {
	var none *journal.Pulse
	none.Await("a decision", func() time.Time { return time.Unix(1, 0) })
	none.Begin("a pass")()
}
