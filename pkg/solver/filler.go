package solver

import "slices"

// A trial looks at visitsPerTrial places plus visitsPerItem for each item before it settles for the best filling seen.
const (
	visitsPerTrial = 3000
	visitsPerItem  = 4
	// checkEvery is the number of items between two looks at whether any of the smaller ones can fit at all.
	checkEvery = 16
)

// filler fills one machine: a knapsack of as much value as possible, found by depth-first search from the most valuable pod
// down, each as often as it fits, then less often. What the free resources are worth bounds what can still come.
type filler struct {
	packer    *packer
	offer     int
	target    float64 // value that is good enough
	residual  vector
	picks     []pick
	best      []pick
	bestValue float64
	company   company // who is there by now
	visits    int
}

// fill returns the best filling it finds and its value.
func (f *filler) fill(p *packer, q prospect) ([]pick, float64) {
	o := &p.lot.offers[q.offer]
	*f = filler{
		packer: p, offer: q.offer, target: q.potential * goodEnough, residual: append(f.residual[:0], o.ware.usable...),
		picks: f.picks[:0], best: f.best[:0], visits: visitsPerTrial + visitsPerItem*len(p.order),
	}
	f.company = o.ware.residents.clone()
	f.search(0, 0)
	return slices.Clone(f.best), f.bestValue
}

func (f *filler) done() bool { return f.visits <= 0 || f.bestValue >= f.target && f.bestValue > 0 }

// search extends the picks from a place in the order of items on.
func (f *filler) search(place int, value float64) {
	p := f.packer
	f.visits--
	if value > f.bestValue {
		f.bestValue, f.best = value, append(f.best[:0], f.picks...)
	}
	if f.done() || value+min(p.value(f.residual), p.suffix[place]) <= f.bestValue {
		return
	}
	item, count := f.next(&place)
	if count == 0 {
		return
	}
	g := p.lot.items[item].group
	for n := count; n >= 0 && !f.done(); n-- {
		if n == 0 {
			f.search(place+1, value)
			return
		}
		before := f.company.join(g.guest, n)
		f.picks = append(f.picks, pick{item, n})
		f.residual.sub(g.requests, int64(n))
		f.search(place+1, value+p.values[item]*float64(n))
		f.residual.add(g.requests, int64(n))
		f.picks = f.picks[:len(f.picks)-1]
		f.company.part(g.guest, before, n)
	}
}

// next moves place on to the next item of which some fit, and returns how many.
func (f *filler) next(place *int) (item, count int) {
	p := f.packer
	for ; *place < len(p.order); *place++ {
		if f.visits--; *place%checkEvery == 0 && !p.least[*place/checkEvery].within(f.residual) {
			return 0, 0
		}
		i := p.order[*place]
		it := p.lot.items[i]
		if !it.class.fits.has(f.offer) {
			continue
		}
		count = it.group.requests.times(f.residual, min(p.left[i], it.alone))
		if count = f.company.room(it.group.guest, count); count > 0 {
			return i, count
		}
	}
	return 0, 0
}
