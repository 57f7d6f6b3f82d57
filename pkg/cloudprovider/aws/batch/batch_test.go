package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// echo answers each key with its length, "none" with nothing and "bad" with an error, and notes what it is called with.
type echo struct {
	mu    sync.Mutex
	calls [][]string
	takes time.Duration
}

var errBad = errors.New("bad") // what echo answers to bad

func (e *echo) call(ctx context.Context, keys []string) map[string]Answer[int] {
	e.mu.Lock()
	e.calls = append(e.calls, slices.Clone(keys))
	e.mu.Unlock()
	out := map[string]Answer[int]{}
	timer := time.NewTimer(e.takes)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	for _, key := range keys {
		switch {
		case ctx.Err() != nil:
			out[key] = Answer[int]{Err: ctx.Err()}
		case key == "bad":
			out[key] = Answer[int]{Err: errBad}
		case key != "none":
			out[key] = Answer[int]{Value: len(key)}
		}
	}
	return out
}

func settings() Settings {
	return Settings{Window: 100 * time.Millisecond, Most: 5, Timeout: time.Minute}
}

// all asks for the keys at the same time.
func all(ctx context.Context, b *Batcher[string, int], keys ...string) []string {
	out := make([]string, len(keys))
	var group sync.WaitGroup
	for i, key := range keys {
		group.Go(func() {
			n, err := b.Do(ctx, key)
			out[i] = fmt.Sprint(n, " ", err)
		})
	}
	group.Wait()
	return out
}

func TestCallersOfOneWindowShareACallAndGetTheirOwnAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &echo{}
		got := all(t.Context(), New(settings(), e.call), "a", "bb", "bad", "none", "bb")
		if diff := cmp.Diff([]string{"1 <nil>", "2 <nil>", "0 bad", "0 the answer leaves it out", "2 <nil>"}, got); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
		if len(e.calls) != 1 || len(e.calls[0]) != 4 {
			t.Errorf("calls = %v, want one about four keys", e.calls)
		}
	})
}

func TestAFullWindowDoesNotWaitAndTheNextOneDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &echo{}
		b := New(settings(), e.call)
		start := time.Now()
		all(t.Context(), b, "1", "2", "3", "4", "5")
		if waited := time.Since(start); waited != 0 {
			t.Errorf("a full window waited for %s", waited)
		}
		all(t.Context(), b, "6")
		if waited := time.Since(start); waited != 100*time.Millisecond {
			t.Errorf("a window with room waited for %s", waited)
		}
		var keys []string
		for i := range 23 {
			keys = append(keys, strconv.Itoa(i))
		}
		e.calls = nil
		all(t.Context(), b, keys...)
		if len(e.calls) != 5 {
			t.Errorf("23 keys took %d calls of at most 5", len(e.calls))
		}
	})
}

func TestWhoComesWhileACallIsMadeIsNotGivenAnOlderAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &echo{takes: time.Second}
		b := New(settings(), e.call)
		var group sync.WaitGroup
		for range 2 {
			group.Go(func() { all(t.Context(), b, "a") })
			<-time.After(500 * time.Millisecond) // the first call is under way by now
		}
		group.Wait()
		if len(e.calls) != 2 {
			t.Errorf("%d calls, want one for each", len(e.calls))
		}
	})
}

func TestACallerThatEndsLeavesTheOthersTheirAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &echo{takes: time.Second}
		b := New(settings(), e.call)
		first, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		var group sync.WaitGroup
		var ended, stayed []string
		group.Go(func() { ended = all(first, b, "a") })
		synctest.Wait()
		group.Go(func() { stayed = all(t.Context(), b, "bb") })
		group.Wait()
		if diff := cmp.Diff([][]string{{"0 context deadline exceeded"}, {"2 <nil>"}}, [][]string{ended, stayed}); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
	})
}

func TestACallDoesNotTakeForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := all(t.Context(), New(settings(), (&echo{takes: time.Hour}).call), "a")
		if diff := cmp.Diff([]string{"0 context deadline exceeded"}, got); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
	})
}
