package solver

import (
	"math"
	"slices"
)

const (
	// visitsPerTrial bounds the steps of improving one filling.
	visitsPerTrial = 6000
	// fewShapes is the number of shapes up to which fillings are searched for one after another; beyond it there is something
	// for every gap, and exchanging single pods finds it sooner.
	fewShapes = 24
	// mostSwaps bounds the exchanges in one filling.
	mostSwaps = 24
	// chunk is the part of a filling of one shape that is taken at once when filling evenly.
	chunk = 8
)

// filler fills one machine: a knapsack of as much value as possible. It takes the most valuable pods first, each as often as it
// fits, and then looks for better: among few shapes by depth-first search, each less often than it fits, among many by
// exchanging one pod for another that fills what is left over.
type filler struct {
	packer   *packer
	offer    int
	residual vector
	picks    []pick
	value    float64
	crowd    crowd
	visits   int
	target   float64

	best      []pick
	bestValue float64
	// scale is one over the room on each axis that is worth something, cursors are the places in order that rebalance is at.
	scale   []float64
	cursors []int
	// spent holds by shape the latest trial in which no more of it could be taken.
	spent []int
	trial int
	// axes holds by shape the axis of which it asks the largest part of the machine, asked in which trial that was found.
	axes, asked []int
	// window is how many shapes are compared with what is left at a time.
	window int
}

// fill leaves the best filling that it finds in picks, and returns its value.
func (f *filler) fill(offer int, target float64) float64 {
	o := &f.packer.lot.offers[offer]
	f.offer, f.target, f.value, f.visits = offer, target, 0, f.packer.visits()
	f.residual, f.picks = append(f.residual[:0], o.room...), f.picks[:0]
	f.crowd.welcome(&o.ware.residents)
	f.greedy(0)
	if f.value < target && !f.packer.effort.over() {
		f.rebalance(o)
	}
	if f.value < target && !f.packer.effort.over() {
		if len(f.packer.worths.order) <= fewShapes || f.packer.worths.density != nil {
			f.deepen(o)
		} else {
			f.polish()
		}
	}
	f.packer.effort.spend(f.packer.visits() - f.visits)
	return f.value
}

// greedy takes shapes from a place in their order on, each as often as it fits.
func (f *filler) greedy(place int) {
	p := f.packer
	w := &p.worths
	for place < len(w.order) {
		f.visits--
		if place%checkEvery == 0 {
			b := place / checkEvery
			if !w.tails[b].within(f.residual) {
				return
			}
			if !w.blocks[b].within(f.residual) {
				place += checkEvery
				continue
			}
		}
		f.take(w.order[place], p.counts[w.order[place]])
		place++
	}
}

// clear empties the machine.
func (f *filler) clear(o *offer) {
	f.value, f.picks = 0, f.picks[:0]
	copy(f.residual, o.room)
	f.crowd.welcome(&o.ware.residents)
}

// rebalance fills the machine again so that it runs out of everything at the same time, and keeps the better filling: of what
// there is most left of, relative to the whole machine, the next pod asks for more than of anything else.
func (f *filler) rebalance(o *offer) {
	w := &f.packer.worths
	f.best, f.bestValue = append(f.best[:0], f.picks...), f.value
	f.clear(o)
	f.trial++
	f.scale, f.cursors = f.scale[:0], f.cursors[:0]
	for a, n := range o.room {
		scale := 0.0
		if w.worth[a] > 0 && n > 0 {
			scale = 1 / float64(n)
		}
		f.scale, f.cursors = append(f.scale, scale), append(f.cursors, 0)
	}
	for {
		axis, most := -1, 0.0
		for a, scale := range f.scale {
			if free := float64(f.residual[a]) * scale; free > most && f.cursors[a] < len(w.order) {
				axis, most = a, free
			}
		}
		if axis < 0 {
			break
		}
		f.next(axis)
	}
	if f.value <= f.bestValue {
		f.restore(o)
	}
}

// restore goes back to the best filling.
func (f *filler) restore(o *offer) {
	f.clear(o)
	f.picks, f.value = append(f.picks, f.best...), f.bestValue
	for _, k := range f.picks {
		it := f.packer.lot.items[k.item]
		f.residual.sub(f.packer.lot.shapes[it.shape].size, int64(k.count))
		f.crowd.join(it, k.count)
	}
}

// next takes a pod that asks for the axis most and fits: of the most valuable few, the one whose needs are most like what is
// left. Those that are unlike it in one way are left to go with those that are unlike it in the other.
func (f *filler) next(axis int) {
	for f.cursors[axis] < len(f.packer.worths.order) {
		s := f.closest(axis)
		if s < 0 {
			f.cursors[axis] = len(f.packer.worths.order)
			return
		}
		n := f.packer.lot.shapes[s].size.times(f.residual, f.packer.counts[s])
		if f.take(s, max(1, n/chunk)) > 0 {
			return
		}
		f.spent[s] = f.trial
	}
}

// closest returns, of the next few shapes of the axis that fit, the one that is most like what is left; negative if none fits.
func (f *filler) closest(axis int) int {
	p := f.packer
	w := &p.worths
	best, most, seen, first := -1, 0.0, 0, true
	for place := f.cursors[axis]; place < len(w.order) && seen < f.window; place++ {
		f.visits--
		if place%checkEvery == 0 {
			b := place / checkEvery
			if !w.tails[b].within(f.residual) {
				break
			}
			if !w.blocks[b].within(f.residual) {
				place += checkEvery - 1
				continue
			}
		}
		s := w.order[place]
		shape := &p.lot.shapes[s]
		if p.counts[s] == 0 || f.spent[s] == f.trial || f.dominant(s) != axis || !shape.size.within(f.residual) {
			continue
		}
		if first {
			f.cursors[axis], first = place, false
		}
		seen++
		if like := f.likeness(shape.size); best < 0 || like > most {
			best, most = s, like
		}
	}
	return best
}

// likeness returns the squared cosine between a size and the residual, in parts of the machine, but for a factor that is the
// same for all sizes.
func (f *filler) likeness(size vector) float64 {
	dot, norm := 0.0, 0.0
	for a, scale := range f.scale {
		part := float64(size[a]) * scale
		dot += part * float64(f.residual[a]) * scale
		norm += part * part
	}
	return dot * dot / max(norm, math.SmallestNonzeroFloat64)
}

// dominant returns the axis of which a shape asks the largest part of the machine.
func (f *filler) dominant(s int) int {
	if f.asked[s] == f.trial {
		return f.axes[s]
	}
	axis, most := 0, -1.0
	for a, scale := range f.scale {
		if part := float64(f.packer.lot.shapes[s].size[a]) * scale; part > most {
			axis, most = a, part
		}
	}
	f.axes[s], f.asked[s] = axis, f.trial
	return axis
}

// take adds up to n units of a shape and returns how many.
func (f *filler) take(s, n int) int {
	p := f.packer
	shape := &p.lot.shapes[s]
	if n == 0 || !shape.class.fits.has(f.offer) {
		return 0
	}
	n = shape.size.times(f.residual, n)
	taken := 0
	for k := p.heads[s]; k < len(shape.items) && taken < n; k++ {
		i := shape.items[k]
		at, free := f.at(i), p.left[i]
		if at < len(f.picks) {
			free -= f.picks[at].count
		}
		if free <= 0 {
			continue
		}
		it := p.lot.items[i]
		count := min(n-taken, free)
		if !it.group.guest.plain() {
			f.visits--
			if count = f.crowd.room(it, count); count == 0 {
				continue
			}
			f.crowd.join(it, count)
		}
		if at == len(f.picks) {
			f.picks = append(f.picks, pick{item: i})
		}
		f.picks[at].count += count
		taken += count
	}
	f.residual.sub(shape.size, int64(taken))
	f.value += p.worths.values[s] * float64(taken)
	return taken
}

// at returns the place of an item in picks, their number if it is not picked.
func (f *filler) at(item int) int {
	for at := range f.picks {
		if f.picks[at].item == item {
			return at
		}
	}
	return len(f.picks)
}

// polish exchanges single units for more valuable ones that fit into the room of both.
func (f *filler) polish() {
	p := f.packer
	for range mostSwaps {
		gap := p.worths.value(f.residual)
		if f.value >= f.target || f.visits <= 0 || gap <= 0 {
			return
		}
		at, by := f.exchange(gap)
		if at < 0 {
			return
		}
		out := f.picks[at].item
		f.drop(at)
		if f.take(by, 1) == 0 {
			f.take(p.lot.items[out].shape, 1)
			return
		}
		f.greedy(p.worths.place(p.worths.value(f.residual)))
	}
}

// exchange returns the pick and the shape whose exchange gains the most; none if the pick is negative.
func (f *filler) exchange(gap float64) (at, by int) {
	p := f.packer
	w := &p.worths
	at, most := -1, gap*1e-6
	room := make(vector, len(f.residual))
	for k, old := range slices.Backward(f.picks) {
		out := p.lot.items[old.item].shape
		copy(room, f.residual)
		room.add(p.lot.shapes[out].size, 1)
		for place := w.place(w.values[out] + gap); place < len(w.order); place++ {
			s := w.order[place]
			gain := w.values[s] - w.values[out]
			if gain <= most {
				break
			}
			f.visits--
			shape := &p.lot.shapes[s]
			if p.counts[s] > 0 && shape.size.within(room) && shape.class.fits.has(f.offer) && f.spare(s) {
				at, by, most = k, s, gain
				break
			}
		}
		if f.visits <= 0 || most > gap*goodEnough {
			break
		}
	}
	return at, by
}

// spare reports whether some unit of the shape is not picked.
func (f *filler) spare(s int) bool {
	n := f.packer.counts[s]
	for _, k := range f.picks {
		if f.packer.lot.items[k.item].shape == s {
			n -= k.count
		}
	}
	return n > 0
}

// place returns the first place in the order of a shape that is worth no more.
func (w *valuation) place(value float64) int {
	place, _ := slices.BinarySearchFunc(w.order, value, func(s int, value float64) int {
		if w.values[s] > value {
			return -1
		}
		return 1
	})
	return place
}

// drop takes one unit of a pick off the machine.
func (f *filler) drop(at int) {
	p := f.packer
	it := p.lot.items[f.picks[at].item]
	f.residual.add(p.lot.shapes[it.shape].size, 1)
	f.value -= p.worths.values[it.shape]
	if f.picks[at].count--; f.picks[at].count == 0 {
		f.picks = slices.Delete(f.picks, at, at+1)
	}
	if it.group.guest.plain() {
		return
	}
	f.crowd.welcome(&p.lot.offers[f.offer].ware.residents)
	for _, k := range f.picks {
		f.crowd.join(p.lot.items[k.item], k.count)
	}
}

// deepen searches for a better filling from scratch.
func (f *filler) deepen(o *offer) {
	f.best, f.bestValue = append(f.best[:0], f.picks...), f.value
	f.clear(o)
	f.search(0)
	f.picks, f.value = append(f.picks[:0], f.best...), f.bestValue
}

func (f *filler) over() bool { return f.visits <= 0 || f.bestValue >= f.target && f.bestValue > 0 }

// search extends the picks from a place in the order of shapes on. What the free resources are worth bounds what can come.
func (f *filler) search(place int) {
	p := f.packer
	w := &p.worths
	f.visits--
	if f.value > f.bestValue {
		f.bestValue, f.best = f.value, append(f.best[:0], f.picks...)
	}
	if f.over() || place == len(w.order) || f.value+min(w.value(f.residual)*w.thickest(place), w.rest[place]) <= f.bestValue {
		return
	}
	s := w.order[place]
	for n := p.counts[s]; n > 0 && !f.over(); {
		picks, value, log := len(f.picks), f.value, len(f.crowd.log)
		if n = f.take(s, n); n == 0 {
			break
		}
		f.search(place + 1)
		f.picks, f.value = f.picks[:picks], value
		f.residual.add(p.lot.shapes[s].size, int64(n))
		f.crowd.undo(log)
		n--
	}
	if !f.over() {
		f.search(place + 1)
	}
}
