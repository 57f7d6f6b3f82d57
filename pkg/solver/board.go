package solver

import (
	"cmp"
	"math"
	"slices"
)

// board is where prospects are listed. Its memory serves one appraisal after the other.
type board struct {
	prospects []prospect
	offers    []int
	takings   []float64 // by offer
	// order are the places of the prospects, the most promising first: those within the horizon, then, once it is complete, the
	// others. Most are never asked for.
	order    []int
	complete bool
}

// takings returns what one machine of each offer could take at most, given what it could of each class.
func (p *packer) takings(wanted []float64) []float64 {
	if p.board.takings == nil {
		p.board.takings = make([]float64, len(p.lot.offers))
	}
	out := p.board.takings
	clear(out)
	for c, worth := range wanted {
		if worth <= 0 {
			continue
		}
		for i := range p.lot.classes[c].fits.all {
			out[i] += worth
		}
	}
	return out
}

// list makes a prospect of each kind that has live offers. It does so in the memory of the ones before.
func (p *packer) list(takings []float64) {
	w, b := &p.worths, &p.board
	if b.prospects == nil {
		b.prospects = make([]prospect, 0, len(p.lot.kinds))
	}
	p.prospects, b.offers = b.prospects[:0], append(b.offers[:0], w.offers...)
	next := 0
	for _, kind := range p.lot.kinds { // as the offers are, in order
		q, from := prospect{stamp: -1}, next
		for last := kind[len(kind)-1]; next < len(b.offers) && b.offers[next] <= last; next++ {
			q.potential = max(q.potential, takings[b.offers[next]])
		}
		if next == from {
			continue
		}
		q.offers = b.offers[from:next:next]
		q.potential = min(q.potential, w.value(p.lot.offers[q.offers[0]].room))
		q.bound = q.potential / p.cost(q.offers[0])
		q.rank = int(math.Round(q.bound * 1000))
		p.prospects = append(p.prospects, q)
	}
	b.prospects, b.complete = p.prospects, false
}

// arrange finds the first prospects, in order, as many as the horizon says.
func (p *packer) arrange() {
	order := slices.Grow(p.board.order[:0], len(p.prospects))[:len(p.prospects)]
	for i := range order {
		order[i] = i
		last := min(i, p.horizon-1) // of the first ones, this one included
		if last < 0 || last < i && p.compare(i, order[last]) > 0 {
			continue
		}
		at, _ := slices.BinarySearchFunc(order[:last], i, p.compare)
		order[i] = order[last]
		copy(order[at+1:last+1], order[at:last])
		order[at] = i
	}
	p.board.order = order
}

// prospectAt returns the place of a prospect in order.
func (p *packer) prospectAt(i int) int {
	if b := &p.board; i >= p.horizon && !b.complete {
		slices.SortFunc(b.order[p.horizon:], p.compare)
		b.complete = true
	}
	return p.board.order[i]
}

// compare orders prospects by their places: those that are tried at all costs come last, then by rank, then by what they could be
// worth.
func (p *packer) compare(i, k int) int {
	a, b := &p.prospects[i], &p.prospects[k]
	switch {
	case a.late != b.late:
		return a.late - b.late
	case a.rank != b.rank:
		return cmp.Compare(b.rank, a.rank)
	case a.potential != b.potential:
		return cmp.Compare(b.potential, a.potential)
	}
	return a.offers[0] - b.offers[0]
}
