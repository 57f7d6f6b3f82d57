package world

import "math/rand/v2"

// dice make things up. The same seed always makes up the same.
type dice struct{ *rand.Rand }

// Streams of numbers, one for each of the drawings that a seed is good for: more in a later one leaves the earlier as they are.
const (
	plainStream uint64 = 0x6b657266
	richStream  uint64 = 0x72696368
)

func newDice(seed, stream uint64) dice { return dice{rand.New(rand.NewPCG(seed, stream))} }

// chance is true in that many of a hundred cases.
func (d dice) chance(percent int) bool { return d.IntN(100) < percent }

// between returns a number from low to high, both included.
func (d dice) between(low, high int) int { return low + d.IntN(high-low+1) }

// one returns one of the choices.
func one[T any](d dice, of ...T) T { return of[d.IntN(len(of))] }

// some returns one or more of the choices, in their order.
func some[T any](d dice, of ...T) []T {
	first := d.IntN(len(of))
	var out []T
	for i, v := range of {
		if i == first || d.chance(40) {
			out = append(out, v)
		}
	}
	return out
}
