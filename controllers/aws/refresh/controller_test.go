package refresh

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws"
)

func TestFailuresAreRetriedAfterGrowingTimes(t *testing.T) {
	now := time.Unix(0, 0)
	s := newSchedule([]time.Duration{5 * time.Minute}, now)
	var waits []time.Duration
	for range 7 {
		s.done(0, now, errors.New("down"))
		due, wait := s.next(now)
		if len(due) > 0 {
			t.Fatal("the task is due at once")
		}
		waits = append(waits, wait)
		now = now.Add(wait)
	}
	want := []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second, 30 * time.Second}
	if !slices.Equal(waits, want) {
		t.Errorf("waits = %v, want %v", waits, want)
	}
	s.done(0, now, nil)
	if _, wait := s.next(now); wait != 5*time.Minute {
		t.Errorf("after a success the task is due in %v, want its interval", wait)
	}
	s.done(0, now, errors.New("down"))
	if _, wait := s.next(now); wait != time.Second {
		t.Errorf("the first failure after a success waits %v, want 1s", wait)
	}
}

func TestTasksAreDueByTheirOwnIntervals(t *testing.T) {
	start := time.Unix(0, 0)
	s := newSchedule([]time.Duration{time.Hour, time.Minute}, start)
	if due, _ := s.next(start); !slices.Equal(due, []int{0, 1}) {
		t.Fatalf("due at first: %v, want all in order", due)
	}
	s.done(0, start, nil)
	s.done(1, start, nil)
	if due, wait := s.next(start.Add(10 * time.Second)); len(due) > 0 || wait != 50*time.Second {
		t.Errorf("due %v, wait %v; want none and 50s", due, wait)
	}
	if due, _ := s.next(start.Add(time.Minute)); !slices.Equal(due, []int{1}) {
		t.Errorf("due after a minute: %v, want the second", due)
	}
}

// awaitTimer returns once the controller waits for the clock.
func awaitTimer(t *testing.T, clock *clocktesting.FakeClock) {
	t.Helper()
	for !clock.HasWaiters() {
		if t.Context().Err() != nil {
			t.Fatal("the controller never waits")
		}
		runtime.Gosched()
	}
}

func TestATaskThatFailsHoldsUpNoOther(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Unix(0, 0))
	runs := make(chan string, 100)
	down := true
	tasks := []aws.Task{
		{Name: "broken", Interval: time.Hour, Run: func(context.Context) error {
			runs <- "broken"
			if down {
				return errors.New("down")
			}
			return nil
		}},
		{Name: "fine", Interval: time.Hour, Run: func(context.Context) error { runs <- "fine"; return nil }},
		{Name: "leader", Leader: true, Interval: time.Hour, Run: func(context.Context) error { runs <- "leader"; return nil }},
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- NewController(tasks, clock, false).Start(ctx) }()
	expect := func(want ...string) {
		t.Helper()
		awaitTimer(t, clock)
		var got []string
		for len(runs) > 0 {
			got = append(got, <-runs)
		}
		if !slices.Equal(got, want) {
			t.Errorf("ran %v, want %v", got, want)
		}
	}
	expect("broken", "fine")
	clock.Step(time.Second)
	expect("broken")
	down = false // the controller waits for the clock: nothing else reads it now
	clock.Step(2 * time.Second)
	expect("broken")
	clock.Step(time.Hour)
	expect("broken", "fine")
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Start returned %v", err)
	}
}

func TestOnlyLeaderTasksWaitForTheLease(t *testing.T) {
	tasks := []aws.Task{{Name: "read"}, {Name: "sweep", Leader: true}}
	for _, leader := range []bool{false, true} {
		c := NewController(tasks, clocktesting.NewFakeClock(time.Unix(0, 0)), leader)
		if c.NeedLeaderElection() != leader || len(c.tasks) != 1 || c.tasks[0].Leader != leader {
			t.Errorf("leader %t: waits for the lease: %t, tasks %v", leader, c.NeedLeaderElection(), c.tasks)
		}
	}
}
