package solver

import (
	"cmp"
	"math"
	"math/bits"
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

// relaxation is the linear program that bounds what the pods cost from below. It has a row for each gauge over all
// offers; one for each gauge of each cut, over the offers of the cut; and one for each cohort of each
// slot, over the offers that a pod of the cohort may be on. A machine's slot is for one cohort, whichever.
//
// Offers are columns, with a cohort for each slot. Few of them matter, so the program is solved over some and the ones that its
// prices undervalue are added until there are none. Whatever prices come out are scaled down until no offer is worth more than it
// costs, its slots given to the cohorts that pay most: then the demand costs at least what it is worth at these prices, however far
// from the optimum they are.
type relaxation struct {
	columns []pricedOffer
	demand  []float64 // by row
	gauges  []gauge
	plain   int // gauges that cuts have, the first
	height  int // all gauges
	cuts    []*kind
	quotas  []quota
	// starts are the rows of the first cohort of each slot.
	starts []int
	niches []niche
	index  map[nicheKey]int
	// smallest is what a machine needs that is of use to any pod.
	smallest vector
	// narrow are the kinds of cohorts that may not be on all offers, each with its cohorts as bits.
	narrow []narrowKind
}

// fits says of each slot which cohorts an offer is for, as bits.
type fits [mostSlots]uint32

// picks are the cohorts that the slots of a machine are for; -1 for none.
type picks [mostSlots]int8

// narrowKind is a kind with its cohorts.
type narrowKind struct {
	*kind
	cohorts fits
}

// nicheKey is all that matters of an offer but its price and what it holds: in which cuts it is, as bits, and for which cohorts.
type nicheKey struct {
	cuts uint64
	fits fits
}

// niche is the offers of a key.
type niche struct {
	nicheKey
	// worth is what a unit of each gauge is worth there, slot what the slots are when they are for the picks.
	worth []float64
	slot  float64
	picks picks
	// cheapest column.
	cheapest int
}

// pricedOffer is an offer as a column: what it costs, what it holds, and its niche.
type pricedOffer struct {
	price float64
	holds vector // by gauge
	niche int
}

// trial is a column with the cohorts that its slots are for.
type trial struct {
	column int
	picks  picks
}

// newRelaxation returns the program for machines that cost a fee on top of their price.
func newRelaxation(c *account, fee float64) *relaxation {
	m := c.market
	l := &relaxation{gauges: c.gauges, plain: c.plain, height: len(c.gauges), smallest: c.smallest, quotas: c.quotas(), index: map[nicheKey]int{}}
	everywhere, total := make(bitset, m.words), make([]float64, l.height)
	for _, k := range c.list {
		everywhere.or(k.offers)
		for r, q := range k.total {
			total[r] += q
		}
	}
	l.cuts, l.demand = c.cuts(everywhere, total), append(l.demand, total...)
	for _, k := range l.cuts {
		l.demand = append(l.demand, k.total...)
	}
	for i := range l.quotas {
		l.starts = append(l.starts, len(l.demand))
		for k, of := range l.quotas[i].cohorts {
			l.demand = append(l.demand, of.need*slotUnits)
			if of.kind != nil && !everywhere.within(of.kind.offers) {
				l.narrowed(of.kind).cohorts[i] |= 1 << k
			}
		}
	}
	for i := range m.shelves {
		if m.of(everywhere, i).empty() {
			continue
		}
		l.add(m, i, everywhere, fee)
	}
	return l
}

// holds returns what a machine has by gauge.
func (l *relaxation) holds(usable vector) vector {
	out := make(vector, l.height)
	for i := range l.gauges {
		out[i] = l.gauges[i].has(usable)
	}
	return out
}

// narrowed returns the kind among the narrow ones.
func (l *relaxation) narrowed(k *kind) *narrowKind {
	i := slices.IndexFunc(l.narrow, func(n narrowKind) bool { return n.kind == k })
	if i < 0 {
		i = len(l.narrow)
		l.narrow = append(l.narrow, narrowKind{kind: k})
	}
	return &l.narrow[i]
}

// add appends the offers of a shelf, those in zones that neither price nor niche tell apart once.
func (l *relaxation) add(m *market, shelf int, everywhere bitset, fee float64) {
	s := m.shelves[shelf]
	l.columns = slices.Grow(l.columns, len(s.stocks)*len(s.ways))
	for t, st := range s.stocks {
		for c := range st.wares {
			w, from := &st.wares[c], len(l.columns)
			if !w.sold || !l.smallest.within(w.usable) {
				continue
			}
			var holds vector
			var large fits
			for i := range l.quotas {
				large[i] = l.quotas[i].within(w.usable)
			}
			for z, price := range w.prices {
				if math.IsInf(price, 1) || !m.block(everywhere, shelf, c, z).has(t) {
					continue
				}
				in := func(k *kind) bool { return m.block(k.offers, shelf, c, z).has(t) }
				if holds == nil {
					holds = l.holds(w.usable)
				}
				o := pricedOffer{price: price + fee, holds: holds, niche: l.niche(large, in)}
				same := func(p pricedOffer) bool { return p.price == o.price && p.niche == o.niche }
				if !slices.ContainsFunc(l.columns[from:], same) {
					l.columns = append(l.columns, o)
				}
			}
		}
	}
}

// niche returns the place of the niche of an offer that is large enough for some cohorts and in some kinds.
func (l *relaxation) niche(large fits, in func(*kind) bool) int {
	key := nicheKey{fits: large}
	for i, k := range l.cuts {
		if in(k) {
			key.cuts |= 1 << i
		}
	}
	for _, k := range l.narrow {
		if in(k.kind) {
			continue
		}
		for i := range key.fits {
			key.fits[i] &^= k.cohorts[i]
		}
	}
	i, ok := l.index[key]
	if !ok {
		i = len(l.niches)
		l.index[key] = i
		l.niches = append(l.niches, niche{nicheKey: key, worth: make([]float64, l.height), cheapest: len(l.columns)})
	}
	return i
}

// bound returns the best bound found while there was time.
func (l *relaxation) bound(at *tempo) float64 {
	best := 0.0
	chosen := map[trial]bool{}
	var products []product
	add := func(trials []trial) bool {
		before := len(products)
		for _, t := range trials {
			if !chosen[t] {
				chosen[t] = true
				products = append(products, l.product(t))
			}
		}
		return len(products) > before
	}
	add(l.first())
	program := newSimplex(products, l.demand)
	program.start()
	for range mostSieves {
		program.products = products
		value, undervalued := l.judge(program.resume())
		best = max(best, value)
		if !add(undervalued) || at.Err() != nil {
			break
		}
	}
	return best * (1 - belowRounding)
}

// first returns for each niche and each gauge the offer that has most of it for its price, and for each cohort the cheapest that
// it may be on.
func (l *relaxation) first() []trial {
	corners := len(l.niches) * l.height // a niche and a gauge each
	most, index := make([]float64, corners), make([]int, corners)
	for i := range l.columns {
		o := &l.columns[i]
		if n := &l.niches[o.niche]; o.price < l.columns[n.cheapest].price {
			n.cheapest = i
		}
		for r, q := range o.holds {
			n := o.niche*l.height + r
			if there := float64(q) / max(o.price, leastWorth); there > most[n] {
				most[n], index[n] = there, i
			}
		}
	}
	var out []trial
	for _, i := range slices.Compact(slices.Sorted(slices.Values(index))) {
		out = append(out, trial{i, l.niches[l.columns[i].niche].any()})
	}
	for i := range l.quotas {
		for k := range l.quotas[i].cohorts {
			least := -1
			for n := range l.niches {
				if at := l.niches[n].cheapest; l.niches[n].fits[i]&(1<<k) != 0 && (least < 0 || l.columns[at].price < l.columns[least].price) {
					least = at
				}
			}
			if least >= 0 {
				t := trial{least, l.niches[l.columns[least].niche].any()}
				t.picks[i] = int8(k)
				out = append(out, t)
			}
		}
	}
	return out
}

// any returns cohorts that may be on the offers of the niche.
func (n *niche) any() picks {
	var out picks
	for i, of := range n.fits {
		out[i] = -1
		if of != 0 {
			out[i] = int8(bits.TrailingZeros32(of))
		}
	}
	return out
}

// product returns a column over all rows.
func (l *relaxation) product(t trial) product {
	o := &l.columns[t.column]
	v := make(vector, len(l.demand))
	copy(v, o.holds)
	for i := range l.cuts {
		if l.niches[o.niche].cuts&(1<<i) != 0 {
			copy(v[l.height+l.plain*i:], v[:l.plain])
		}
	}
	for i, start := range l.starts {
		if k := t.picks[i]; k >= 0 {
			v[start+int(k)] = slotUnits
		}
	}
	return product{o.price, v}
}

// judge returns what the demand is worth after the prices of the rows are scaled down until no offer is worth more than it
// costs, and the offers that are worth most for their price if they are worth more than that.
func (l *relaxation) judge(worth []float64) (float64, []trial) {
	l.waive(worth)
	for i := range l.niches {
		l.value(&l.niches[i], worth)
	}
	dearest := 0.0
	var above []valued
	for i := range l.columns {
		o := &l.columns[i]
		if o.price <= 0 {
			continue // worth nothing once prices are waived
		}
		n := &l.niches[o.niche]
		v := n.slot
		for r, w := range n.worth {
			v += w * float64(o.holds[r])
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
	var undervalued []trial
	for _, v := range above[:min(len(above), sieve)] {
		undervalued = append(undervalued, trial{v.column, l.niches[l.columns[v.column].niche].picks})
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
		n := &l.niches[o.niche]
		for r, q := range l.product(trial{i, n.any()}).holds {
			if q > 0 {
				worth[r] = 0
			}
		}
		for s, start := range l.starts {
			for k := range l.quotas[s].cohorts {
				if n.fits[s]&(1<<k) != 0 {
					worth[start+k] = 0
				}
			}
		}
	}
}

// value sets what a unit of each resource is worth in the niche, and its slots given to those that pay most.
func (l *relaxation) value(n *niche, worth []float64) {
	copy(n.worth, worth[:l.height])
	for i := range l.cuts {
		if n.cuts&(1<<i) == 0 {
			continue
		}
		for r := range l.plain {
			n.worth[r] += worth[l.height+l.plain*i+r]
		}
	}
	n.slot, n.picks = 0, n.any()
	for i, start := range l.starts {
		best := 0.0
		for k := range l.quotas[i].cohorts {
			if w := worth[start+k]; n.fits[i]&(1<<k) != 0 && w > best {
				best, n.picks[i] = w, int8(k)
			}
		}
		n.slot += best * slotUnits
	}
}
