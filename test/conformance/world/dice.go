package world

import "math/rand/v2"

// dice make things up. The same seed always makes up the same.
type dice struct{ *rand.Rand }

func newDice(seed uint64) dice { return dice{rand.New(rand.NewPCG(seed, 0x6b657266))} }

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
