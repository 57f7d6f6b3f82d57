package solver

import (
	"cmp"
	"context"
	"math"
	"slices"
)

const (
	// leastGain is the part of the price by which a new plan has to be cheaper to replace an old one.
	leastGain = 1e-9
)

// poolSizes are the numbers of machines, the least filled first, that are taken apart together.
func poolSizes() []int { return []int{1, 2, 3, 5, 8} }

// improve makes bins cheaper: each moves to the cheapest offer that holds it; then the pods of those that waste most are
// planned again, and the new machines kept if they cost less.
func (p *packer) improve(ctx context.Context, bins []bin) []bin {
	p.shrink(bins)
	p.appraiseAll(bins)
	again := newPacker(p.lot, p.effort)
	again.thrift = p.thrift
	better := true
	for better && ctx.Err() == nil && !p.effort.over() {
		p.worstFirst(bins)
		better = false
		for _, size := range poolSizes() {
			if size > len(bins) {
				break
			}
			if fresh, ok := again.replace(ctx, bins[:size]); ok {
				bins, better = append(fresh, bins[size:]...), true
				break
			}
		}
	}
	return bins
}

// appraiseAll sets what resources and pods are worth in the bins as a whole.
func (p *packer) appraiseAll(bins []bin) {
	left := slices.Clone(p.left)
	p.empty()
	for _, b := range bins {
		for _, k := range b.picks {
			p.want(k.item, k.count)
		}
	}
	p.appraise()
	p.load(left)
}

// worstFirst orders bins by what their pods are worth for their price.
func (p *packer) worstFirst(bins []bin) {
	ratio := func(b bin) float64 {
		value := 0.0
		for _, k := range b.picks {
			value += p.worths.values[p.lot.items[k.item].shape] * float64(k.count)
		}
		return value / p.cost(b.offer)
	}
	slices.SortStableFunc(bins, func(a, b bin) int { return cmp.Compare(ratio(a), ratio(b)) })
}

// replace plans the pods of some bins anew; false, and nothing changed, if that is neither cheaper nor as cheap on fewer
// machines.
func (p *packer) replace(ctx context.Context, old []bin) ([]bin, bool) {
	var pool []pick
	for _, b := range old {
		pool = append(pool, b.picks...)
	}
	p.spend(old, -1)
	var best []bin
	bestCost, fewest := p.total(old), len(old)
	for _, plan := range []func() []bin{
		func() []bin { return p.pack(ctx) },
		func() []bin { return p.single(pool) },
	} {
		p.empty()
		for _, k := range pool {
			p.want(k.item, k.count)
		}
		bins := plan()
		p.shrink(bins)
		cost := p.total(bins)
		cheaper := cost < bestCost*(1-leastGain) || cost <= bestCost && len(bins) < fewest
		if p.done() && cheaper {
			best, bestCost, fewest = bins, cost, len(bins)
		}
		p.spend(bins, -1)
	}
	p.empty()
	if best == nil {
		p.spend(old, 1)
		return nil, false
	}
	p.spend(best, 1)
	return best, true
}

// match reports whether the items of the picks go with each other, on a machine without DaemonSets at least.
func (l *lot) match(picks []pick) bool {
	var c company
	for _, k := range picks {
		g := l.items[k.item].group
		if c.room(g.guest, k.count) < k.count {
			return false
		}
		c.join(g.guest, k.count)
	}
	return true
}

// single plans one machine for all of the picks, on the cheapest offer that holds them; none if there is no such offer.
func (p *packer) single(pool []pick) []bin {
	b := bin{picks: slices.Clone(pool)}
	slices.SortFunc(b.picks, func(x, y pick) int { return cmp.Compare(x.item, y.item) })
	merged := b.picks[:0]
	for _, k := range b.picks {
		if n := len(merged); n > 0 && merged[n-1].item == k.item {
			merged[n-1].count += k.count
			continue
		}
		merged = append(merged, k)
	}
	b.picks = merged
	if !p.lot.match(b.picks) {
		return nil
	}
	if b.offer = p.cheapest(b.picks, math.Inf(1)); b.offer < 0 {
		return nil
	}
	p.empty()
	bins := []bin{b}
	p.spend(bins, 1)
	return bins
}

// shrink moves bins to the cheapest offers that hold them, within limits.
func (p *packer) shrink(bins []bin) {
	cheapest := map[*pick]int{} // the picks of bins that were bought together -> the offer they move to
	for i := range bins {
		b := bins[i : i+1]
		p.spend(b, -1)
		to, seen := cheapest[&b[0].picks[0]]
		if !seen {
			to = p.cheapest(b[0].picks, p.lot.offers[b[0].offer].cost)
			cheapest[&b[0].picks[0]] = to
		}
		if to >= 0 && p.affordable(to) {
			b[0].offer = to
		}
		p.spend(b, 1)
	}
}

// cheapest returns the cheapest offer below a cost that holds the picks, -1 if there is none.
func (p *packer) cheapest(picks []pick, below float64) int {
	l := p.lot
	load := make(vector, l.axes.len())
	for _, k := range picks {
		load.add(l.shapes[l.items[k.item].shape].size, int64(k.count))
	}
	best := -1
	for i := range l.offers {
		o := &l.offers[i]
		if o.cost >= below || !load.within(o.room) || !p.affordable(i) {
			continue
		}
		fits := !slices.ContainsFunc(picks, func(k pick) bool { return !l.items[k.item].class.fits.has(i) })
		if fits && l.welcome(picks, o.ware) {
			best, below = i, o.cost
		}
	}
	return best
}

// spend takes what n times the bins cost of the limits.
func (p *packer) spend(bins []bin, n int) {
	s := p.lot.shelf
	for _, b := range bins {
		s.budget.spend(s.stocks[p.lot.offers[b.offer].stock].capacity, n)
	}
}

// total returns what the bins count for, US dollars per hour.
func (p *packer) total(bins []bin) float64 {
	total := 0.0
	for _, b := range bins {
		total += p.lot.offers[b.offer].cost
	}
	return total
}
