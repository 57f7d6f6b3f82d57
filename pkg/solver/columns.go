package solver

import (
	"cmp"
	"context"
	"math"
	"slices"
)

const (
	// mostRows bounds the shapes for which machines are planned by columns: a pivot takes the square of it.
	mostRows = 128
	// fewestAlike is how many units a shape needs on average for columns to be worth it: they are bought in whole numbers.
	fewestAlike = 3
	// visitsPerColumn bounds the steps of looking for one column.
	visitsPerColumn = 3000
	// columnLeaders and columnOthers are how many offers are looked at between two pivots: those that gained most at their last look, and
	// some of the rest in turn.
	columnLeaders, columnOthers = 8, 8
	// columnGain is the least part of its cost that a column has to gain.
	columnGain = 1e-4
	// mostColumns bounds the columns in all.
	mostColumns = 2000
)

// columns plans the machines of a lot by the linear program over whole fillings of machines, which sees what the one over
// resources does not: that pods do not come in fractions, and that what one machine has does not help on another. Its columns
// are fillings. There are far too many to list, so that only those are made that gain something at the shadow prices of the
// shapes, until there are no more or the effort is over. Fillings then are bought in whole numbers, and the packer plans for
// the rest.
type columns struct {
	packer  *packer
	simplex *simplex
	rows    []int // shapes
	bins    []bin // one for each column
	known   map[string]bool
	last    []float64 // by offer: what its filling was worth for its cost at the last look
	offers  []int     // the most promising first
	turn    int
}

// columned returns a plan by columns for all that is left, given another plan for it; false if there is none or it is not
// cheaper. What either plan takes of the limits is not theirs yet, and nothing is left in the end.
func (p *packer) columned(ctx context.Context, start []int, bins []bin) ([]bin, bool) {
	p.load(start)
	if !p.appraise() || !p.alike() {
		p.empty()
		return nil, false
	}
	c := &columns{packer: p, rows: slices.Clone(p.active), known: map[string]bool{}, offers: slices.Clone(p.worths.offers)}
	demand := make([]float64, len(c.rows))
	for r, s := range c.rows {
		demand[r] = float64(p.counts[s])
	}
	c.simplex = newSimplex(nil, demand)
	for _, b := range bins {
		c.add(b)
	}
	c.last = slices.Repeat([]float64{math.Inf(1)}, len(p.lot.offers))
	c.simplex.start()
	c.generate(ctx)
	out := c.round(ctx)
	done := p.done()
	p.empty()
	p.worths.simplex = nil
	return out, done
}

// alike reports whether columns make sense for what is left.
func (p *packer) alike() bool {
	units := 0
	for _, s := range p.active {
		shape := &p.lot.shapes[s]
		if !shape.plain && len(shape.items) > 1 {
			return false
		}
		units += p.counts[s]
	}
	return len(p.active) <= mostRows && units >= fewestAlike*len(p.active)
}

// add makes a column of a filling, and reports whether there was none like it.
func (c *columns) add(b bin) bool {
	l := c.packer.lot
	bundle := make(vector, len(c.rows))
	for _, k := range b.picks {
		r, _ := slices.BinarySearch(c.rows, l.items[k.item].shape)
		bundle[r] += int64(k.count)
	}
	key := make([]byte, 0, 2*len(bundle)+4)
	for _, n := range append(bundle, int64(b.offer)) {
		key = append(key, byte(n), byte(n>>8))
	}
	if c.known[string(key)] {
		return false
	}
	c.known[string(key)] = true
	c.bins = append(c.bins, b)
	c.simplex.products = append(c.simplex.products, product{c.packer.cost(b.offer), bundle})
	return true
}

// generate adds columns for as long as some gain.
func (c *columns) generate(ctx context.Context) {
	idle := 0
	for ctx.Err() == nil && !c.packer.effort.over() && len(c.bins) < mostColumns && idle*columnOthers <= len(c.offers) {
		worth := c.simplex.resume()
		c.appraise(worth)
		if c.look() == 0 {
			idle++
			continue
		}
		idle = 0
	}
	c.simplex.resume()
}

// appraise makes the packer value shapes at their worth in the program, and fill machines with the densest first.
func (c *columns) appraise(worth []float64) {
	p := c.packer
	w := &p.worths
	w.density = w.density[:0]
	density := make([]float64, len(p.lot.shapes))
	for r, s := range c.rows {
		w.values[s] = worth[r]
		density[s] = worth[r] / max(w.value(p.lot.shapes[s].size), leastWorth)
	}
	w.order = append(w.order[:0], c.rows...)
	slices.SortFunc(w.order, func(a, b int) int {
		return cmp.Or(cmp.Compare(density[b], density[a]), cmp.Compare(w.values[b], w.values[a]), cmp.Compare(a, b))
	})
	w.tally(p)
	for _, s := range w.order {
		w.density = append(w.density, density[s])
	}
	p.effort.spend(len(c.rows) * len(c.rows))
}

// look fills the most promising offers and some others, and returns how many columns that gives.
func (c *columns) look() int {
	p := c.packer
	slices.SortStableFunc(c.offers, func(a, b int) int { return cmp.Compare(c.last[b], c.last[a]) })
	found := 0
	try := func(i int) {
		p.filler.fill(i, math.Inf(1))
		c.last[i] = p.filler.value / p.cost(i)
		if c.last[i] > 1+columnGain && c.add(bin{i, slices.Clone(p.filler.picks)}) {
			found++
		}
	}
	n := min(columnLeaders, len(c.offers))
	for _, i := range slices.Clone(c.offers[:n]) {
		try(i)
	}
	for range min(columnOthers, len(c.offers)-n) {
		c.turn++
		try(c.offers[n+c.turn%(len(c.offers)-n)])
	}
	return found
}

// round buys whole columns and packs the rest.
func (c *columns) round(ctx context.Context) []bin {
	p := c.packer
	var out []bin
	for k, column := range c.simplex.basis {
		if column < len(c.bins) && column >= 0 {
			out = c.buy(out, c.bins[column], int(c.simplex.basic[k]+1e-6))
		}
	}
	p.worths.density, p.worths.simplex, p.prospects = nil, nil, nil
	return append(out, p.pack(ctx)...)
}

// buy buys a number of copies of a column's filling, with whatever items of the same shapes are left.
func (c *columns) buy(out []bin, like bin, copies int) []bin {
	p := c.packer
	charge := p.lot.shelf.stocks[p.lot.offers[like.offer].stock].capacity
	for copies > 0 {
		b := bin{offer: like.offer}
		for _, k := range like.picks {
			b.picks = p.gather(b.picks, p.lot.items[k.item].shape, k.count)
		}
		n := copies
		for _, k := range b.picks {
			n = min(n, p.left[k.item]/k.count)
		}
		n = p.lot.shelf.budget.copies(charge, n)
		if n == 0 || len(b.picks) == 0 {
			break
		}
		p.lot.shelf.budget.spend(charge, n)
		for _, k := range b.picks {
			p.took(k.item, k.count*n)
		}
		for range n {
			out = append(out, b)
		}
		copies -= n
	}
	return out
}

// gather adds up to n units of a shape to the picks, of whatever items have some left.
func (p *packer) gather(picks []pick, s, n int) []pick {
	for _, i := range p.lot.shapes[s].items[p.heads[s]:] {
		if n == 0 {
			break
		}
		if take := min(n, p.left[i]); take > 0 {
			picks = append(picks, pick{i, take})
			n -= take
		}
	}
	return picks
}
