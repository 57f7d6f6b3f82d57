package batch

import (
	"context"
	"slices"
)

// Isolate makes a call about many keys such that each gets an answer of its own although one bad key fails the call for all. Which
// keys a failure is about, told says: none of them if it does not know, and then the call is made in halves. Where told reports
// that a failure is about the call rather than about keys, all of them get it.
func Isolate[K comparable, V any](
	ctx context.Context, keys []K, call func(context.Context, []K) (map[K]V, error), told func(err error, keys []K) (bad []K, about bool),
) map[K]Answer[V] {
	out := make(map[K]Answer[V], len(keys))
	isolate(ctx, keys, call, told, out)
	return out
}

func isolate[K comparable, V any](
	ctx context.Context, keys []K, call func(context.Context, []K) (map[K]V, error), told func(error, []K) ([]K, bool), out map[K]Answer[V],
) {
	if len(keys) == 0 {
		return
	}
	values, err := call(ctx, keys)
	if err == nil {
		for _, key := range keys {
			if value, ok := values[key]; ok {
				out[key] = Answer[V]{Value: value}
			}
		}
		return
	}
	bad, about := told(err, keys)
	if !about || len(keys) == 1 {
		bad = keys
	}
	good := slices.DeleteFunc(slices.Clone(keys), func(key K) bool { return slices.Contains(bad, key) })
	if len(good) == len(keys) {
		isolate(ctx, keys[:len(keys)/2], call, told, out)
		isolate(ctx, keys[len(keys)/2:], call, told, out)
		return
	}
	for _, key := range keys {
		if !slices.Contains(good, key) {
			out[key] = Answer[V]{Err: err}
		}
	}
	isolate(ctx, good, call, told, out)
}
