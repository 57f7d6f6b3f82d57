package solver

import (
	"context"
	"slices"
)

// mostPasses of planning: one does for nearly all problems, the others are for pods that have to give something up. After the
// last but one, pods give up all that is left.
const mostPasses = 64

// rounds plans until all pods are placed or another round would change nothing. In a round, groups get their place, then nodes
// are filled and machines bought; what is left gives up a preference or tries elsewhere.
func (s *solution) rounds(ctx context.Context) {
	pending := s.groups
	for round := 0; len(pending) > 0; round++ {
		stuck := s.assign(pending, round > 0)
		s.placeAndBuy(ctx)
		var left []*group
		placed := false
		for _, g := range s.groups {
			if g.left > 0 {
				left = append(left, g)
			}
			placed = placed || g.placed() > 0
		}
		s.settled = append(s.settled, s.groups...)
		s.groups = nil
		pending = s.next(left, stuck, placed && ctx.Err() == nil)
		if ctx.Err() != nil || round == mostPasses {
			s.lost = append(s.lost, pending...)
			return
		}
	}
}

// assign gives the groups their place and returns those that have none.
func (s *solution) assign(pending []*group, late bool) []*group {
	t := &s.rulebook.topology
	if len(t.counters) == 0 {
		s.groups = pending
		return nil
	}
	t.clear()
	t.countNodes(s.nodes)
	s.noteMachines(late)
	for _, g := range s.settled {
		if n := g.placed(); n > 0 && g.place != nil {
			t.count(g, g.place, n)
		}
	}
	a := &assigner{atlas: s.atlas, byName: s.byName, late: late, relax: s.grouper.relax}
	a.assign(pending)
	sortGroups(a.active, s.dimensions)
	s.groups = a.active
	return a.stuck
}

// next returns the groups of the next round; others are lost. Those that had no room where they were meant to be try elsewhere,
// then with a preference fewer. Those that could not be anywhere try again if others have been placed since.
func (s *solution) next(left, stuck []*group, placed bool) []*group {
	var out []*group
	for _, g := range left {
		again := g.part(g.placed(), g.placed()+g.left)
		g.pods = g.pods[:g.placed()*g.size]
		g.left = 0
		if again.pins != nil {
			again.tried = cloneWith(again.tried, again.pins)
			again.pins, again.place = nil, nil
			out = append(out, again)
			continue
		}
		if relaxed := s.grouper.relax(again); relaxed != nil {
			out = append(out, relaxed)
			continue
		}
		s.lost = append(s.lost, again)
	}
	for _, g := range stuck {
		if placed {
			out = append(out, g)
		} else {
			s.lost = append(s.lost, g)
		}
	}
	return out
}

func cloneWith(tried map[*pins]bool, p *pins) map[*pins]bool {
	out := map[*pins]bool{p: true}
	for q := range tried {
		out[q] = true
	}
	return out
}

// noteMachines says in which domains there may be machines that spreads look at: before any are bought, all those in which some
// can be.
func (s *solution) noteMachines(late bool) {
	t := &s.rulebook.topology
	for _, c := range t.counters {
		if !c.spread {
			continue
		}
		probe := &group{size: 1, requests: make(vector, len(s.dimensions.names)), filter: s.grouper.probe(c.reach)}
		for _, shelf := range s.shelves {
			if late && !slices.ContainsFunc(shelf.sold, func(p purchase) bool { return true }) {
				continue
			}
			for value := range shelf.domains(probe, t.axes[c.axis].key) {
				c.note(t.axes[c.axis].domain(value), maybe)
			}
		}
	}
}
