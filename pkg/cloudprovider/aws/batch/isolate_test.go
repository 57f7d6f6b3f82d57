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
		got := Isolate(t.Context(), seed, keys, func(_ context.Context, keys []int) (map[int]string, error) {
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
	got := Isolate(t.Context(), 1, []int{1, 2, 3}, func(context.Context, []int) (map[int]string, error) {
		calls++
		return nil, errors.New("throttled")
	}, told)
	if calls != 1 || len(got) != 3 || got[2].Err == nil {
		t.Errorf("%d calls, answers %v", calls, got)
	}
}

func TestWhatAnAnswerLeavesOutHasNone(t *testing.T) {
	got := Isolate(t.Context(), 1, []int{1, 2}, func(context.Context, []int) (map[int]string, error) { return map[int]string{1: "a"}, nil }, told)
	if _, ok := got[2]; ok || got[1].Value != "a" {
		t.Errorf("answers %v", got)
	}
}

// policy answers for all keys but the bad ones, whose calls it refuses: it names all of them, only the first, or none.
type policy struct {
	bad   map[int]bool
	names int // of those that are bad, at most
	calls int
}

func (p *policy) call(_ context.Context, keys []int) (map[int]string, error) {
	p.calls++
	out, refused := map[int]string{}, refusal{named: true, about: true}
	failed := false
	for _, key := range keys {
		out[key] = fmt.Sprint(key)
		if !p.bad[key] {
			continue
		}
		failed = true
		if len(refused.bad) < p.names {
			refused.bad = append(refused.bad, key)
		}
	}
	if failed {
		return nil, refused
	}
	return out, nil
}

// numbers returns the keys below n, and makes those bad that the function picks.
func numbers(n int, bad func(int) bool) (keys []int, p *policy) {
	p = &policy{bad: map[int]bool{}}
	for key := range n {
		keys, p.bad[key] = append(keys, key), bad(key)
	}
	return keys, p
}

func TestWhereAllKeysAreBadFewCallsTell(t *testing.T) {
	for _, names := range []int{0, 1, 500} {
		keys, p := numbers(500, func(int) bool { return true })
		p.names = names
		got := Isolate(t.Context(), 1, keys, p.call, told)
		own, undecided := 0, 0
		for _, key := range keys {
			switch _, is := errors.AsType[*Undecided](got[key].Err); {
			case got[key].Err == nil:
				t.Fatalf("%d is answered", key)
			case is:
				undecided++
			default:
				own++
			}
		}
		t.Logf("%d of 500 are named: %d calls, %d keys have a failure of their own", names, p.calls, own)
		if p.calls > 22 || own == 0 || names == 500 && undecided > 0 {
			t.Errorf("%d of 500 are named: %d calls, %d keys have a failure of their own and %d none", names, p.calls, own, undecided)
		}
	}
}

// What is not true of a key must not be read out of its answer: that another one does not exist, for instance.
func TestOfAnUndecidedKeyNothingIsClaimed(t *testing.T) {
	keys, p := numbers(500, func(int) bool { return true })
	err := Isolate(t.Context(), 1, keys, p.call, told)[keys[250]].Err
	if _, is := errors.AsType[refusal](err); is || err == nil {
		t.Errorf("error = %v, want one that does not pass for a refusal of the key", err)
	}
}

// Those who get no answer of their own ask again. Where half of all are bad, telling them apart takes a call for each: that goes slowly,
// and goes on.
func TestBadKeysHoldUpOthersForFewRounds(t *testing.T) {
	for name, tc := range map[string]struct {
		bad  func(int) bool
		held int // good ones that have no answer after ten rounds, at most
	}{
		"the first twenty":   {func(key int) bool { return key < 20 }, 0},
		"the last twenty":    {func(key int) bool { return key >= 480 }, 0},
		"one of twenty-five": {func(key int) bool { return key%25 == 0 }, 0},
		"the first half":     {func(key int) bool { return key < 250 }, 230},
		"every other one":    {func(key int) bool { return key%2 == 0 }, 230},
	} {
		for _, names := range []int{0, 1} {
			keys, p := numbers(500, tc.bad)
			p.names = names
			most, held := 0, 0
			for round := range uint64(10) {
				p.calls, held = 0, 0
				got := Isolate(t.Context(), round, keys, p.call, told)
				keys = slices.DeleteFunc(keys, func(key int) bool { return got[key].Err == nil })
				for _, key := range keys {
					if !p.bad[key] {
						held++
					}
				}
				most = max(most, p.calls)
			}
			t.Logf("%s are bad, %d named at a time: %d others are held up after ten rounds of at most %d calls", name, names, held, most)
			if held > tc.held || most > 2*failuresAtMost+1 {
				t.Errorf("%s are bad, %d named at a time: %d others are held up after ten rounds of at most %d calls", name, names, held, most)
			}
		}
	}
}
