package solver

import (
	"cmp"
	"context"
	"math"
	"slices"
)

const (
	// mostTrials bounds how many offers are filled on trial for one purchase. They are tried in order of what they could be
	// worth at best, so the ones left out seldom matter.
	mostTrials = 32
	// Where there are many items a trial costs more and, as there is something for every gap, tells less: there are no more
	// than visitsPerPurchase items looked at per purchase, in at least leastTrials trials.
	visitsPerPurchase = 16000
	leastTrials       = 4
	// goodEnough is the part of what an offer could be worth at which no better filling is looked for.
	goodEnough = 0.998
	// leastWorth is added to the worth of a pod slot, as part of the cheapest price, so that pods that cost nothing still count.
	leastWorth = 1e-7
)

// bin is a machine being planned: an offer of the lot and who goes there.
type bin struct {
	offer int
	picks []pick
}

// pick is a number of pods of one item.
type pick struct{ item, count int }

// packer buys machines for the items of a lot, one kind after another: at the shadow prices of the resources that are still in
// demand it fills offers on trial, and takes the one whose pods are worth most for its price.
type packer struct {
	lot  *lot
	left []int // of each item
	// worth of a unit of each resource, and of a pod of each item, US dollars per hour.
	worth  []float64
	values []float64
	order  []int // items that are left, the most valuable pod first
	// suffix is the value of all that is left from a place in order on.
	suffix []float64
	// least holds, for every checkEvery-th place, the least of each resource that an item from there on asks for.
	least  []vector
	thrift thrift
	filler filler
}

func newPacker(l *lot) *packer {
	return &packer{
		lot: l, left: make([]int, len(l.items)), values: make([]float64, len(l.items)), suffix: make([]float64, len(l.items)+1),
	}
}

// pack buys for what is left until nothing is left, limits stop it or the time is over. It spends the shelf's budget.
func (p *packer) pack(ctx context.Context) []bin {
	var bins []bin
	for ctx.Err() == nil && slices.ContainsFunc(p.left, func(n int) bool { return n > 0 }) {
		offers := p.live()
		if len(offers) == 0 {
			break
		}
		p.appraise(offers)
		best, ok := p.best(offers)
		if !ok {
			break
		}
		stock := p.lot.shelf.stocks[p.lot.offers[best.offer].stock]
		copies := p.lot.shelf.budget.copies(stock.capacity, p.repeats(best.picks))
		p.lot.shelf.budget.spend(stock.capacity, copies)
		for _, k := range best.picks {
			p.left[k.item] -= k.count * copies
		}
		for range copies {
			bins = append(bins, best)
		}
	}
	return bins
}

// repeats returns how often the same purchase is made before looking again. While several items are left that is half of what
// is possible: what the rest is worth changes on the way.
func (p *packer) repeats(picks []pick) int {
	most := math.MaxInt
	for _, k := range picks {
		most = min(most, p.left[k.item]/k.count)
	}
	items := 0
	for _, n := range p.left {
		if n > 0 {
			items++
		}
	}
	if items > 1 {
		return (most + 1) / 2
	}
	return most
}

// live returns the offers that some item can use and the limits allow.
func (p *packer) live() []int {
	wanted := newBitset(len(p.lot.offers))
	seen := map[*class]bool{}
	for i, n := range p.left {
		if c := p.lot.items[i].class; n > 0 && !seen[c] {
			seen[c] = true
			wanted.or(c.fits)
		}
	}
	var out []int
	for i := range wanted.all {
		if p.affordable(i) {
			out = append(out, i)
		}
	}
	return out
}

func (p *packer) affordable(i int) bool {
	s := p.lot.shelf
	return s.budget.copies(s.stocks[p.lot.offers[i].stock].capacity, 1) == 1
}

// appraise sets what resources and pods are worth, given what is left.
func (p *packer) appraise(offers []int) {
	d := p.lot.shelf.dimensions
	demand := make([]float64, len(d.names))
	for i, n := range p.left {
		for r, q := range p.lot.items[i].group.requests {
			demand[r] += float64(q) * float64(n)
		}
	}
	products := make([]product, 0, len(offers))
	cheapest := math.Inf(1)
	for _, i := range offers {
		o := &p.lot.offers[i]
		products = append(products, product{p.cost(i), o.ware.usable})
		cheapest = min(cheapest, o.price)
	}
	p.worth = duals(products, demand)
	p.worth[d.pods()] += max(cheapest, leastWorth) * leastWorth
	for i, it := range p.lot.items {
		p.values[i] = p.value(it.group.requests)
	}
	p.sort()
}

// sort fills in what depends on the order of the pods' values.
func (p *packer) sort() {
	p.order = p.order[:0]
	for i, n := range p.left {
		if n > 0 {
			p.order = append(p.order, i)
		}
	}
	slices.SortFunc(p.order, func(a, b int) int { return cmp.Or(cmp.Compare(p.values[b], p.values[a]), cmp.Compare(a, b)) })
	p.least = p.least[:0]
	for range (len(p.order) + checkEvery - 1) / checkEvery {
		p.least = append(p.least, nil)
	}
	least := slices.Repeat(vector{absurd}, len(p.lot.shelf.dimensions.names))
	p.suffix[len(p.order)] = 0
	for k := len(p.order) - 1; k >= 0; k-- {
		i := p.order[k]
		p.suffix[k] = p.suffix[k+1] + p.values[i]*float64(p.left[i])
		least.lower(p.lot.items[i].group.requests)
		if k%checkEvery == 0 {
			p.least[k/checkEvery] = least.clone()
		}
	}
}

// value returns what a vector is worth; what there is less than nothing of counts as nothing.
func (p *packer) value(v vector) float64 {
	total := 0.0
	for r, q := range v {
		total += p.worth[r] * float64(max(q, 0))
	}
	return total
}

// prospect is an offer with the most that filling it could be worth.
type prospect struct {
	offer     int
	potential float64
	ratio     float64 // potential per price
	// rank is the ratio in thousandths: sizes of one family cost the same for what they hold, and of those the largest, with
	// the fewest gaps, comes first.
	rank int
}

// prospects returns the offers in order of what a dollar could be worth there, the most first.
func (p *packer) prospects(offers []int) []prospect {
	wanted := map[*class]float64{} // what is left of each class
	for i, n := range p.left {
		it := p.lot.items[i]
		wanted[it.class] += float64(min(n, it.alone)) * p.values[i]
	}
	active := slices.DeleteFunc(slices.Clone(p.lot.classes), func(c *class) bool { return wanted[c] == 0 })
	out := make([]prospect, 0, len(offers))
	for _, i := range offers {
		o := &p.lot.offers[i]
		most := 0.0
		for _, c := range active { // not over the map: the order of a sum shows in its last digits
			if c.fits.has(i) {
				most += wanted[c]
			}
		}
		q := prospect{offer: i, potential: min(most, p.value(o.ware.usable))}
		q.ratio = q.potential / p.cost(i)
		q.rank = int(math.Round(q.ratio * 1000))
		out = append(out, q)
	}
	slices.SortFunc(out, func(a, b prospect) int {
		return cmp.Or(cmp.Compare(b.rank, a.rank), cmp.Compare(b.potential, a.potential), cmp.Compare(a.offer, b.offer))
	})
	return out
}

// cost returns what an offer counts for, and next to nothing if it is free, so that ratios stay finite.
func (p *packer) cost(i int) float64 {
	o := &p.lot.offers[i]
	return max(o.price, leastWorth) + p.thrift.cost(p.lot.shelf.stocks[o.stock].capacity)
}

// best fills the most promising offers and returns the one that is worth most for its price.
func (p *packer) best(offers []int) (bin, bool) {
	var best bin
	bestRatio, trials := 0.0, min(mostTrials, max(leastTrials, visitsPerPurchase/(len(p.order)+1)))
	for _, q := range p.prospects(offers) {
		if q.ratio*goodEnough <= bestRatio || trials <= 0 && len(best.picks) > 0 {
			break
		}
		picks, value := p.filler.fill(p, q)
		if len(picks) == 0 {
			continue
		}
		trials--
		if ratio := value / p.cost(q.offer); ratio > bestRatio {
			best, bestRatio = bin{q.offer, picks}, ratio
		}
	}
	return best, len(best.picks) > 0
}
