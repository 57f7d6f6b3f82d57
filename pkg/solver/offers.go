package solver

import (
	"cmp"
	"math"
	"slices"
)

// candidates lists, per instance type and capacity type, the cheapest zone of each set of zones that the same options allow.
func (l *lot) candidates(fee float64) []offer {
	var out []offer
	zones := l.zoneSets()
	for t, st := range l.shelf.stocks {
		for c := range st.wares {
			w := &st.wares[c]
			if !w.sold {
				continue
			}
			for _, set := range zones {
				if z := w.cheapest(set); z >= 0 {
					out = append(out, offer{stock: t, capacityType: c, zone: z, price: w.prices[z], cost: w.prices[z] + fee, ware: w})
				}
			}
		}
	}
	return out
}

// zoneSets partitions the zones by which options allow them, in order of each set's first zone.
func (l *lot) zoneSets() [][]int {
	index := map[string]int{}
	var sets [][]int
	for z := range l.shelf.zones {
		var signature []byte
		for _, c := range l.classes {
			for i := range c.options {
				b := byte('0')
				if c.options[i].zones.has(z) {
					b = '1'
				}
				signature = append(signature, b)
			}
		}
		i, ok := index[string(signature)]
		if !ok {
			i = len(sets)
			index[string(signature)], sets = i, append(sets, nil)
		}
		sets[i] = append(sets[i], z)
	}
	return sets
}

// cheapest returns the cheapest of the zones that has an offering, -1 when none has.
func (w *ware) cheapest(zones []int) int {
	best := -1
	for _, z := range zones {
		if !math.IsInf(w.prices[z], 1) && (best < 0 || w.prices[z] < w.prices[best]) {
			best = z
		}
	}
	return best
}

// display keeps those of the offers that are worth a look: who may go to the others might as well go to one that costs no more,
// holds no less and takes no more of the limits.
func (l *lot) display(offers []offer) {
	hosts := make([]bitset, len(offers)) // the classes that may go there
	for i := range offers {
		o := &offers[i]
		hosts[i] = newBitset(len(l.classes))
		for k, c := range l.classes {
			if slices.ContainsFunc(c.options, func(p option) bool { return o.suits(&p) }) {
				hosts[i].add(k)
			}
		}
	}
	order := make([]int, 0, len(offers))
	for i := range offers {
		if !hosts[i].empty() {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(offers[a].cost, offers[b].cost), -slices.Compare(offers[a].room, offers[b].room), cmp.Compare(a, b))
	})
	var kept []int
	for _, i := range order {
		dominated := false
		for at := len(kept) - 1; at >= 0 && !dominated; at-- { // one that costs nearly as much is the likeliest to hold as much
			k := kept[at]
			dominated = l.dominates(&offers[k], &offers[i]) && hosts[i].within(hosts[k])
		}
		if !dominated {
			kept = append(kept, i)
		}
	}
	slices.Sort(kept)
	for _, c := range l.classes {
		c.fits = newBitset(len(kept))
	}
	l.offers = make([]offer, 0, len(kept))
	for _, i := range kept {
		for k := range hosts[i].all {
			l.classes[k].fits.add(len(l.offers))
			l.classes[k].choice++
		}
		l.offers = append(l.offers, offers[i])
	}
	l.kind()
}

// dominates reports whether a, which costs no more, is at least as good as b for whoever may go there.
func (l *lot) dominates(a, b *offer) bool {
	return b.room.below(a.room) &&
		(a.ware == b.ware || len(a.ware.residents.seats) == 0) &&
		l.shelf.stocks[a.stock].capacity.below(l.shelf.stocks[b.stock].capacity)
}

// kind gathers the offers that hold the same at the same cost. They are next to each other, as offers of a stock are.
func (l *lot) kind() {
	l.kinds = nil
	for i := range l.offers {
		if i > 0 {
			a, b := &l.offers[i-1], &l.offers[i]
			if a.ware == b.ware && a.cost == b.cost {
				last := len(l.kinds) - 1
				l.kinds[last] = append(l.kinds[last], i)
				continue
			}
		}
		l.kinds = append(l.kinds, []int{i})
	}
}
