package solver

import (
	"cmp"
	"context"
	"math"
	"slices"
)

const (
	// mostRounds bounds how often the worst machines of a lot are planned anew. It is a count, not a time, so that the same
	// problem gives the same plan.
	mostRounds = 40
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
	for round := 0; round < mostRounds && ctx.Err() == nil; round++ {
		p.worstFirst(bins)
		better := false
		for _, size := range poolSizes() {
			if size > len(bins) {
				break
			}
			if again, ok := p.again(ctx, bins[:size]); ok {
				bins, better = append(again, bins[size:]...), true
				break
			}
		}
		if !better {
			break
		}
	}
	return bins
}

// appraiseAll sets what resources and pods are worth in the bins as a whole.
func (p *packer) appraiseAll(bins []bin) {
	left := slices.Clone(p.left)
	clear(p.left)
	for _, b := range bins {
		for _, k := range b.picks {
			p.left[k.item] += k.count
		}
	}
	if offers := p.live(); len(offers) > 0 {
		p.appraise(offers)
	}
	copy(p.left, left)
}

// worstFirst orders bins by what their pods are worth for their price.
func (p *packer) worstFirst(bins []bin) {
	ratio := func(b bin) float64 {
		value := 0.0
		for _, k := range b.picks {
			value += p.values[k.item] * float64(k.count)
		}
		return value / p.cost(b.offer)
	}
	slices.SortStableFunc(bins, func(a, b bin) int { return cmp.Compare(ratio(a), ratio(b)) })
}

// again plans the pods of some bins anew; false, and nothing changed, if that is neither cheaper nor as cheap on fewer machines.
func (p *packer) again(ctx context.Context, old []bin) ([]bin, bool) {
	fresh := newPacker(p.lot)
	for _, b := range old {
		for _, k := range b.picks {
			fresh.left[k.item] += k.count
		}
	}
	pool := slices.Clone(fresh.left)
	p.spend(old, -1)
	var best []bin
	bestPrice, fewest := p.price(old), len(old)
	for _, plan := range []func() []bin{
		func() []bin { return fresh.pack(ctx) },
		func() []bin { return fresh.single(pool) },
	} {
		copy(fresh.left, pool)
		bins := plan()
		fresh.shrink(bins)
		price, complete := p.price(bins), !slices.ContainsFunc(fresh.left, func(n int) bool { return n > 0 })
		cheaper := price < bestPrice*(1-leastGain) || price <= bestPrice && len(bins) < fewest
		if complete && cheaper {
			best, bestPrice, fewest = bins, price, len(bins)
		}
		p.spend(bins, -1)
	}
	if best == nil {
		p.spend(old, 1)
		return nil, false
	}
	p.spend(best, 1)
	return best, true
}

// single plans one machine for everything that is left, on the cheapest offer that holds it; none if there is no such offer.
func (p *packer) single(left []int) []bin {
	var b bin
	for i, n := range left {
		if n > 0 {
			b.picks = append(b.picks, pick{i, n})
		}
	}
	if b.offer = p.cheapest(b.picks, math.Inf(1)); b.offer < 0 {
		return nil
	}
	clear(p.left)
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
			to = p.cheapest(b[0].picks, p.lot.offers[b[0].offer].price)
			cheapest[&b[0].picks[0]] = to
		}
		if to >= 0 && p.affordable(to) {
			b[0].offer = to
		}
		p.spend(b, 1)
	}
}

// cheapest returns the cheapest offer below a price that holds the picks, -1 if there is none.
func (p *packer) cheapest(picks []pick, below float64) int {
	l := p.lot
	load := make(vector, len(l.shelf.dimensions.names))
	for _, k := range picks {
		load.add(l.items[k.item].group.requests, int64(k.count))
	}
	best := -1
	for i := range l.offers {
		o := &l.offers[i]
		if o.price >= below || !load.within(o.ware.usable) || !p.affordable(i) {
			continue
		}
		fits := !slices.ContainsFunc(picks, func(k pick) bool { return !l.items[k.item].class.fits.has(i) })
		if fits && l.welcome(picks, o.ware) {
			best, below = i, o.price
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

func (p *packer) price(bins []bin) float64 {
	total := 0.0
	for _, b := range bins {
		total += p.lot.offers[b.offer].price
	}
	return total
}
