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
	// visitsPerColumn bounds the steps of looking for one column.
	visitsPerColumn = 3000
	// columnLeaders and columnOthers are how many offers are looked at between two pivots: those that gained most at their last look, and
	// some of the rest in turn.
	columnLeaders, columnOthers = 8, 8
	// divingLooks is how many offers are looked at in vain, after some columns are bought, before more are.
	divingLooks = 16
	// mostDiving bounds the steps of diving: what is left then is the small part of a large plan, or all of a small one.
	mostDiving = 500_000
	// columnGain is the least part of its cost that a column has to gain.
	columnGain = 1e-4
	// stepsPerProduct is how many multiplications of the program count as a step.
	stepsPerProduct = 8
	// Columns are made until stall looks together gain less than stallGain of the cost.
	stall, stallGain = 12, 2e-4
	// mostColumns bounds the columns in all.
	mostColumns = 2000
)

// fillings plans the machines of a lot by the linear program over whole fillings of machines, which sees what the one over
// resources does not: that pods do not come in fractions, and that what one machine has does not help on another. Its columns
// are fillings. There are far too many to list, so that only those are made that gain something at the shadow prices of the
// shapes, until there are no more or the effort is over. Fillings then are bought in whole numbers, and the packer plans for
// the rest.
type fillings struct {
	packer  *packer
	simplex *simplex
	rows    []int // shapes
	bins    []bin // one for each column
	known   map[string]bool
	last    []float64 // by offer: what its filling was worth for its cost at the last look
	offers  []int     // the most promising first
	turn    int
}

// columned returns a plan by columns for all that is left, given another plan for it; false if there is none. What either plan
// takes of the limits is not theirs yet, and nothing is left in the end.
func (p *packer) columned(ctx context.Context, start []int, bins []bin) ([]bin, bool) {
	p.load(start)
	defer p.empty()
	if !p.appraise() {
		return nil, false
	}
	c := &fillings{packer: p, offers: slices.Clone(p.worths.offers)}
	c.last = slices.Repeat([]float64{math.Inf(1)}, len(p.lot.offers))
	c.begin(bins)
	c.generate(ctx, len(c.offers))
	out := c.whole(nil)
	rest := slices.Clone(p.left)
	quick := p.finish(ctx)
	if p.done() {
		p.spend(quick, -1)
		p.load(rest)
		if slow := c.dive(ctx); !p.done() || p.total(slow) >= p.total(quick) {
			p.spend(slow, -1)
			p.spend(quick, 1)
			p.empty()
		} else {
			quick = slow
		}
	}
	return append(out, quick...), p.done()
}

// finish packs the rest without columns.
func (p *packer) finish(ctx context.Context) []bin {
	p.worths.density, p.worths.simplex, p.prospects = nil, nil, nil
	return p.pack(ctx)
}

// dive plans for what is left by columns that are made for it, and buys the whole ones, or else one of which most is bought, again
// and again.
func (c *fillings) dive(ctx context.Context) []bin {
	p := c.packer
	whole := p.effort
	p.effort = whole.most(mostDiving)
	given := p.effort.steps
	defer func() {
		whole.spend(given - p.effort.steps)
		p.effort = whole
	}()
	var out []bin
	for !p.done() && ctx.Err() == nil && !p.effort.over() {
		c.begin(c.bins)
		c.generate(ctx, divingLooks)
		more := c.whole(out)
		if len(more) == len(out) && len(c.bins) > 0 {
			more = c.buy(out, c.bins[c.largest()], 1)
		}
		if len(more) == len(out) {
			break
		}
		out = more
	}
	return append(out, p.finish(ctx)...)
}

// begin sets up the program for what is left, with those of the fillings that are not too much for it as first columns.
func (c *fillings) begin(bins []bin) {
	p := c.packer
	c.rows = slices.DeleteFunc(slices.Clone(p.active), func(s int) bool { return p.counts[s] == 0 })
	demand := make([]float64, len(c.rows))
	for r, s := range c.rows {
		demand[r] = float64(p.counts[s])
	}
	c.simplex, c.bins, c.known = newSimplex(nil, demand), nil, map[string]bool{}
	for _, b := range bins {
		c.add(b)
	}
	c.simplex.start()
}

// interchangeable reports whether fillings make sense for so many of each item: whether they are of few shapes, and it does not
// matter which items of a shape are taken.
func (p *packer) interchangeable(left []int) bool {
	shapes := newBitset(len(p.lot.shapes))
	for i, n := range left {
		if n > 0 {
			shapes.add(p.lot.items[i].shape)
		}
	}
	for s := range shapes.all {
		if shape := &p.lot.shapes[s]; !shape.plain && len(shape.items) > 1 {
			return false
		}
	}
	return shapes.count() <= mostRows
}

// add makes a column of a filling, and reports whether it is one: whether there was none like it and there is enough left.
func (c *fillings) add(b bin) bool {
	l := c.packer.lot
	holds := make(vector, len(c.rows))
	for _, k := range b.picks {
		r, ok := slices.BinarySearch(c.rows, l.items[k.item].shape)
		if !ok {
			return false
		}
		holds[r] += int64(k.count)
	}
	key := make([]byte, 0, 4*len(holds)+4)
	for r, n := range holds {
		if n > int64(c.packer.counts[c.rows[r]]) {
			return false
		}
		if n > 0 {
			key = append(key, byte(r), byte(r>>8), byte(n), byte(n>>8))
		}
	}
	key = append(key, byte(b.offer), byte(b.offer>>8), byte(b.offer>>16))
	if c.known[string(key)] {
		return false
	}
	c.known[string(key)] = true
	c.bins = append(c.bins, b)
	c.simplex.products = append(c.simplex.products, product{c.packer.cost(b.offer), holds})
	return true
}

// generate adds columns for as long as some gain, or until so many looks in a row found none.
func (c *fillings) generate(ctx context.Context, looks int) {
	before := math.Inf(1)
	for idle, turn := 0, 1; ctx.Err() == nil && !c.packer.effort.over() && len(c.bins) < mostColumns && idle*columnOthers <= looks; turn++ {
		c.appraise(c.resume())
		if turn%stall == 0 {
			cost := c.simplex.total()
			if cost > before*(1-stallGain) {
				break
			}
			before = cost
		}
		if c.look() == 0 {
			idle++
			continue
		}
		idle = 0
	}
	c.resume()
}

// resume solves the program over the columns that there are.
func (c *fillings) resume() []float64 {
	before := c.simplex.pivots
	worth := c.simplex.resume()
	c.packer.effort.spend((c.simplex.pivots - before + 1) * (len(c.rows)*len(c.rows) + len(c.simplex.entries)) / stepsPerProduct)
	return worth
}

// appraise makes the packer value shapes at their worth in the program, and fill machines with the densest first.
func (c *fillings) appraise(worth []float64) {
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
}

// look fills the most promising offers and some others, and returns how many columns that gives.
func (c *fillings) look() int {
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

// whole buys the whole part of each column's amount.
func (c *fillings) whole(out []bin) []bin {
	for k, column := range c.simplex.basis {
		if column >= 0 {
			out = c.buy(out, c.bins[column], int(c.simplex.basic[k]+1e-6))
		}
	}
	return out
}

// largest returns the column that is bought most of.
func (c *fillings) largest() int {
	best, most := 0, 0.0
	for k, column := range c.simplex.basis {
		if column >= 0 && c.simplex.basic[k] > most {
			best, most = column, c.simplex.basic[k]
		}
	}
	return best
}

// buy buys a number of copies of a column's filling, with whatever items of the same shapes are left.
func (c *fillings) buy(out []bin, like bin, copies int) []bin {
	p := c.packer
	charge := p.lot.shelf.stocks[p.lot.offers[like.offer].stock].capacity
	for copies > 0 {
		b := bin{offer: like.offer}
		for _, k := range p.lot.byShape(like.picks) {
			b.picks = p.gather(b.picks, k.shape, k.count)
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

// portion is a number of units of a shape.
type portion struct{ shape, count int }

// byShape returns how many units of each shape the picks hold. A shape comes once, for what is left of its items is told from none
// of the picks.
func (l *lot) byShape(picks []pick) []portion {
	var out []portion
	for _, k := range picks {
		s := l.items[k.item].shape
		at := slices.IndexFunc(out, func(q portion) bool { return q.shape == s })
		if at < 0 {
			at, out = len(out), append(out, portion{shape: s})
		}
		out[at].count += k.count
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
