package solver

import (
	"context"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

const (
	// mostSeatings bounds how often pods that are left are looked at again because others have found a seat, or lost theirs.
	mostSeatings = 4
	// mostTried bounds the machines that are bought on trial for one of them, trialPods the pods that are looked at for that: each
	// trial is a rehearsal of the whole plan.
	mostTried = 64
	trialPods = 100_000
)

// seatStragglers puts pods that are left on nodes and machines one by one, now that all others are known to be there: where a group
// as a whole found no domain, some node may still take a pod of it.
func (s *solution) seatStragglers(ctx context.Context) {
	trials := min(mostTried, trialPods/(1+len(s.problem.Pods)))
	for range mostSeatings {
		if len(s.lost) == 0 || ctx.Err() != nil || !s.seatAll(ctx, &trials) {
			return
		}
		for _, g := range s.audit(true) {
			s.lose(g)
		}
	}
}

// seatAll seats who can be seated, and reports whether that is anybody.
func (s *solution) seatAll(ctx context.Context, trials *int) bool {
	seated := false
	for came := true; came; {
		came = false
		u := s.ushers()
		for _, g := range s.lost {
			if g.seatable() && ctx.Err() == nil {
				came = u.seat(g) || came
			}
		}
		for _, g := range s.lost {
			if !came && g.seatable() && (g.miss.stage == missTopology || g.evictions > 0) {
				came = s.tryMachine(ctx, g, trials)
			}
		}
		seated = seated || came
	}
	s.lost = slices.DeleteFunc(s.lost, func(g *group) bool { return g.left == 0 })
	return seated
}

// seatable reports whether the group has pods to seat.
func (g *group) seatable() bool {
	return g.left > 0 && g.size == 1 && g.unknown == "" && g.miss.stage != missRefused
}

// tryMachine buys a machine for one pod of the group, and keeps it if everybody can still come.
func (s *solution) tryMachine(ctx context.Context, g *group, trials *int) bool {
	places := []*place{nil}
	if len(g.axes) > 0 {
		places = s.atlas.places(g)
	}
	for _, p := range places {
		if p != nil && math.IsInf(p.toll.machine, 1) {
			continue
		}
		for _, at := range s.pinsFor(g, p) {
			if *trials--; *trials < 0 || ctx.Err() != nil {
				return false
			}
			if s.tryMachineAt(ctx, g, p, at) {
				return true
			}
		}
	}
	return false
}

// pinsFor returns the labels of the place, alone and with those that make sure of the pods of a DaemonSet which the group wants on its
// node.
func (s *solution) pinsFor(g *group, p *place) []*pins {
	var here *pins
	if p != nil {
		here = p.pins
	}
	out := []*pins{here}
	for _, shelf := range s.shelves {
		for _, d := range shelf.daemons() {
			if len(g.wants) == 0 || slices.ContainsFunc(g.wants, func(m mark) bool { return d.guest.carries(m) == 0 }) {
				continue
			}
			for _, q := range d.alternatives {
				if labels := q.Labels(); len(labels) > 0 {
					out = append(out, here.with(labels))
				}
			}
		}
	}
	return out
}

// tryMachineAt does so where nodes have the labels.
func (s *solution) tryMachineAt(ctx context.Context, g *group, p *place, at *pins) bool {
	from := g.placed()
	one := g.part(from, from+1)
	one.place, one.pins, one.tried = p, at, nil
	s.groups = []*group{one}
	for _, shelf := range s.shelves {
		s.buy(ctx, shelf)
	}
	s.groups = nil
	if one.left > 0 {
		return false
	}
	s.settled = append(s.settled, one)
	if absent, known := s.rehearse().run(); known && len(absent) == 0 {
		*g = *g.part(from+1, from+g.left)
		s.changes++
		return true
	}
	s.settled = s.settled[:len(s.settled)-1]
	for _, shelf := range s.shelves {
		shelf.takeBack(map[*corev1.Pod]bool{one.pods[0]: true})
	}
	return false
}

// usher finds seats when all others have theirs.
type usher struct {
	*solution
	rehearsal *rehearsal
	tops      map[*site]*top
}

func (s *solution) ushers() *usher {
	u := &usher{solution: s, rehearsal: s.rehearse(), tops: map[*site]*top{}}
	u.rehearsal.bindAll()
	for _, at := range u.rehearsal.sites {
		if at.host == nil {
			u.tops[at] = newTop(at.purchase)
		}
	}
	return u
}

// seat seats pods of the group as far as there are seats, and reports whether there was one.
func (u *usher) seat(g *group) bool {
	before := g.left
	for _, at := range u.rehearsal.sites {
		for g.left > 0 && (at.host != nil && u.seatOnNode(g, at) || at.host == nil && u.seatOnMachine(g, at)) {
			continue
		}
	}
	return g.left < before
}

// seatOnNode seats pods on a node; false if none can be.
func (u *usher) seatOnNode(g *group, at *site) bool {
	h := at.host
	n := h.attaches(g, g.requests.times(h.free, g.left))
	if n == 0 || !h.admit(g.filter) {
		return false
	}
	if n = u.rehearsal.room(at, g, n); n == 0 {
		return false
	}
	u.lodge(h, u.split(g, n, at), n)
	return true
}

// seatOnMachine seats pods on a machine that is sold; false if none can be.
func (u *usher) seatOnMachine(g *group, at *site) bool {
	t := u.tops[at]
	n := g.requests.times(t.free, g.left)
	if n == 0 {
		return false
	}
	places := []*place{nil}
	if len(g.axes) > 0 {
		places = u.atlas.places(g)
	}
	for _, p := range places {
		pinned := *g
		if p != nil {
			pinned.pins = p.pins
		}
		pinned.pins = pinned.pins.with(t.purchase.lot.labels)
		if !at.within(u.rehearsal.topology, p, g.axes) {
			continue
		}
		options := at.shelf.acceptable(&pinned)
		if !t.suits(options) {
			continue
		}
		at.pinned = p
		room := u.rehearsal.room(at, g, n)
		if room > 0 {
			seated := u.split(g, room, at)
			seated.pins, seated.place = pinned.pins, p
			t.put(seated, options, map[*lot]int{}, room)
			at.at, at.outcomes = nil, nil
		}
		at.pinned = nil
		if room > 0 {
			return true
		}
	}
	return false
}

// split takes the next n pods out of the group and counts them as settled on the site.
func (u *usher) split(g *group, n int, at *site) *group {
	u.changes++
	from := g.placed()
	seated, rest := g.part(from, from+n), g.part(from+n, from+g.left)
	seated.pins, seated.place, seated.seated = nil, nil, true
	*g = *rest
	u.rehearsal.bind(at, seated, n)
	u.settled = append(u.settled, seated)
	return seated
}

// within reports whether the machine can be in the place, as far as the axes go.
func (b *site) within(t *topology, p *place, axes []int) bool {
	return p == nil || !slices.ContainsFunc(axes, func(axis int) bool {
		domains := b.domains(t, axis)
		return p.domains[axis] < 0 && len(domains) > 0 || p.domains[axis] >= 0 && !slices.Contains(domains, p.domains[axis])
	})
}
