package solver

import "slices"

// join places pods that want company on their node where that is already, on nodes and on machines sold in earlier rounds, and
// returns the groups with what is left of those.
func (s *solution) join(a *assigner, pending []*group) []*group {
	out := make([]*group, 0, len(pending))
	for _, g := range pending {
		if len(g.wants) > 0 && g.miss.stage != missRefused {
			g = s.joinSold(a, s.joinNodes(a, g))
		}
		if g.left > 0 {
			out = append(out, g)
		}
	}
	return out
}

func (s *solution) joinNodes(a *assigner, g *group) *group {
	for i, h := range s.nodes {
		if g.left == 0 || a.tempo.stops(i) {
			break
		}
		at, n := a.berth(g, h.room(g), func(p *place) bool { return h.pinned(p.pins) })
		if n > 0 {
			var part *group
			part, g = s.seat(a, g, at, n)
			s.place(h, part, n)
		}
	}
	return g
}

// joinSold needs no word from the limits: what the machines cost of these is spent.
func (s *solution) joinSold(a *assigner, g *group) *group {
	for _, shelf := range s.shelves {
		if g.left == 0 || len(shelf.sold) == 0 || a.tempo.Err() != nil {
			continue
		}
		for i, t := range shelf.tops() {
			if a.tempo.stops(i) {
				break
			}
			if !t.welcomes(g) {
				continue
			}
			options, _ := shelf.viable(g)
			at, n := a.berth(g, t.room(g, options), func(p *place) bool {
				pinned := *g
				pinned.pins = p.pins
				there, _ := shelf.viable(&pinned)
				return t.room(&pinned, there) > 0
			})
			if n == 0 {
				continue
			}
			var part *group
			part, g = s.seat(a, g, at, n)
			options, _ = shelf.viable(part)
			t.take(part, options, map[*lot]int{})
		}
	}
	return g
}

// welcomes reports whether all the company that the group wants on its node is on the machine.
func (t *top) welcomes(g *group) bool {
	return g.left > 0 && !slices.ContainsFunc(g.wants, func(m mark) bool { return t.company.look(m).count == 0 })
}

// berth returns in which of the group's places the node is that has room for n units, and how many may go there; the place is nil
// where it does not matter.
func (a *assigner) berth(g *group, n int, is func(*place) bool) (*place, int) {
	if n == 0 || len(g.axes) == 0 {
		return nil, n
	}
	places := a.places(g)
	i := slices.IndexFunc(places, is)
	if i < 0 {
		return nil, 0
	}
	return places[i], a.most(g, places[i], n)
}

// seat splits off the next n units of the group, which have found their place, and counts them there.
func (s *solution) seat(a *assigner, g *group, at *place, n int) (seated, rest *group) {
	seated = g.part(g.placed(), g.placed()+n)
	rest = g.part(g.placed()+n, g.placed()+g.left)
	if at != nil {
		seated.place, seated.pins = at, at.pins
		a.topology.count(seated, at, n)
	}
	s.settled = append(s.settled, seated)
	return seated, rest
}
