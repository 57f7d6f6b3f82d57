package provisioning

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

// window is a batcher of 1 s and 10 s whose Wait runs beside the test.
type window struct {
	*Batcher[string]
	clock  *clocktesting.FakeClock
	closed chan bool
}

func newWindow() *window {
	clock := clocktesting.NewFakeClock(time.Unix(0, 0))
	return &window{Batcher: NewBatcher[string](clock, time.Second, 10*time.Second), clock: clock, closed: make(chan bool, 1)}
}

func (w *window) wait(ctx context.Context) {
	go func() { w.closed <- w.Wait(ctx) }()
	synctest.Wait()
}

func (w *window) trigger(keys ...string) {
	for _, key := range keys {
		w.Trigger(key)
	}
	synctest.Wait()
}

func (w *window) step(d time.Duration) {
	w.clock.Step(d)
	synctest.Wait()
}

// is fails unless the window is closed or open as wanted.
func (w *window) is(t *testing.T, wantClosed bool, when string) {
	t.Helper()
	select {
	case more := <-w.closed:
		if !more {
			t.Fatalf("%s: Wait says that the context ended", when)
		}
		if !wantClosed {
			t.Fatalf("%s: the window is closed", when)
		}
	default:
		if wantClosed {
			t.Fatalf("%s: the window is open", when)
		}
	}
}

func TestAWindowClosesWhenNothingNewCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow()
		w.wait(t.Context())
		w.step(time.Hour)
		w.is(t, false, "without a trigger")
		w.trigger("a")
		w.step(time.Second - 1)
		w.is(t, false, "before the idle time")
		w.step(1)
		w.is(t, true, "after the idle time")
	})
}

func TestNewKeysProlongAWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow()
		w.wait(t.Context())
		w.trigger("a")
		w.step(900 * time.Millisecond)
		w.trigger("b")
		w.step(900 * time.Millisecond)
		w.is(t, false, "900 ms after the last new key")
		w.step(100 * time.Millisecond)
		w.is(t, true, "a second after the last new key")
	})
}

func TestRepeatedKeysDoNotProlongAWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow()
		w.wait(t.Context())
		w.trigger("a", "b")
		w.step(900 * time.Millisecond)
		w.trigger("a", "b", "a")
		w.step(100 * time.Millisecond)
		w.is(t, true, "a second after the last new key")
	})
}

func TestPodsThatWaitForLongDoNotKeepNewOnesWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow()
		w.wait(t.Context())
		w.trigger("stuck-0", "stuck-1", "stuck-2")
		w.step(time.Second)
		w.is(t, true, "the first window")
		w.wait(t.Context())
		w.trigger("stuck-0")
		w.step(300 * time.Millisecond)
		w.trigger("new", "stuck-1")
		w.step(600 * time.Millisecond)
		w.trigger("stuck-2")
		w.step(300 * time.Millisecond)
		w.is(t, false, "less than a second after the new key")
		w.step(100 * time.Millisecond)
		w.is(t, true, "a second after the new key")
	})
}

func TestAWindowClosesAtTheLatest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow()
		w.wait(t.Context())
		w.trigger("0")
		for i := range 19 {
			w.step(500 * time.Millisecond)
			w.is(t, false, "before the longest time")
			w.trigger(string(rune('a' + i)))
		}
		w.step(500 * time.Millisecond)
		w.is(t, true, "after the longest time")
	})
}

func TestTriggersDuringADecisionOpenTheNextWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow()
		w.wait(t.Context())
		w.trigger("a")
		w.step(time.Second)
		w.is(t, true, "the first window")
		w.trigger("a") // a decision is being made that may have overlooked it
		w.step(time.Hour)
		w.wait(t.Context())
		w.is(t, false, "right after the decision")
		w.step(time.Second)
		w.is(t, true, "the second window")
		w.wait(t.Context())
		w.step(time.Hour)
		w.is(t, false, "a third window, for which nothing came")
	})
}

func TestAKeyThatCameWithTheEndOfAWindowBelongsToIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow()
		w.wait(t.Context())
		w.trigger("a")
		// Both happen before the window notices either, so that it may see the end first.
		w.Trigger("b")
		w.clock.Step(time.Second)
		synctest.Wait()
		w.step(time.Second)
		w.is(t, true, "the window of both")
		w.wait(t.Context())
		w.step(time.Hour)
		w.is(t, false, "a window for a key that was decided on")
	})
}

func TestAnEndedContextEndsTheWait(t *testing.T) {
	for _, keys := range [][]string{nil, {"a"}} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			w := newWindow()
			w.wait(ctx)
			w.trigger(keys...)
			cancel()
			synctest.Wait()
			if more := <-w.closed; more {
				t.Error("the context ended, and Wait says that a window closed")
			}
		})
	}
}

func TestAKeyThatWaitsForItsWindowIsKnownToWait(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Unix(1000, 0))
	b := NewBatcher[string](clock, time.Second, 10*time.Second)
	if at := b.Since(); !at.IsZero() {
		t.Errorf("nobody waits, and that since %s", at)
	}
	b.Trigger("a")
	clock.Step(time.Minute)
	b.Trigger("b")
	if at := b.Since(); at.Unix() != 1000 {
		t.Errorf("the first key waits since %s", at)
	}
	b.close()
	if at := b.Since(); !at.IsZero() {
		t.Errorf("the window has closed, and a key waits since %s", at)
	}
}

func TestAWindowWithoutNewsStaysOpenForLongerEachTimeThatADecisionCameToNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow()
		w.wait(t.Context())
		w.trigger("a")
		w.step(time.Second)
		w.is(t, true, "a key that is new")
		for _, want := range []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, 10 * time.Second, 10 * time.Second} {
			w.Decided(false)
			w.wait(t.Context())
			w.trigger("a")
			w.step(want - 1)
			w.is(t, false, "before "+want.String())
			w.step(1)
			w.is(t, true, "after "+want.String())
		}
		w.wait(t.Context())
		w.trigger("a")
		w.step(2 * time.Second)
		w.trigger("b")
		w.step(time.Second)
		w.is(t, true, "a second after a new key")
		w.wait(t.Context())
		w.Wake("a")
		synctest.Wait()
		w.step(time.Second)
		w.is(t, true, "a second after something happened to a known key")
		w.Decided(true)
		w.wait(t.Context())
		w.trigger("a")
		w.step(time.Second)
		w.is(t, true, "after a decision that came to something")
	})
}

func TestAWindowThatSomethingCannotWaitForIsNotProlonged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow()
		w.wait(t.Context())
		w.trigger("a")
		w.step(time.Second / 2)
		w.Hurry("b")
		synctest.Wait()
		for i, key := range []string{"c", "d", "e", "f"} {
			w.step(time.Second / 5)
			w.is(t, false, "while new keys come")
			w.trigger(key)
			if i == 2 {
				w.Hurry("another that cannot wait") // it has less time left than it asked for
				synctest.Wait()
			}
		}
		w.step(time.Second / 5)
		w.is(t, true, "an idle time after the first that could not wait")

		w.wait(t.Context())
		for range 12 { // the haste is over
			w.trigger(w.clock.Now().String())
			w.step(time.Second / 2)
		}
		w.is(t, false, "while new keys come to the next window")
	})
}
