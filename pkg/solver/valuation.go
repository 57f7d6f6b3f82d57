package solver

import (
	"cmp"
	"math"
	"slices"
)

const (
	// mostTrials bounds how many kinds of offers are filled on trial between two appraisals. They are tried in order of what
	// they could be worth at best, so the ones left out seldom matter.
	mostTrials = 32
	// checkEvery is the number of shapes between two looks at whether any of those, or of all that follow, can fit at all.
	checkEvery = 16
	// pace is how many times the average price of the machines that slots call for one may cost: one that costs more would
	// take what has to fill up the others.
	pace = 1.25
)

// valuation is what resources and shapes are worth at present, US dollars per hour.
type valuation struct {
	simplex *simplex
	// scratch is where the linear program is solved.
	scratch simplex
	offers  []int // offers that some shape can use and the limits allow
	spare   []int // memory for the next list of offers
	demand  []float64
	worth   []float64 // of a unit on each axis
	values  []float64 // of a unit of each shape
	order   []int     // shapes that are left, the most valuable first
	// density is what the shapes of the order are worth by that of their resources; nil where that is 1 for all. Where it is
	// not, the densest shapes come first.
	density []float64
	// rest is the value of all that is left from a place in order on.
	rest []float64
	// blocks hold, for every checkEvery shapes in order, the least on each axis that one of them asks for; tails the least that
	// one of them or of those that follow asks for.
	blocks, tails []vector
	// dearest is the most that an offer takes of each limit.
	dearest vector
}

// appraise finds out what there is to buy and what everything is worth, given what is left; false if nothing is to be had.
func (p *packer) appraise() bool {
	w := &p.worths
	p.active = slices.DeleteFunc(p.active, func(s int) bool {
		p.listed[s] = p.counts[s] > 0
		return !p.listed[s]
	})
	slices.Sort(p.active)
	p.bought = 0
	if same := p.live(); len(w.offers) == 0 {
		return false
	} else if p.sum(); !same || w.simplex == nil || !w.simplex.holds(w.demand) {
		p.price()
	}
	p.effort.spend(len(w.offers) + len(p.active))
	p.sort()
	p.held = w.rest[0]
	p.look()
	return true
}

// live lists the offers that are of use, and reports whether those are the same as before. One that has less of something than
// every shape of a class asks for is of no use to the class: what holds no GPU says nothing about what cores beside GPUs are worth.
func (p *packer) live() bool {
	w, s := &p.worths, p.lot.shelf
	least := make([]vector, len(p.lot.classes)) // class -> the least on each axis that one of its shapes asks for
	for _, k := range p.active {
		shape := &p.lot.shapes[k]
		if c := shape.class.place; least[c] == nil {
			least[c] = shape.size.clone()
		} else {
			least[c].lower(shape.size)
		}
	}
	wanted := newBitset(len(p.lot.offers))
	for c, size := range least {
		if size == nil {
			continue
		}
		for i := range p.lot.classes[c].fits.all {
			if size.within(p.lot.offers[i].room) {
				wanted.add(i)
			}
		}
	}
	before := w.offers
	w.offers, w.spare = w.spare[:0], before
	w.dearest = slices.Repeat(vector{0}, len(s.budget.names))
	for i := range wanted.all {
		if p.affordable(i) {
			w.offers = append(w.offers, i)
			w.dearest.raise(s.stocks[p.lot.offers[i].stock].capacity)
		}
	}
	return slices.Equal(before, w.offers)
}

// sum fills in the demand.
func (p *packer) sum() {
	w := &p.worths
	w.demand = make([]float64, p.lot.axes.len())
	for _, s := range p.active {
		n := float64(p.counts[s])
		for a, q := range p.lot.shapes[s].size {
			w.demand[a] += float64(q) * n
		}
	}
}

// price sets what everything is worth.
func (p *packer) price() {
	w := &p.worths
	products := slices.Grow(w.scratch.products[:0], len(w.offers))
	cheapest := math.Inf(1)
	for _, i := range w.offers {
		products = append(products, product{p.cost(i), p.lot.offers[i].room})
		cheapest = min(cheapest, p.lot.offers[i].cost)
	}
	w.simplex = &w.scratch
	w.simplex.reset(products, w.demand)
	w.worth = w.simplex.solve()
	if pods := slices.Index(p.lot.axes.resources, p.lot.shelf.dimensions.pods()); pods >= 0 {
		w.worth[pods] += max(cheapest, leastWorth) * leastSlot
	}
	for _, s := range p.active {
		w.values[s] = w.value(p.lot.shapes[s].size)
	}
}

// value returns what a vector is worth; what there is less than nothing of counts as nothing.
func (w *valuation) value(v vector) float64 {
	total := 0.0
	for a, q := range v {
		total += w.worth[a] * float64(max(q, 0))
	}
	return total
}

// sort fills in what depends on the order of the shapes' values. Of equal ones those that fewer offers can take come first.
func (p *packer) sort() {
	w := &p.worths
	for _, s := range p.active {
		w.values[s] = w.value(p.lot.shapes[s].size)
	}
	w.order = append(w.order[:0], p.active...)
	slices.SortFunc(w.order, func(a, b int) int {
		return cmp.Or(cmp.Compare(w.values[b], w.values[a]),
			cmp.Compare(p.lot.shapes[a].class.choice, p.lot.shapes[b].class.choice), cmp.Compare(a, b))
	})
	w.density = nil
	w.tally(p)
}

// tally fills in what depends on the order.
func (w *valuation) tally(p *packer) {
	n := (len(w.order) + checkEvery - 1) / checkEvery
	w.rest = append(w.rest[:0], make([]float64, len(w.order)+1)...)
	for k := len(w.order) - 1; k >= 0; k-- {
		w.rest[k] = w.rest[k+1] + w.values[w.order[k]]*float64(p.counts[w.order[k]])
	}
	w.blocks, w.tails = make([]vector, n), make([]vector, n)
	all := make(vector, 2*n*p.lot.axes.len())
	for b := n - 1; b >= 0; b-- {
		w.blocks[b], all = all[:p.lot.axes.len()], all[p.lot.axes.len():]
		w.tails[b], all = all[:p.lot.axes.len()], all[p.lot.axes.len():]
		places := w.order[b*checkEvery : min((b+1)*checkEvery, len(w.order))]
		copy(w.blocks[b], p.lot.shapes[places[0]].size)
		for _, s := range places[1:] {
			w.blocks[b].lower(p.lot.shapes[s].size)
		}
		copy(w.tails[b], w.blocks[b])
		if b+1 < n {
			w.tails[b].lower(w.tails[b+1])
		}
	}
}

// thickest returns the density of the shapes from a place in the order on.
func (w *valuation) thickest(place int) float64 {
	if w.density == nil {
		return 1
	}
	return w.density[place]
}

// prospect is a kind of offers with what is known about filling one of them.
type prospect struct {
	offers    []int
	potential float64 // the most that filling it could be worth
	// bound is what the pods on it can be worth for its price as far as is known.
	bound float64
	// rank is the bound in thousandths at first: sizes of one family cost the same for what they hold, and of those the
	// largest, with the fewest gaps, comes first.
	rank int
	// late is 1 for what is tried only if nothing else will do.
	late int
	// stamp is that of the purchase before which it was filled last, -1 if it never was.
	stamp int
	bin   bin
	value float64
}

// look lists the prospects in order of what a dollar could be worth there, the most first.
func (p *packer) look() {
	w := &p.worths
	wanted := make([]float64, len(p.lot.classes)) // what one machine could take of each class
	for _, s := range p.active {
		shape := &p.lot.shapes[s]
		n := p.counts[s]
		if !shape.plain {
			n = 0
			for _, i := range shape.items[p.heads[s]:] {
				n += min(p.left[i], p.lot.items[i].alone)
			}
		}
		wanted[shape.class.place] += float64(n) * w.values[s]
	}
	p.list(p.takings(wanted))
	limit := p.limit()
	p.horizon = 0
	for i := range p.prospects {
		if q := &p.prospects[i]; p.cost(q.offers[0]) > limit {
			q.late = 1
		} else {
			p.horizon++
		}
	}
	p.horizon = min(p.horizon, mostTrials)
	p.arrange()
}

// limit returns what a machine may cost so that the slots that are called for are filled up by the rest.
func (p *packer) limit() float64 {
	w, machines, total := &p.worths, 1.0, 0.0
	for a, d := range w.demand {
		total += w.worth[a] * d
		if k := a - len(p.lot.axes.resources); k >= 0 && w.worth[a] > 0 {
			machines = max(machines, d/float64(p.lot.axes.slots[k].most))
		}
	}
	if machines < leastSlots {
		return math.Inf(1)
	}
	return pace * total / machines
}

// best fills the most promising offers and returns the one that is worth most for its price. What a prospect was worth at the
// last look is the most that it can be now, as there is less to fill it with; so most of them are not filled again.
func (p *packer) best() (bin, float64, bool) {
	for trials := mostTrials; ; trials-- {
		best, next := p.leaders()
		switch {
		case best >= 0 && (next < 0 || p.prospects[next].bound*goodEnough <= p.prospects[best].bound || trials <= 0 || p.effort.over()):
			return p.prospects[best].bin, p.prospects[best].value, true
		case next < 0:
			return bin{}, 0, false
		}
		p.try(&p.prospects[next])
	}
}

// leaders returns the best prospect that was filled since the latest purchase, and the most promising one that was not; -1 if
// there is none. Those beyond the horizon count only while nothing else is any good.
func (p *packer) leaders() (best, next int) {
	best, next = -1, -1
	for place := range p.prospects {
		if place >= p.horizon && (best >= 0 || next >= 0) {
			break
		}
		i := p.prospectAt(place)
		q := &p.prospects[i]
		filled := q.stamp == p.stamp
		if filled && len(q.bin.picks) > 0 && (best < 0 || q.bound > p.prospects[best].bound) {
			best = i
		}
		if !filled && (next < 0 || q.bound > p.prospects[next].bound) {
			next = i
		}
	}
	return best, next
}

// try fills the offer of a prospect.
func (p *packer) try(q *prospect) {
	q.stamp = p.stamp
	offer := p.fullest(q.offers)
	target := q.potential * goodEnough
	q.bin.offer, q.value = offer, p.filler.fill(offer, target)
	q.bin.picks = slices.Clone(p.filler.picks)
	q.bound = q.value / p.cost(offer)
}

// fullest returns the offer of a kind that has the most to be filled with.
func (p *packer) fullest(offers []int) int {
	if len(offers) == 1 {
		return offers[0]
	}
	best, most := offers[0], -1.0
	for _, i := range offers {
		total := 0.0
		for _, s := range p.worths.order {
			if shape := &p.lot.shapes[s]; p.counts[s] > 0 && shape.class.fits.has(i) {
				total += float64(p.counts[s]) * p.worths.values[s]
			}
		}
		if total > most {
			best, most = i, total
		}
	}
	return best
}
