package batch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// refusal is an error about some of the keys, which names them or not.
type refusal struct {
	bad   []int
	named bool
	about bool
}

func (r refusal) Error() string { return fmt.Sprint("refused for ", r.bad) }

func told(err error, _ []int) ([]int, bool) {
	r, _ := errors.AsType[refusal](err)
	if !r.named {
		return nil, r.about
	}
	return append(slices.Clone(r.bad), -1), r.about // a name that nobody asked for must not matter
}

// Whatever keys are bad, and whether the cloud names them: each bad one fails, each other one is answered, and that takes few calls.
func TestBadKeysFailAlone(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		keys, bad := r.Perm(1+r.IntN(60)), map[int]bool{}
		for range r.IntN(4) {
			bad[keys[r.IntN(len(keys))]] = true
		}
		named, calls := r.IntN(2) == 0, 0
		got := Isolate(t.Context(), keys, func(_ context.Context, keys []int) (map[int]string, error) {
			calls++
			out, refused := map[int]string{}, refusal{named: named, about: true}
			for _, key := range keys {
				if out[key] = fmt.Sprint(key); bad[key] {
					refused.bad = append(refused.bad, key)
				}
			}
			if len(refused.bad) > 0 {
				return nil, refused
			}
			return out, nil
		}, told)
		for _, key := range keys {
			answer, ok := got[key]
			if !ok || (answer.Err != nil) != bad[key] || answer.Err == nil && answer.Value != fmt.Sprint(key) {
				t.Fatalf("seed %d: %d (bad: %t) is answered %+v, %t", seed, key, bad[key], answer, ok)
			}
		}
		if most := 1 + 12*len(bad); named && calls > 2 || calls > most {
			t.Fatalf("seed %d: %d calls for %d bad keys of %d, named: %t", seed, calls, len(bad), len(keys), named)
		}
	}
}

func TestAFailureOfTheCallIsEverybodys(t *testing.T) {
	calls := 0
	got := Isolate(t.Context(), []int{1, 2, 3}, func(context.Context, []int) (map[int]string, error) {
		calls++
		return nil, errors.New("throttled")
	}, told)
	if calls != 1 || len(got) != 3 || got[2].Err == nil {
		t.Errorf("%d calls, answers %v", calls, got)
	}
}

func TestWhatAnAnswerLeavesOutHasNone(t *testing.T) {
	got := Isolate(t.Context(), []int{1, 2}, func(context.Context, []int) (map[int]string, error) { return map[int]string{1: "a"}, nil }, told)
	if _, ok := got[2]; ok || got[1].Value != "a" {
		t.Errorf("answers %v", got)
	}
}
