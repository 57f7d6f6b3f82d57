package offerings

import (
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

func TestAnOfferingWithoutCapacityIsLeftAloneForATime(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(time.Unix(0, 0))
	m := NewMemory(clock, 3*time.Minute)
	available := func() bool { return m.Available("m5.large", "us-east-1a", "spot") }
	for _, step := range []struct {
		name string
		at   time.Duration
		mark bool
		want bool
	}{
		{"at first", 0, false, true},
		{"once marked", 0, true, false},
		{"shortly before it expires", 3*time.Minute - 1, false, false},
		{"when it expires", 3 * time.Minute, false, true},
		{"marked again", 4 * time.Minute, true, false},
		{"marked while it is", 6 * time.Minute, true, false},
		{"three minutes after the first of the two", 7 * time.Minute, false, false},
		{"three minutes after the last", 9 * time.Minute, false, true},
	} {
		clock.SetTime(time.Unix(0, 0).Add(step.at))
		before := m.Generation()
		was := available()
		if step.mark {
			m.MarkUnavailable(Offering{"m5.large", "us-east-1a", "spot"})
		}
		if got := available(); got != step.want {
			t.Errorf("%s: available = %t, want %t", step.name, got, step.want)
		}
		if changed := m.Generation() != before; changed != (was != step.want) {
			t.Errorf("%s: the generation changed: %t, the answer: %t", step.name, changed, was != step.want)
		}
	}
}

func TestOtherOfferingsAreNotTouched(t *testing.T) {
	m := NewMemory(clocktesting.NewFakePassiveClock(time.Unix(0, 0)), time.Minute)
	m.MarkUnavailable(Offering{"m5.large", "us-east-1a", "spot"})
	for _, o := range []Offering{{"m5.large", "us-east-1a", "on-demand"}, {"m5.large", "us-east-1b", "spot"}, {"m5.xlarge", "us-east-1a", "spot"}} {
		if !m.Available(o.InstanceType, o.Zone, o.CapacityType) {
			t.Errorf("%v is not available", o)
		}
	}
}

func TestExpiryChangesTheGeneration(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(time.Unix(0, 0))
	m := NewMemory(clock, time.Minute)
	m.MarkUnavailable(Offering{"a", "z", "spot"})
	clock.SetTime(time.Unix(30, 0))
	m.MarkUnavailable(Offering{"b", "z", "spot"})
	before := m.Generation()
	clock.SetTime(time.Unix(60, 0))
	if m.Generation() == before {
		t.Error("the generation did not change when the first expired")
	}
	before = m.Generation()
	clock.SetTime(time.Unix(90, 0))
	if m.Generation() == before {
		t.Error("the generation did not change when the second expired")
	}
}
