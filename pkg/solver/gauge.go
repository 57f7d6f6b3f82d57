package solver

import (
	"cmp"
	"maps"
	"math"
	"slices"
)

const (
	// mostGauges bounds for each resource the amounts from which on pods are large.
	mostGauges = 4
	// stepApart is how many times another such amount one has to be.
	stepApart = 1.25
)

// gauge is something that pods ask for and machines have: an amount of a resource, or places for pods. It may be about large pods
// only, and then machines that have no room for one of these have nothing for them.
type gauge struct {
	resource int
	// least is what each of the large pods asks for at the least; nil if it is about all pods. Large by a resource are those who ask
	// for as much of that.
	least vector
	large int
	// places says that it is about the number of pods: a machine has as many places as the least goes into what it has, for what is
	// left over is of no use to them.
	places bool
}

// asked returns what one pod asks for.
func (g *gauge) asked(requests vector) int64 {
	switch {
	case g.least != nil && requests[g.large] < g.least[g.large]:
		return 0
	case g.places:
		return 1
	default:
		return max(requests[g.resource], 0)
	}
}

// has returns what a machine has.
func (g *gauge) has(usable vector) int64 {
	switch {
	case g.places:
		return int64(g.least.times(usable, math.MaxInt32))
	case g.least != nil && !g.least.within(usable):
		return 0
	default:
		return max(usable[g.resource], 0)
	}
}

// gauges returns those that matter to the pods: first, so many, the resources that they ask for, and then what the large ones of
// them ask for.
func (s *solution) gauges(order []onMachine, counts map[onMachine]int) ([]gauge, int) {
	var out, large []gauge
	for r := range s.dimensions.names {
		alike := map[int64]*those{} // amount -> who asks for it
		for _, o := range order {
			if q := o.group.requests[r]; q > 0 {
				t, ok := alike[q]
				if !ok {
					t = &those{least: o.group.requests.clone()}
					alike[q] = t
				}
				t.least.lower(o.group.requests)
				t.pods += counts[o]
			}
		}
		if len(alike) == 0 {
			continue
		}
		out = append(out, gauge{resource: r})
		if r != s.dimensions.pods() { // by which none is large
			large = append(large, placesOf(r, alike)...)
		}
	}
	plain := len(out)
	for _, g := range large {
		out = append(out, g)
		for _, of := range out[:plain] {
			if of.resource != s.dimensions.pods() {
				out = append(out, gauge{resource: of.resource, large: g.large, least: g.least})
			}
		}
	}
	return out, plain
}

// those are pods with what each of them asks for at the least.
type those struct {
	pods  int
	least vector
}

// placesOf returns the places for pods that are large by a resource: from amounts on that stand for most of what they ask for if who
// asks for more counts as if he did not.
func placesOf(resource int, alike map[int64]*those) []gauge {
	type step struct {
		those
		sum float64
	}
	var all []step
	var above those
	for _, amount := range slices.Backward(slices.Sorted(maps.Keys(alike))) {
		t := alike[amount]
		if above.least != nil {
			t.least.lower(above.least)
		}
		above = those{above.pods + t.pods, t.least}
		all = append(all, step{above, float64(above.pods) * float64(amount)})
	}
	slices.SortStableFunc(all, func(a, b step) int { return cmp.Compare(b.sum, a.sum) })
	var out []gauge
	for _, c := range all {
		near := func(g gauge) bool {
			a, b := c.least[resource], g.least[resource]
			return float64(max(a, b)) < stepApart*float64(min(a, b))
		}
		if len(out) < mostGauges && !slices.ContainsFunc(out, near) {
			out = append(out, gauge{large: resource, least: c.least, places: true})
		}
	}
	return out
}
