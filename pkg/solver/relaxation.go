package solver

import (
	"cmp"
	"maps"
	"math"
	"slices"
)

const (
	// mostSieves bounds how often columns are added to the linear program, sieve how many at a time.
	mostSieves = 24
	sieve      = 48
	// slotUnits is what a machine has of a slot, so that whole numbers do for fractions of it.
	slotUnits = 1000
	// closeEnough is the part of the price by which a column may be worth more without being added, and belowRounding the part
	// by which the bound is taken lower than it was computed, well above what summing up can be wrong by.
	closeEnough   = 1e-9
	belowRounding = 1e-10
)

// relaxation is the linear program that bounds what the pods cost from below. It has a row for each resource of which something
// is asked for, over all offers; one for each resource of each cut, over the offers of the cut; and one for each slot.
//
// Offers are columns. Few of them matter, so the program is solved over some and the ones that its prices undervalue are added
// until there are none. Whatever prices come out are scaled down until no offer is worth more than it costs: then the demand
// costs at least what it is worth at these prices, however far from the optimum they are.
type relaxation struct {
	columns []pricedOffer
	demand  []float64 // by row
	height  int       // number of resources
	cuts    int
	slots   int
	// blends holds, by set of cuts, what a unit of each resource is worth on the offers that are in all of these.
	blends map[uint64][]float64
}

// pricedOffer is an offer as a column: what it costs, what it holds, and in which cuts it is, as bits.
type pricedOffer struct {
	price  float64
	usable vector
	cuts   uint64
}

func newRelaxation(m *market, c *account) *relaxation {
	l := &relaxation{height: len(c.solution.dimensions.names), blends: map[uint64][]float64{}}
	everywhere, total := make(bitset, m.words), make([]float64, l.height)
	for _, k := range c.list {
		everywhere.or(k.offers)
		for r, q := range k.total {
			total[r] += q
		}
	}
	cuts := c.cuts(everywhere, total)
	l.cuts, l.demand = len(cuts), append(l.demand, total...)
	for _, k := range cuts {
		l.demand = append(l.demand, k.total...)
	}
	slots := slices.SortedFunc(maps.Values(c.slots), func(a, b float64) int { return cmp.Compare(b, a) })
	for _, n := range slots[:min(len(slots), mostSlots)] {
		l.demand, l.slots = append(l.demand, n*slotUnits), l.slots+1
	}
	for i := range m.shelves {
		if m.of(everywhere, i).empty() {
			continue
		}
		l.add(m, i, everywhere, cuts, max(c.solution.problem.Settings.NodeFee, 0))
	}
	return l
}

// add appends the offers of a shelf, those in zones that neither price nor cuts tell apart once.
func (l *relaxation) add(m *market, shelf int, everywhere bitset, cuts []*kind, fee float64) {
	s := m.shelves[shelf]
	l.columns = slices.Grow(l.columns, len(s.stocks)*len(s.ways))
	for t, st := range s.stocks {
		for c := range st.wares {
			w, from := &st.wares[c], len(l.columns)
			for z, price := range w.prices {
				if !w.sold || math.IsInf(price, 1) || !m.block(everywhere, shelf, c, z).has(t) {
					continue
				}
				o := pricedOffer{price: price + fee, usable: w.usable}
				for i, k := range cuts {
					if m.block(k.offers, shelf, c, z).has(t) {
						o.cuts |= 1 << i
					}
				}
				same := func(p pricedOffer) bool { return p.price == o.price && p.cuts == o.cuts }
				if !slices.ContainsFunc(l.columns[from:], same) {
					l.columns = append(l.columns, o)
				}
			}
		}
	}
}

// bound returns the best bound found.
func (l *relaxation) bound() float64 {
	best := 0.0
	chosen := map[int]bool{}
	undervalued := l.first()
	var products []product
	for range mostSieves {
		for _, i := range undervalued {
			if !chosen[i] {
				chosen[i] = true
				products = append(products, l.product(&l.columns[i]))
			}
		}
		worth := duals(products, l.demand)
		var value float64
		value, undervalued = l.judge(worth)
		best = max(best, value)
		if !slices.ContainsFunc(undervalued, func(i int) bool { return !chosen[i] }) {
			break
		}
	}
	return best * (1 - belowRounding)
}

// first returns for each set of cuts and each resource the offer that has most of it for its price.
func (l *relaxation) first() []int {
	type niche struct {
		cuts     uint64
		resource int
	}
	most, index := map[niche]float64{}, map[niche]int{}
	for i := range l.columns {
		o := &l.columns[i]
		for r, q := range o.usable {
			n := niche{o.cuts, r}
			if there := float64(q) / max(o.price, leastWorth); there > most[n] {
				most[n], index[n] = there, i
			}
		}
	}
	return slices.Compact(slices.Sorted(maps.Values(index)))
}

// product returns the column over all rows.
func (l *relaxation) product(o *pricedOffer) product {
	v := make(vector, 0, len(l.demand))
	v = append(v, o.usable...)
	for i := range l.cuts {
		if o.cuts&(1<<i) != 0 {
			v = append(v, o.usable...)
		} else {
			v = append(v, make(vector, l.height)...)
		}
	}
	for i, q := range v {
		v[i] = max(q, 0)
	}
	for range l.slots {
		v = append(v, slotUnits)
	}
	return product{o.price, v}
}

// judge returns what the demand is worth after the prices of the rows are scaled down until no offer is worth more than it
// costs, and the offers that are worth most for their price if they are worth more than that.
func (l *relaxation) judge(worth []float64) (float64, []int) {
	l.waive(worth)
	clear(l.blends)
	slot := 0.0
	for _, w := range worth[l.height*(1+l.cuts):] {
		slot += w * slotUnits
	}
	dearest := 0.0
	var above []valued
	for i := range l.columns {
		o := &l.columns[i]
		if o.price <= 0 {
			continue // worth nothing once prices are waived
		}
		v := slot
		for r, w := range l.blend(worth, o.cuts) {
			v += w * float64(max(o.usable[r], 0))
		}
		ratio := v / o.price
		dearest = max(dearest, ratio)
		if ratio > 1+closeEnough {
			above = append(above, valued{i, ratio})
		}
	}
	if dearest == 0 {
		return 0, nil
	}
	slices.SortFunc(above, func(a, b valued) int { return cmp.Or(cmp.Compare(b.ratio, a.ratio), cmp.Compare(a.column, b.column)) })
	var undervalued []int
	for _, v := range above[:min(len(above), sieve)] {
		undervalued = append(undervalued, v.column)
	}
	total := 0.0
	for r, w := range worth {
		total += w * l.demand[r]
	}
	return total / dearest, undervalued
}

// valued is a column with what it is worth per price.
type valued struct {
	column int
	ratio  float64
}

// waive sets to zero what the rows are worth of which some offer has something for free.
func (l *relaxation) waive(worth []float64) {
	for i := range l.columns {
		o := &l.columns[i]
		if o.price > 0 {
			continue
		}
		for r, q := range l.product(o).holds {
			if q > 0 {
				worth[r] = 0
			}
		}
	}
}

// blend returns what a unit of each resource is worth on offers in these cuts.
func (l *relaxation) blend(worth []float64, cuts uint64) []float64 {
	out, ok := l.blends[cuts]
	if !ok {
		out = slices.Clone(worth[:l.height])
		for i := range l.cuts {
			if cuts&(1<<i) == 0 {
				continue
			}
			for r := range out {
				out[r] += worth[l.height*(1+i)+r]
			}
		}
		l.blends[cuts] = out
	}
	return out
}
