package solver

import (
	"math"
	"slices"
)

// room returns how many pods of the group the filters let in now, at most n, as far as other pods go.
func (r *rehearsal) room(at *site, g *group, n int) int { return r.beside(at, g, r.among(at, g, n)) }

// among returns how many pods of the group those in the domains of the site let in, at most n.
func (r *rehearsal) among(at *site, g *group, n int) int {
	occupied := func(i int) bool {
		c := r.counters[i]
		return slices.ContainsFunc(at.domains(r.topology, c.axis), func(d int) bool { return c.mostAt(d) > at.shadows[i] })
	}
	for _, c := range g.carried {
		if slices.ContainsFunc(r.holdersOf(c.mark), occupied) {
			return 0
		}
	}
	if g.ties == nil {
		return n
	}
	for i := range g.ties.apart {
		x := &g.ties.apart[i]
		switch {
		case x.soft:
		case occupied(x.carriers):
			return 0
		case g.carries(x.mark) > 0 && len(at.domains(r.topology, r.counters[x.carriers].axis)) > 0:
			n = min(n, 1)
		}
	}
	for i := range g.ties.spreads {
		if s := &g.ties.spreads[i]; !s.soft && n > 0 {
			n = r.allowed(at, g, s, n)
		}
	}
	return n
}

// allowed returns how many pods of the group a spread lets into the domain of the site, at most n.
func (r *rehearsal) allowed(at *site, g *group, s *spread, n int) int {
	c := r.counters[s.counter]
	domains := at.domains(r.topology, s.axis)
	if len(domains) == 0 {
		return 0
	}
	for _, d := range domains {
		own := g.carries(s.mark)
		here := c.mostAt(d) - at.shadows[s.counter]
		room := s.maxSkew + min(c.least(s.minDomains, d), here) - here
		if room < own*n {
			room = s.maxSkew + min(r.least(s, d), here) - here
		}
		n = skewed(room, own, n)
	}
	return n
}

// least is the counter's least with a closer look at domains that may be there or not: if one is, so are the pods on some node that
// counts there.
func (r *rehearsal) least(s *spread, in int) int {
	c := r.counters[s.counter]
	least, domains := c.mostAt(in), 1
	for d, p := range c.there {
		switch {
		case d == in || p == never:
		case p == surely:
			domains++
			least = min(least, int(c.sure[d]))
		default:
			least = min(least, r.lone(s, d))
		}
	}
	if domains < s.minDomains {
		return 0
	}
	return least
}

// lone returns the least count of a domain in which no node counts for sure, if one does.
func (r *rehearsal) lone(s *spread, d int) int {
	c, least := r.counters[s.counter], math.MaxInt
	for _, at := range r.sites {
		c.spreadOut(r.topology, at, func(domain int, _ presence) {
			if domain == d {
				least = min(least, at.tally[s.counter])
			}
		})
	}
	return least
}

// skewed returns how many pods, of which each counts own times, may come where there is room for so many; at most n.
func skewed(room, own, n int) int {
	switch {
	case room < 0:
		return 0
	case own == 0:
		return n
	default:
		return min(n, room/own)
	}
}

// beside returns how many pods of the group those on the node let in, at most n, and whether they have the company there that
// they require.
func (r *rehearsal) beside(at *site, g *group, n int) int {
	if n > 0 && !r.coarse {
		n = at.company.room(g.manners, n)
	}
	if n == 0 || g.ties == nil {
		return n
	}
	for i := range g.ties.with {
		if w := &g.ties.with[i]; !w.soft && !r.joins(at, g, w) {
			return 0
		}
	}
	if r.coarse {
		return n
	}
	for i := range g.ties.near {
		t := &g.ties.near[i]
		if t.soft || t.skew == 0 || n == 0 {
			continue
		}
		count, own := at.company.look(t.mark).count, g.carries(t.mark)
		if count+own*n > t.skew { // even if some node has nobody
			n = skewed(t.skew+r.floor(t)-count, own, n)
		}
	}
	return n
}

// joins reports whether a pod of the group finds the company that it requires, or may be the first.
func (r *rehearsal) joins(at *site, g *group, w *together) bool {
	found, nobody := true, true
	if w.onNode && r.coarse {
		return true
	}
	if w.onNode {
		found, nobody = at.company.look(w.mark).count > at.unsure[w.mark], r.total[w.mark] == 0
	}
	for _, i := range w.counters {
		c := r.counters[i]
		domains := at.domains(r.topology, c.axis)
		if len(domains) == 0 {
			return false
		}
		found = found && !slices.ContainsFunc(domains, func(d int) bool { return c.sureAt(d) == 0 })
		// Those who may be there or not are found if they are, and if they are not, it is the first: as long as they are all here.
		d := domains[0]
		nobody = nobody && (c.total == 0 || len(domains) == 1 && c.sureAt(d) == 0 && c.total == int64(c.mostAt(d)))
	}
	return found || nobody && g.carries(w.mark) > 0
}

// floor returns the least count of a mark on the nodes that a spread over them looks at.
func (r *rehearsal) floor(t *tie) int {
	key := floor{t.mark, t.reach, t.minDomains}
	out, known := r.floors[key]
	if known {
		return out
	}
	out = math.MaxInt
	sure := 0
	for _, at := range r.sites {
		switch at.counted(t.reach) {
		case never:
			continue
		case surely:
			sure++
		}
		out = min(out, at.company.look(t.mark).count)
	}
	if sure < t.minDomains || out == math.MaxInt {
		out = 0
	}
	r.floors[key] = out
	return out
}
