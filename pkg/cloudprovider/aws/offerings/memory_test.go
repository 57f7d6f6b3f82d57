package offerings

import (
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

func TestAnOfferingThatGaveNothingIsLeftAloneForATime(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(time.Unix(0, 0))
	m := NewMemory(clock)
	offering := Offering{"m5.large", "us-east-1a", "spot"}
	available := func() bool { return m.Available("m5.large", "us-east-1a", "spot") }
	nothing := func() {}
	failed, served := func() { m.MarkUnavailable(offering) }, func() { m.MarkAvailable(offering) }
	for _, step := range []struct {
		name string
		at   time.Duration
		what func()
		want bool
	}{
		{"at first", 0, nothing, true},
		{"served without having failed", 0, served, true},
		{"failed once", 0, failed, false},
		{"shortly before 45 seconds", 45*time.Second - 1, nothing, false},
		{"after 45 seconds", 45 * time.Second, nothing, true},
		{"failed again", time.Minute, failed, false},
		{"failed at the same time for another launch", time.Minute, failed, false},
		{"shortly before 90 more seconds", 150*time.Second - 1, nothing, false},
		{"after 90 more seconds", 150 * time.Second, nothing, true},
		{"failed a third time", 150 * time.Second, failed, false},
		{"served to a launch that was under way", 160 * time.Second, served, true},
		{"failed for the first time after that", 200 * time.Second, failed, false},
		{"45 seconds later", 245 * time.Second, nothing, true},
	} {
		clock.SetTime(time.Unix(0, 0).Add(step.at))
		before, was := m.Generation(), available()
		step.what()
		if got := available(); got != step.want {
			t.Errorf("%s: available = %t, want %t", step.name, got, step.want)
		}
		if changed := m.Generation() != before; changed != (was != step.want) {
			t.Errorf("%s: the generation changed: %t, the answer: %t", step.name, changed, was != step.want)
		}
	}
}

func TestTheTimeGrowsToHalfAnHourAndIsForgottenAfterAnother(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(time.Unix(0, 0))
	m := NewMemory(clock)
	rest := func() time.Duration {
		m.MarkUnavailable(Offering{"a", "z", "spot"})
		start := clock.Now()
		for !m.Available("a", "z", "spot") {
			clock.SetTime(clock.Now().Add(time.Second))
		}
		return clock.Since(start)
	}
	for i, want := range []time.Duration{
		45 * time.Second, 90 * time.Second, 3 * time.Minute, 6 * time.Minute, 12 * time.Minute, 24 * time.Minute, 30 * time.Minute, 30 * time.Minute,
	} {
		if got := rest(); got != want {
			t.Errorf("failure %d is left alone for %s, want %s", i+1, got, want)
		}
	}
	clock.SetTime(clock.Now().Add(30 * time.Minute))
	if got := rest(); got != 45*time.Second {
		t.Errorf("after half an hour without failure it is left alone for %s", got)
	}
	clock.SetTime(clock.Now().Add(time.Hour))
	if m.Generation(); len(m.rests) > 0 {
		t.Errorf("the memory still holds %v", m.rests)
	}
}

func TestOtherOfferingsAreNotTouched(t *testing.T) {
	m := NewMemory(clocktesting.NewFakePassiveClock(time.Unix(0, 0)))
	m.MarkUnavailable(Offering{"m5.large", "us-east-1a", "spot"})
	for _, o := range []Offering{{"m5.large", "us-east-1a", "on-demand"}, {"m5.large", "us-east-1b", "spot"}, {"m5.xlarge", "us-east-1a", "spot"}} {
		if !m.Available(o.InstanceType, o.Zone, o.CapacityType) {
			t.Errorf("%v is not available", o)
		}
	}
}

func TestExpiryChangesTheGeneration(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(time.Unix(0, 0))
	m := NewMemory(clock)
	m.MarkUnavailable(Offering{"a", "z", "spot"})
	clock.SetTime(time.Unix(30, 0))
	m.MarkUnavailable(Offering{"b", "z", "spot"})
	before := m.Generation()
	clock.SetTime(time.Unix(45, 0))
	if m.Generation() == before {
		t.Error("the generation did not change when the first expired")
	}
	before = m.Generation()
	clock.SetTime(time.Unix(75, 0))
	if m.Generation() == before {
		t.Error("the generation did not change when the second expired")
	}
}
