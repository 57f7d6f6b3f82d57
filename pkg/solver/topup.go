package solver

import "slices"

// topUp puts groups that came too late for it onto machines that the shelf has sold already: what these have left is free.
func (s *solution) topUp(shelf *shelf) {
	if len(shelf.sold) == 0 {
		return
	}
	var tops []*top
	for _, g := range s.groups {
		if s.effort.tempo.Err() != nil {
			return
		}
		if g.left == 0 || g.miss.stage == missRefused {
			continue
		}
		options := shelf.acceptable(g)
		if len(options) == 0 {
			continue
		}
		if tops == nil {
			tops = shelf.tops()
		}
		joined := map[*lot]int{} // lot -> the group's item there
		for _, t := range tops {
			if g.left == 0 {
				break
			}
			t.take(g, options, joined)
		}
	}
}

// acceptable returns the options that a group may have on a machine that is sold already: the viable ones first, then those that
// nothing would be bought for if it could be helped; none if nothing is viable.
func (s *shelf) acceptable(g *group) []option {
	options, _ := s.viable(g)
	if len(options) == 0 || !s.relaxed && s.catalogue.ordinary.count() == len(s.stocks) {
		return options
	}
	out := slices.Clone(options)
	for _, o := range s.choose(g.filter, g.pins).options {
		out = append(out, o)
		if s.relaxed {
			out = append(out, o.relax())
		}
	}
	return out
}

// top is what a machine that is sold has left.
type top struct {
	purchase *purchase
	free     vector
	company  company
}

func (s *shelf) tops() []*top {
	out := make([]*top, 0, len(s.sold))
	for i := range s.sold {
		out = append(out, newTop(&s.sold[i]))
	}
	return out
}

func newTop(p *purchase) *top {
	w := p.lot.offers[p.bin.offer].ware
	t := &top{purchase: p, free: w.usable.clone(), company: w.residents.clone()}
	for _, k := range p.bin.picks {
		g := p.lot.items[k.item].group
		t.free.sub(g.requests, int64(k.count))
		t.company.join(g.guest, k.count)
	}
	return t
}

// room returns how many units of the group the machine has room for, whichever instance type of its kit it becomes.
func (t *top) room(g *group, options []option) int {
	n := t.company.room(g.guest, g.requests.times(t.free, g.left))
	if n == 0 || !t.suits(options) {
		return 0
	}
	return n
}

// suits reports whether the machine is what one of the options asks for.
func (t *top) suits(options []option) bool {
	o := &t.purchase.lot.offers[t.purchase.bin.offer]
	return slices.ContainsFunc(options, func(p option) bool { return p.agrees(t.purchase.lot) && o.suits(&p) })
}

// take puts as many units of the group on the machine as it has room for.
func (t *top) take(g *group, options []option, joined map[*lot]int) {
	if n := t.room(g, options); n > 0 {
		t.put(g, options, joined, n)
	}
}

// put puts n units of the group on the machine.
func (t *top) put(g *group, options []option, joined map[*lot]int, n int) {
	l := t.purchase.lot
	i, ok := joined[l]
	if !ok {
		i = len(l.items)
		joined[l] = i
		own := slices.DeleteFunc(slices.Clone(options), func(p option) bool { return !p.agrees(l) })
		l.items = append(l.items, &item{group: g, class: &class{options: own}})
	}
	// Purchases of one kind share their picks and may be topped up differently.
	p := t.purchase
	p.bin.picks = append(slices.Clip(p.bin.picks), pick{i, n})
	p.pods = append(slices.Clip(p.pods), g.take(n)...)
	t.free.sub(g.requests, int64(n))
	t.company.join(g.guest, n)
}
