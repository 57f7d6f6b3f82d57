package solver

import (
	"context"
	"slices"
)

const (
	// mostPasses of planning: one does for nearly all problems, the others are for pods that have to give something up. After the
	// last but one, pods give up all that is left.
	mostPasses = 64
	// mostRevivals bounds how often pods that have found nothing are tried again only because others have come or gone since.
	mostRevivals = 4
)

// rounds plans until all pods are placed or another round would change nothing. In a round, groups get their place, then nodes
// are filled and machines bought; what is left gives up a preference or tries elsewhere.
func (s *solution) rounds(ctx context.Context) {
	pending, revivals := s.groups, 0
	for round := 0; len(pending) > 0; round++ {
		s.known = s.changes
		stuck := s.assign(pending, round > 0)
		s.placeAndBuy(ctx)
		left, placed := s.settle()
		if ctx.Err() != nil {
			s.abandon(left, stuck)
			return
		}
		short := len(left) > 0 || len(stuck) > 0 || round > 0
		pending = s.next(left, stuck, placed && len(stuck) > 0 && ctx.Err() == nil)
		if len(s.rulebook.traits) > 0 {
			pending = append(pending, s.audit(short)...)
		}
		if len(pending) == 0 {
			if !s.recount() {
				revivals++
			}
			if revivals <= mostRevivals {
				pending = s.revive()
			}
		}
		if len(pending) > 0 && (ctx.Err() != nil || round == mostPasses) {
			s.lost = append(s.lost, pending...)
			return
		}
	}
}

// settle ends a round: it returns the groups that are not placed in full, and whether any pod is placed.
func (s *solution) settle() (left []*group, placed bool) {
	for _, g := range s.groups {
		if g.left > 0 {
			left = append(left, g)
		}
		placed = placed || g.placed() > 0
	}
	s.settled = append(s.settled, s.groups...)
	s.groups = nil
	if placed {
		s.changes++
	}
	return left, placed
}

// lose gives a group up for now. Those for which it matters where others are were looked at before this round's places were known.
func (s *solution) lose(g *group) {
	g.lostAt = s.changes
	if len(g.axes) > 0 || len(g.wants) > 0 {
		g.lostAt = s.known
	}
	s.lost = append(s.lost, g)
}

// revive returns the groups that were lost before others came or went: machines bought since may have room, and counts that kept
// them out may have changed. What they have given up stays given up.
func (s *solution) revive() []*group {
	var out []*group
	s.lost = slices.DeleteFunc(s.lost, func(g *group) bool {
		again := g.lostAt < s.changes && g.miss.stage != missRefused && g.evictions <= mostEvictions
		if again {
			g.tried, g.pins, g.place, g.miss = nil, nil, nil, miss{}
			out = append(out, g)
		}
		return again
	})
	sortGroups(out, s.dimensions)
	return out
}

// assign gives the groups their place and returns those that have none.
func (s *solution) assign(pending []*group, late bool) []*group {
	t := &s.rulebook.topology
	if len(t.counters) == 0 && !slices.ContainsFunc(pending, func(g *group) bool { return len(g.wants) > 0 }) {
		s.groups = pending
		return nil
	}
	for _, b := range s.census(late) {
		for _, x := range b.arrivals {
			t.receive(b, x.group, x.waiting)
		}
	}
	a := &assigner{atlas: s.atlas, late: late, relax: s.grouper.relax}
	pending = s.join(a, pending)
	b := &bundler{atlas: s.atlas, rulebook: s.rulebook, grouper: s.grouper, taken: s.taken}
	bundled, alone := b.bundle(pending)
	for _, g := range alone {
		if relaxed := s.grouper.relax(g); relaxed != nil {
			s.again = append(s.again, relaxed)
		} else {
			g.miss = g.miss.nearer(lonelyOnNode(g))
			a.stuck = append(a.stuck, g)
		}
	}
	a.assign(bundled)
	sortGroups(a.active, s.dimensions)
	s.groups = a.active
	return a.stuck
}

// taken reports whether some pod with the mark has a node.
func (s *solution) taken(m mark) bool {
	return slices.ContainsFunc(s.nodes, func(h *host) bool { return h.company.look(m).count > 0 }) ||
		slices.ContainsFunc(s.settled, func(g *group) bool { return g.placed() > 0 && g.carries(m) > 0 })
}

// next returns the groups of the next round; others are lost. Those that had no room where they were meant to be try elsewhere,
// then with a preference fewer. Those that could not be anywhere try again if others have been placed since.
func (s *solution) next(left, stuck []*group, placed bool) []*group {
	out := s.again
	s.again = nil
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
		out = append(out, s.concede(again)...)
	}
	for _, g := range stuck {
		switch {
		case placed && !s.grouper.relaxable(g):
			out = append(out, g)
		case len(g.members) > 0:
			out = append(out, s.concede(g)...)
		default:
			s.lose(g)
		}
	}
	return out
}

// concede returns the groups that the pods of a group without a place are in when something is given up for them: the size of their
// units, or a preference. What has nothing to give up is lost.
func (s *solution) concede(g *group) []*group {
	if len(g.members) == 0 {
		if relaxed := s.grouper.relax(g); relaxed != nil {
			return []*group{relaxed}
		}
		s.lose(g)
		return nil
	}
	if s.grouper.relaxable(g) {
		var out []*group
		for i, m := range g.unbundle() {
			m.bundleMost = g.members[i].n
			switch relaxed := s.grouper.relax(m); {
			case relaxed != nil:
				out = append(out, relaxed)
			case s.grouper.relaxable(m): // a bundle in the bundle, which has something to give up itself
				out = append(out, s.concede(m)...)
			default:
				out = append(out, m)
			}
		}
		return out
	}
	if g.smaller() {
		return g.unbundle()
	}
	var out []*group
	for _, m := range g.unbundle() {
		m.miss = m.miss.nearer(g.miss)
		if len(m.wants) == 0 && len(m.members) == 0 {
			out = append(out, m)
		} else {
			out = append(out, s.concede(m)...)
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
