package solver

import (
	"cmp"
	"slices"
)

// assigner divides groups over places, so that each pod's domain is known before machines are packed. It goes one group after
// the other and keeps to what the scheduler checks when pods come in that order.
type assigner struct {
	*atlas
	// late says that machines have been bought before: a domain that opens now was not there when others were placed.
	late bool
	// units is how many there are to place.
	units int
	// followers are the groups that have to be where the one is that is being placed.
	followers []*group
	// level has units that spreads count shared out evenly even if they need not be; uneven says that some were not.
	level, uneven bool
	// conceded is how often a preference was given up.
	conceded int
	// active groups have their place, or need none; stuck ones cannot be anywhere for now.
	active, stuck []*group
	// relax returns the group with one preference fewer; nil if there is none left.
	relax func(*group) *group
}

// assign places all groups. Pods that others' spreads count, but that do not spread, go where they cost least; if somebody has no
// place then, or one that is not preferred, they are shared out evenly after all.
func (a *assigner) assign(groups []*group) {
	before, t := *a, a.topology
	tallies := t.tallies()
	a.assignOnce(groups)
	if a.uneven && (len(a.stuck) > len(before.stuck) || a.conceded > 0) && a.tempo.Err() == nil {
		*a = before
		a.level = true
		t.recall(tallies)
		a.assignOnce(groups)
	}
	a.trade()
}

// assignOnce places all groups: those that others look at first, then those that look at others.
func (a *assigner) assignOnce(groups []*group) {
	var counted, keeping, spreading, joining []*group
	for _, g := range groups {
		a.units += g.left
		switch {
		case len(g.axes) == 0 || g.miss.stage == missRefused:
			a.active = append(a.active, g)
		case g.ties == nil:
			counted = append(counted, g)
		case len(g.ties.with) > 0:
			joining = append(joining, g)
		case len(g.ties.spreads) > 0:
			spreading = append(spreading, g)
		case len(g.ties.apart) > 0:
			keeping = append(keeping, g)
		default:
			counted = append(counted, g)
		}
	}
	for _, g := range slices.Concat(counted, keeping, spreading) {
		a.settle(g)
	}
	a.join(joining)
}

// settle divides a group, giving up preferences until all of it has a place or none is left to give up.
func (a *assigner) settle(g *group) {
	for {
		if a.tempo.Err() != nil {
			g.miss = g.miss.nearer(miss{stage: missTime, text: outOfTime})
			a.stuck = append(a.stuck, g)
			return
		}
		rest := a.divideUp(g)
		if rest == nil {
			return
		}
		relaxed := a.relax(rest)
		if relaxed == nil {
			a.stuck = append(a.stuck, rest)
			return
		}
		a.conceded++
		if g = relaxed; len(g.axes) == 0 {
			a.active = append(a.active, g)
			return
		}
	}
}

// join places groups that want company: those whose company is there, as long as there are any, then one that may be the first of
// its kind, and so on.
func (a *assigner) join(groups []*group) {
	for len(groups) > 0 && a.tempo.Err() == nil {
		i := slices.IndexFunc(groups, func(g *group) bool { return a.hasCompany(g) })
		if i < 0 {
			i = slices.IndexFunc(groups, func(g *group) bool { return a.starts(g) })
			a.followers = followers(groups, i)
		}
		if i < 0 {
			break
		}
		a.settle(groups[i])
		a.followers = nil
		groups = slices.Delete(groups, i, i+1)
	}
	for _, g := range groups { // nobody they want to be with is anywhere
		a.settle(g)
	}
}

// followers returns the groups that want to be where the group is that starts, none if it is negative.
func followers(groups []*group, first int) []*group {
	if first < 0 {
		return nil
	}
	var out []*group
	for i, g := range groups {
		if i != first && slices.ContainsFunc(g.ties.with, func(w together) bool { return groups[first].carries(w.mark) > 0 }) {
			out = append(out, g)
		}
	}
	return out
}

// hasCompany reports whether somebody is somewhere for each affinity of the group.
func (a *assigner) hasCompany(g *group) bool {
	return !slices.ContainsFunc(g.ties.with, func(w together) bool {
		return slices.ContainsFunc(w.counters, func(i int) bool { return a.topology.counters[i].total == 0 })
	})
}

// starts reports whether the group may be the first where its company is not there.
func (a *assigner) starts(g *group) bool {
	return !slices.ContainsFunc(g.ties.with, func(w together) bool {
		return !a.topology.first(g, &w) && slices.ContainsFunc(w.counters, func(i int) bool { return a.topology.counters[i].total == 0 })
	})
}

// first reports whether a unit of the group may come first of all that the affinity is about.
func (t *topology) first(g *group, w *together) bool {
	return g.carries(w.mark) > 0 && !w.late && !slices.ContainsFunc(w.counters, func(i int) bool { return t.counters[i].total > 0 })
}

// divideUp gives parts of the group to places and returns what cannot be anywhere, nil if that is nothing.
func (a *assigner) divideUp(g *group) *group {
	places := a.places(g)
	if len(places) == 0 {
		if a.relaxable(g) || a.anywhere(g) {
			rest := g.part(0, g.left)
			rest.miss = rest.miss.nearer(a.candid(g, a.homeless(g)))
			return rest
		}
		a.active = append(a.active, g) // buying will say why there is no machine
		return nil
	}
	units := g.left
	into := make([]int, len(places))
	done := a.planned(g, places, into)
	for done < units {
		i, n := a.best(g, places, units-done)
		if n == 0 || a.tempo.Err() != nil {
			break
		}
		a.commit(g, places[i], n)
		into[i] += n
		done += n
	}
	from := 0
	for i, n := range into {
		if n > 0 {
			part := g.part(from, from+n)
			part.place, part.pins = places[i], places[i].pins
			a.active = append(a.active, part)
			from += n
		}
	}
	if done == units {
		return nil
	}
	rest := g.part(done, units)
	rest.miss = rest.miss.nearer(a.candid(g, a.reason(g, places)))
	return rest
}

func (a *assigner) relaxable(g *group) bool { w := g.wishes; return w.relax() }

// anywhere reports whether the group could be somewhere if its place did not matter.
func (a *assigner) anywhere(g *group) bool {
	return slices.ContainsFunc(a.shelves, func(s *shelf) bool { options, _ := s.viable(g); return len(options) > 0 }) ||
		slices.ContainsFunc(a.hosts, func(h *host) bool { return h.admit(g.filter) && g.requests.times(h.free, 1) > 0 })
}

// planned keeps units where they were meant to be before, as far as that is still allowed, and returns how many.
func (a *assigner) planned(g *group, places []*place, into []int) int {
	if len(g.planned) == 0 {
		return 0
	}
	done := 0
	for _, h := range a.hosts {
		for n := g.planned[h.node.Name]; n > 0 && done < g.left; n-- {
			i := slices.IndexFunc(places, func(p *place) bool { return h.pinned(p.pins) && !g.tried[p.pins] })
			if i < 0 || a.most(g, places[i], 1) == 0 {
				break
			}
			a.commit(g, places[i], 1)
			into[i]++
			done++
		}
	}
	return done
}

// bid is a place with what speaks for it.
type bid struct {
	*place
	// most is how many of the next units may go there.
	most int
	// load is how many pods there are already of those that spreads which count the group look at.
	load int
	// lost is how many followers could not be there, cost what all that have to be there cost, US dollars per hour.
	lost int
	cost float64
}

// best returns the place that suits the next units best, and how many go there before it is asked again.
func (a *assigner) best(g *group, places []*place, left int) (int, int) {
	best, of, level := -1, bid{}, a.topology.levels(g)
	for i, p := range places {
		if g.tried[p.pins] {
			continue
		}
		n := a.most(g, p, left)
		if n == 0 {
			continue
		}
		b := bid{place: p, most: n}
		b.lost, b.cost = a.cost(g, p)
		if level {
			b.load = a.load(g, p)
		}
		if best < 0 || a.better(g, &b, &of) {
			best, of = i, b
		}
	}
	if of.most > 1 && level {
		of.most = 1
	}
	return best, of.most
}

// load is how many pods there are in the place of those that spreads which count the group look at.
func (a *assigner) load(g *group, p *place) int {
	total := 0
	for _, s := range g.stakes {
		if c := a.topology.counters[s.counter]; c.spread {
			total += c.mostAt(p.at(c.axis))
		}
	}
	return total
}

// cost returns how many of the group's followers could not be in a place, and what the group and the others cost there.
func (a *assigner) cost(g *group, p *place) (int, float64) {
	if len(a.followers) == 0 {
		return 0, p.toll.of(a.units)
	}
	lost, least, parts := 0, p.toll.machine, p.toll.part*float64(g.left)
	for _, f := range a.followers {
		places := a.places(f)
		if i := slices.IndexFunc(places, func(q *place) bool { return q.pins == p.pins }); i >= 0 {
			least, parts = max(least, places[i].toll.machine), parts+places[i].toll.part*float64(f.left)
		} else if len(places) > 0 {
			lost += f.left
		}
	}
	return lost, max(least, parts)
}

// better orders places: the emptiest for pods that spread, then where those are that others keep away from already, then where
// all have room who have to be there, then where nodes have room, then by cost, and the emptiest for pods that do not spread.
func (a *assigner) better(g *group, p, q *bid) bool {
	load := cmp.Compare(p.load, q.load)
	first := 0
	if a.level || g.ties != nil && len(g.ties.spreads) > 0 {
		first = load
	}
	cheaper := cmp.Compare(p.cost, q.cost)
	order := cmp.Or(first, cmp.Compare(a.shunned(g, q.place), a.shunned(g, p.place)), cmp.Compare(p.lost, q.lost),
		cmp.Compare(min(q.room, g.left), min(p.room, g.left)), cheaper)
	a.uneven = a.uneven || first == 0 && load*cheaper < 0
	return cmp.Or(order, load) < 0
}

// shunned is 1 if pods are there already that the same pods keep away from as from the group: one more does no harm.
func (a *assigner) shunned(g *group, p *place) int {
	for _, s := range g.stakes {
		if c := a.topology.counters[s.counter]; c.shunned && c.mostAt(p.at(c.axis)) > 0 {
			return 1
		}
	}
	return 0
}

// commit counts n units in a place.
func (a *assigner) commit(g *group, p *place, n int) {
	a.topology.count(g, p, n)
}

// count adds n units of the group in a place.
func (t *topology) count(g *group, p *place, n int) {
	for _, s := range g.stakes {
		c := t.counters[s.counter]
		d := p.at(c.axis)
		if d < 0 || !c.reach.covers(p) {
			continue
		}
		c.put(d, s.n*n, c.reach.filter(g.filter, p.pins))
	}
	if g.ties == nil {
		return
	}
	for _, s := range g.ties.spreads {
		t.counters[s.counter].note(p.at(s.axis), surely)
	}
}
