package solver

import (
	"context"
	"math"
	"slices"
)

const (
	// goodEnough is the part of what an offer could be worth at which no better filling is looked for.
	goodEnough = 0.998
	// leastWorth is what an offer counts for at least, US dollars per hour: free ones, too, are bought for a reason.
	leastWorth = 1e-7
	// leastSlot is added to the worth of a thousandth of a pod, as part of the cheapest price, so that pods that cost nothing
	// still count. It must not make many small pods worth more than a large one that asks for as much.
	leastSlot = 1e-12
	// freshness is the part of what is left that may be bought before everything is appraised anew.
	freshness = 1.0 / 32
)

// bin is a machine being planned: an offer of the lot and who goes there.
type bin struct {
	offer int
	picks []pick
}

// pick is a number of units of one item.
type pick struct{ item, count int }

// packer buys machines for the items of a lot, one kind after another: at the shadow prices of the resources that are still in
// demand it fills offers on trial, and takes the one whose pods are worth most for its price.
type packer struct {
	lot    *lot
	left   []int  // units of each item
	counts []int  // units of each shape
	active []int  // shapes that had units left when they were last looked at
	listed []bool // shape -> whether it is active
	// heads count the first items of each shape that have none left.
	heads  []int
	worths valuation
	thrift thrift
	filler filler
	effort *effort
	// bought is the worth of what was bought since the last appraisal, held that of what was left then.
	bought, held float64
	prospects    []prospect
	board        board
	// horizon is the number of the first prospects that are tried before any of the others.
	horizon int
	stamp   int // of the latest purchase
}

func newPacker(l *lot, e *effort) *packer {
	p := &packer{
		lot: l, effort: e, left: make([]int, len(l.items)), counts: make([]int, len(l.shapes)), heads: make([]int, len(l.shapes)),
		listed: make([]bool, len(l.shapes)),
	}
	p.worths.values = make([]float64, len(l.shapes))
	p.filler = filler{
		packer: p, crowd: newCrowd(l.marks), window: windows()[0],
		spent: make([]int, len(l.shapes)), axes: make([]int, len(l.shapes)), asked: make([]int, len(l.shapes)),
	}
	return p
}

// load sets what there is to pack.
func (p *packer) load(left []int) {
	p.empty()
	for i, n := range left {
		p.want(i, n)
	}
}

// empty forgets what is left.
func (p *packer) empty() {
	for _, s := range p.active {
		for _, i := range p.lot.shapes[s].items {
			p.left[i] = 0
		}
		p.counts[s], p.heads[s], p.listed[s] = 0, 0, false
	}
	p.active, p.prospects = p.active[:0], nil
}

// want adds n units of an item to what is left.
func (p *packer) want(item, n int) {
	if n == 0 {
		return
	}
	s := p.lot.items[item].shape
	if !p.listed[s] {
		p.active, p.listed[s] = append(p.active, s), true
	}
	p.left[item] += n
	p.counts[s] += n
	p.heads[s], p.prospects = 0, nil
}

// took takes n units of an item from what is left.
func (p *packer) took(item, n int) {
	s := p.lot.items[item].shape
	p.left[item] -= n
	p.counts[s] -= n
	items := p.lot.shapes[s].items
	for p.heads[s] < len(items) && p.left[items[p.heads[s]]] == 0 {
		p.heads[s]++
	}
}

func (p *packer) done() bool {
	return !slices.ContainsFunc(p.active, func(s int) bool { return p.counts[s] > 0 })
}

// pack buys for what is left until nothing is left, limits stop it or the time is over. It spends the shelf's budget.
func (p *packer) pack(ctx context.Context) []bin {
	var bins []bin
	for !p.done() && ctx.Err() == nil {
		if p.stale() && !p.appraise() {
			break
		}
		best, value, ok := p.best()
		if !ok {
			if p.bought == 0 {
				break
			}
			p.prospects = nil
			continue
		}
		copies := p.purchase(best, value)
		for range copies {
			bins = append(bins, best)
		}
	}
	return bins
}

// purchase takes as many copies of the bin as make sense from what is left and from the limits.
func (p *packer) purchase(b bin, value float64) int {
	s := p.lot.shelf
	charge := s.stocks[p.lot.offers[b.offer].stock].capacity
	copies := s.budget.copies(charge, p.repeats(b.picks))
	s.budget.spend(charge, copies)
	for _, k := range b.picks {
		p.took(k.item, k.count*copies)
	}
	p.bought += value * float64(copies)
	p.stamp++
	return copies
}

// repeats returns how often the same purchase is made before looking again. While several shapes are left that is half of what
// is possible: what the rest is worth changes on the way.
func (p *packer) repeats(picks []pick) int {
	most := math.MaxInt
	for _, k := range picks {
		most = min(most, p.left[k.item]/k.count)
	}
	shapes := 0
	for _, s := range p.active {
		if p.counts[s] > 0 {
			shapes++
		}
	}
	if shapes > 1 {
		return (most + 1) / 2
	}
	return most
}

// stale reports whether too much has changed since the last appraisal.
func (p *packer) stale() bool {
	return p.prospects == nil || p.bought > p.held*freshness || p.lot.shelf.budget.binds(p.worths.dearest)
}

func (p *packer) affordable(i int) bool {
	s := p.lot.shelf
	return s.budget.copies(s.stocks[p.lot.offers[i].stock].capacity, 1) == 1
}

// cost returns what an offer counts for, and next to nothing if it is free, so that ratios stay finite.
func (p *packer) cost(i int) float64 {
	o := &p.lot.offers[i]
	return max(o.cost, leastWorth) + p.thrift.cost(p.lot.shelf.stocks[o.stock].capacity)
}

// visits returns how many steps a trial may take.
func (p *packer) visits() int {
	if p.worths.density != nil {
		return visitsPerColumn
	}
	return visitsPerTrial
}
