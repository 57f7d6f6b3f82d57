package batch

import (
	"context"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
)

const (
	// strayed is how many failures in a row, beyond those that lead to a single bad key and to as many large groups, are taken to mean
	// that all keys are bad.
	strayed = 4
	// failuresAtMost bounds the calls that fail, however they alternate with others.
	failuresAtMost = 50
)

// Undecided is the answer to a key of a call that failed for some of its keys, which it may not be one of. Err does not unwrap: what
// it says may not be true of this key.
type Undecided struct{ Err error }

func (u *Undecided) Error() string {
	return fmt.Sprintf("asked together with others it was refused, perhaps for theirs: %s", u.Err)
}

// Isolate makes a call about many keys such that each gets an answer of its own although one bad key fails the call for all. Which
// keys a failure is about, told says: none of them if it does not know, and then the call is made in halves. It may know of some only:
// when the others fail as well, they are halved, too. Where told reports that a failure is about the call rather than about keys, all
// of them get it.
//
// A few bad keys are all found. Where nearly all seem to be bad, looking for the good ones would take a call or two for each: it ends,
// and those that have no answer of their own yet are Undecided. When they are asked for again, another seed looks in other places.
func Isolate[K comparable, V any](
	ctx context.Context, seed uint64, keys []K, call func(context.Context, []K) (map[K]V, error), told func(err error, keys []K) (bad []K, about bool),
) map[K]Answer[V] {
	s := search[K, V]{
		call: call, told: told, out: make(map[K]Answer[V], len(keys)), patience: 2*bits.Len(uint(len(keys))) + strayed,
		rand: rand.New(rand.NewPCG(seed, uint64(len(keys)))), //nolint:gosec // to look about, not to be secret
	}
	pending := []group[K]{{keys: keys}}
	for turn := 0; len(pending) > 0; turn++ {
		var next group[K]
		if next, pending = take(pending, turn%2 == 0); len(next.keys) == 0 {
			continue
		}
		if s.inRow >= s.patience || s.failures >= failuresAtMost {
			s.settle(next.keys, &Undecided{Err: next.err})
			continue
		}
		pending = append(pending, s.ask(ctx, next)...)
	}
	return s.out
}

// group is keys that are yet to be asked for, and how asking for them with others failed.
type group[K comparable] struct {
	keys []K
	err  error
	// rest says that they are those that the failure did not name.
	rest bool
}

// take removes a group: the smallest, which is the nearest to an answer, or the largest, of which the most is to be had if it is good.
func take[K comparable](pending []group[K], smallest bool) (group[K], []group[K]) {
	at := 0
	for i := range pending {
		if more := len(pending[i].keys) - len(pending[at].keys); smallest && more < 0 || !smallest && more > 0 {
			at = i
		}
	}
	taken := pending[at]
	return taken, slices.Delete(pending, at, at+1)
}

// search is the look for bad keys.
type search[K comparable, V any] struct {
	call     func(context.Context, []K) (map[K]V, error)
	told     func(error, []K) ([]K, bool)
	out      map[K]Answer[V]
	rand     *rand.Rand
	patience int // failures in a row
	// failures so far, and those since the last success.
	failures, inRow int
}

// ask makes the call for a group. It settles what it can and returns what is to be asked for again.
func (s *search[K, V]) ask(ctx context.Context, g group[K]) []group[K] {
	values, err := s.call(ctx, g.keys)
	if err == nil {
		s.inRow = 0
		for _, key := range g.keys {
			if value, ok := values[key]; ok {
				s.out[key] = Answer[V]{Value: value}
			}
		}
		return nil
	}
	s.failures++
	s.inRow++
	bad, about := s.told(err, g.keys)
	if !about || len(g.keys) == 1 {
		bad = g.keys
	}
	var named, others []K
	for _, key := range g.keys {
		if slices.Contains(bad, key) {
			named = append(named, key)
		} else {
			others = append(others, key)
		}
	}
	s.settle(named, err)
	if len(named) > 0 && !g.rest {
		return []group[K]{{others, err, true}}
	}
	s.rand.Shuffle(len(others), func(i, k int) { others[i], others[k] = others[k], others[i] })
	half := len(others) / 2
	return []group[K]{{others[:half], err, g.rest}, {others[half:], err, g.rest}}
}

func (s *search[K, V]) settle(keys []K, err error) {
	for _, key := range keys {
		s.out[key] = Answer[V]{Err: err}
	}
}
