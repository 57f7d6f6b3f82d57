package offerings

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"
)

// world is a memory with a clock and one offering.
type world struct {
	*Memory
	t     *testing.T
	clock *clocktesting.FakePassiveClock
}

func newWorld(t *testing.T, longest time.Duration) *world {
	t.Helper()
	clock := clocktesting.NewFakePassiveClock(time.Unix(0, 0))
	return &world{Memory: NewMemory(clock, longest), t: t, clock: clock}
}

func spot() Offering { return Offering{"m5.large", "us-east-1a", "spot"} }

func (w *world) standing() Standing { return w.Standing("m5.large", "us-east-1a", "spot") }

func (w *world) step(d time.Duration) { w.clock.SetTime(w.clock.Now().Add(d)) }

// rest returns how long the offering is left alone from now on, and leaves the clock at the end of that.
func (w *world) rest() time.Duration {
	w.t.Helper()
	start := w.clock.Now()
	for !w.standing().Available {
		w.step(time.Second)
		if w.clock.Since(start) > 2*time.Hour {
			w.t.Fatal("the rest does not end")
		}
	}
	return w.clock.Since(start)
}

func TestAnOfferingRestsIsTriedAndProvesItself(t *testing.T) {
	w := newWorld(t, 0)
	nothing := func(Offering) {}
	open, resting := Standing{Available: true}, Standing{}
	tried := func(n int) Standing { return Standing{Available: true, Trial: n} }
	for _, step := range []struct {
		name string
		at   time.Duration
		what func(Offering)
		want Standing
	}{
		{"at first", 0, nothing, open},
		{"served without having failed", 0, w.MarkAvailable, open},
		{"failed once", 0, w.MarkUnavailable, resting},
		{"shortly before 45 seconds", 45*time.Second - 1, nothing, resting},
		{"after 45 seconds one may try", 45 * time.Second, nothing, tried(1)},
		{"failed again", time.Minute, w.MarkUnavailable, resting},
		{"failed at the same time for another launch", time.Minute, w.MarkUnavailable, resting},
		{"shortly before 90 more seconds", 150*time.Second - 1, nothing, resting},
		{"after 90 more seconds", 150 * time.Second, nothing, tried(1)},
		{"served: more may try", 151 * time.Second, w.MarkAvailable, tried(4)},
		{"served again", 152 * time.Second, w.MarkAvailable, tried(16)},
		{"and failed: it rests as at first", 153 * time.Second, w.MarkUnavailable, resting},
		{"shortly before it is over", 198*time.Second - 1, nothing, resting},
		{"it starts with one again", 198 * time.Second, nothing, tried(1)},
		{"served a first time", 199 * time.Second, w.MarkAvailable, tried(4)},
		{"served a second time", 200 * time.Second, w.MarkAvailable, tried(16)},
		{"served a third time", 201 * time.Second, w.MarkAvailable, tried(64)},
		{"served a fourth time: it has proven itself", 202 * time.Second, w.MarkAvailable, open},
	} {
		w.clock.SetTime(time.Unix(0, 0).Add(step.at))
		before, was := w.Generation(), w.standing()
		step.what(spot())
		got := w.standing()
		if got != step.want {
			t.Errorf("%s: it stands at %+v, want %+v", step.name, got, step.want)
		}
		if changed := w.Generation() != before; changed != (was != got) {
			t.Errorf("%s: the generation changed: %t, the answer: %t", step.name, changed, was != got)
		}
	}
}

func TestARestGrowsToItsBoundShrinksWithSuccessAndIsForgotten(t *testing.T) {
	w := newWorld(t, 20*time.Minute)
	fail := func(want time.Duration) {
		t.Helper()
		w.MarkUnavailable(spot())
		if got := w.rest(); got != want {
			t.Errorf("it rests for %s, want %s", got, want)
		}
	}
	for _, want := range []time.Duration{45 * time.Second, 90 * time.Second, 3 * time.Minute, 6 * time.Minute, 12 * time.Minute, 20 * time.Minute, 20 * time.Minute} {
		fail(want)
	}
	w.MarkAvailable(spot())
	fail(10 * time.Minute)
	w.step(20 * time.Minute)
	fail(45 * time.Second)
	w.step(time.Hour)
	if left := w.Remembered(); len(left) > 0 {
		t.Errorf("the memory still holds %v", left)
	}
}

func TestWhoStarvesWaitsForLessThanAMinuteHoweverLongTheShortage(t *testing.T) {
	w := newWorld(t, 0)
	for i := range 20 {
		w.MarkStarved(spot())
		if got := w.rest(); got != 45*time.Second {
			t.Fatalf("rest %d lasts %s", i+1, got)
		}
	}
	w.MarkUnavailable(spot()) // something else serves from now on
	w.step(time.Second)
	if w.standing().Available {
		t.Fatal("it is available")
	}
	w.MarkStarved(spot()) // until something else does not
	if got := w.rest(); got != 45*time.Second {
		t.Errorf("a rest that somebody starves in lasts %s more", got)
	}
	w.MarkUnavailable(spot())
	if got := w.rest(); got != LongestRest {
		t.Errorf("a rest that nobody starves in lasts %s", got)
	}
}

func TestOtherOfferingsAreNotTouched(t *testing.T) {
	w := newWorld(t, 0)
	w.MarkUnavailable(spot())
	for _, o := range []Offering{{"m5.large", "us-east-1a", "on-demand"}, {"m5.large", "us-east-1b", "spot"}, {"m5.xlarge", "us-east-1a", "spot"}} {
		if got := w.Standing(o.InstanceType, o.Zone, o.CapacityType); got != (Standing{Available: true}) {
			t.Errorf("%v stands at %+v", o, got)
		}
	}
	if diff := cmp.Diff(map[Offering]Standing{spot(): {}}, w.Remembered()); diff != "" {
		t.Errorf("remembered (-want +got):\n%s", diff)
	}
}

func TestACapacityTypeThatTheAccountCannotBuyIsClosedForAWhile(t *testing.T) {
	w := newWorld(t, 0)
	w.MarkUnavailable(spot())
	before := w.Generation()
	w.Close("spot")
	if w.Generation() == before {
		t.Error("the generation did not change with it")
	}
	stands := func(capacityType string) Standing { return w.Standing("m5.xlarge", "us-east-1b", capacityType) }
	if stands("spot").Available || !stands("on-demand").Available {
		t.Errorf("spot stands at %+v, on-demand at %+v", stands("spot"), stands("on-demand"))
	}
	w.step(closedFor - time.Second)
	if stands("spot").Available {
		t.Error("it is open before its time")
	}
	before = w.Generation()
	w.step(time.Second)
	if !stands("spot").Available || w.Generation() == before {
		t.Error("it stays closed, or nobody is told that it is open")
	}
}

func TestTheEndOfEachRestChangesTheGeneration(t *testing.T) {
	w := newWorld(t, 0)
	w.MarkUnavailable(Offering{"a", "z", "spot"})
	w.step(30 * time.Second)
	w.MarkUnavailable(Offering{"b", "z", "spot"})
	for _, wait := range []time.Duration{15 * time.Second, 30 * time.Second} {
		before := w.Generation()
		w.step(wait)
		if w.Generation() == before {
			t.Errorf("the generation did not change after %s more", wait)
		}
	}
}
