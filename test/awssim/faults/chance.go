package faults

import (
	"hash/fnv"
	"slices"
	"time"
)

// chance is the number from 0 to 1 that belongs to the n-th decision of a stream. It depends on these three alone.
func chance(seed uint64, stream string, n int) float64 {
	h := fnv.New64a()
	h.Write([]byte(stream))
	x := mix(mix(seed^h.Sum64()) + uint64(n))
	return float64(x>>11) / (1 << 53)
}

// mix spreads every bit of a number over all of the result, so that neighbours have nothing in common (the finalizer of splitmix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// holds says whether the rule's time is now, elapsed after the plan was set.
func (w When) holds(elapsed time.Duration) bool {
	return elapsed >= time.Duration(w.After) && (w.For == 0 || elapsed < time.Duration(w.After+w.For))
}

// picks says whether the rule is for the n-th of what it is asked about, the first being 1.
func (w When) picks(seed uint64, stream string, n int) bool {
	switch {
	case len(w.Nth) > 0:
		return slices.Contains(w.Nth, n)
	case w.Share > 0:
		return chance(seed, stream, n) < w.Share
	}
	return true
}
