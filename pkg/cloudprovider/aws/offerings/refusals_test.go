package offerings

import (
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
)

func catalogue() cloudprovider.InstanceTypes {
	list := func() cloudprovider.Offerings {
		return cloudprovider.Offerings{
			{Zone: "us-east-1a", CapacityType: "spot", Available: true, Trial: 16}, {Zone: "us-east-1b", CapacityType: "spot", Available: true},
		}
	}
	return cloudprovider.InstanceTypes{{Name: "m5.large", Offerings: list()}, {Name: "m5.xlarge", Offerings: list()}}
}

func TestWhatIsRefusedToOneTemplateIsOpenToAnother(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC))
	refusals, whole := NewRefusals(clock, 0), catalogue()
	if got := refusals.Open("a", whole); !same(got, whole) {
		t.Error("a template that was refused nothing has a list of its own")
	}
	refusals.Mark("a", spot(), false)
	narrow := refusals.Open("a", whole)
	if o := narrow[0].Offerings[0]; o.Available {
		t.Errorf("what was refused is %+v", o)
	}
	if !narrow[0].Offerings[1].Available || narrow[1] != whole[1] || !whole[0].Offerings[0].Available {
		t.Errorf("more was closed than was refused: %+v, of %+v", *narrow[0], *whole[0])
	}
	if !same(refusals.Open("b", whole), whole) {
		t.Error("another template suffers from it")
	}
	if !same(refusals.Open("a", whole), narrow) {
		t.Error("the same question gets another list though nothing has changed")
	}
	clock.SetTime(clock.Now().Add(firstRest))
	if o := refusals.Open("a", whole)[0].Offerings[0]; !o.Available || o.Trial != 1 {
		t.Errorf("after its rest it is %+v, want it to be tried once", o)
	}
	refusals.Clear("a", spot())
	if o := refusals.Open("a", whole)[0].Offerings[0]; !o.Available || o.Trial != growth {
		t.Errorf("after it served it is %+v, want %d to be tried", o, growth)
	}
	clock.SetTime(clock.Now().Add(LongestRest))
	refusals.Mark("b", spot(), true)
	if !same(refusals.Open("a", whole), whole) || len(refusals.asked) != 1 {
		t.Error("a refusal is never forgotten")
	}
}

func TestWhatPassesByItselfRestsNoLongerTheNextTime(t *testing.T) {
	for passing, want := range map[bool]time.Duration{true: firstRest, false: 2 * firstRest} {
		clock := clocktesting.NewFakePassiveClock(time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC))
		refusals, whole := NewRefusals(clock, 0), catalogue()
		refusals.Mark("a", spot(), passing)
		clock.SetTime(clock.Now().Add(firstRest))
		refusals.Mark("a", spot(), passing)
		clock.SetTime(clock.Now().Add(want - time.Second))
		closed := !refusals.Open("a", whole)[0].Offerings[0].Available
		clock.SetTime(clock.Now().Add(time.Second))
		if open := refusals.Open("a", whole)[0].Offerings[0].Available; !closed || !open {
			t.Errorf("passing %t: it does not rest for %s", passing, want)
		}
	}
}

// same reports whether two lists are one.
func same(a, b cloudprovider.InstanceTypes) bool { return len(a) == len(b) && &a[0] == &b[0] }

func TestAListThatHasChangedIsNarrowedAnew(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC))
	refusals, later := NewRefusals(clock, 0), catalogue()
	refusals.Mark("a", spot(), false)
	refusals.Open("a", catalogue())
	later[1].Offerings[1].Available = false
	if got := refusals.Open("a", later); got[1].Offerings[1].Available || got[0].Offerings[0].Available {
		t.Errorf("the list is %+v, want what closed since and what was refused", got)
	}
}
