package solver

import (
	"fmt"
	"slices"
	"strings"
)

// most returns how many units of the group may go to a place now, at most n, if they come one after the other.
func (a *assigner) most(g *group, p *place, n int) int {
	for _, c := range g.carried {
		for _, i := range a.topology.holdersOf(c.mark) {
			if a.topology.occupied(i, p) {
				return 0
			}
		}
	}
	if g.ties == nil {
		return n
	}
	for i := range g.ties.with {
		if w := &g.ties.with[i]; !a.topology.joins(g, w, p) {
			return 0
		}
	}
	for i := range g.ties.apart {
		if x := &g.ties.apart[i]; n > 0 {
			n = min(n, a.topology.apartMost(g, x, p, n))
		}
	}
	for i := range g.ties.spreads {
		if s := &g.ties.spreads[i]; n > 0 {
			n = min(n, a.spreadMost(g, s, p, n))
		}
	}
	return n
}

// occupied reports whether a counter may count somebody in the place.
func (t *topology) occupied(i int, p *place) bool {
	c := t.counters[i]
	return c.mostAt(p.at(c.axis)) > 0
}

// apartMost returns how many units anti-affinity lets in: none where there is somebody, one at a time if they shun each other.
func (t *topology) apartMost(g *group, x *apart, p *place, n int) int {
	c := t.counters[x.carriers]
	if p.at(c.axis) < 0 {
		return n // a node outside of all domains is apart from everybody
	}
	if t.occupied(x.carriers, p) {
		return 0
	}
	if g.carries(x.mark) == 0 {
		return n
	}
	return 1 // within a unit, nobody keeps away from another
}

// joins reports whether a unit of the group finds the company that it wants in the place, or may be the first.
func (t *topology) joins(g *group, w *together, p *place) bool {
	found := true
	for _, i := range w.counters {
		d := p.at(t.counters[i].axis)
		if d < 0 {
			return false
		}
		found = found && t.counters[i].sureAt(d) > 0
	}
	return found || t.first(g, w)
}

// spreadMost returns how many units the skew allows.
func (a *assigner) spreadMost(g *group, s *spread, p *place, n int) int {
	c, d := a.topology.counters[s.counter], p.at(s.axis)
	if d < 0 {
		return 0
	}
	if a.late && !s.soft && c.opens(d) && c.highest() > s.maxSkew {
		return 0 // those that are placed would have too much skew next to an empty domain
	}
	room := s.maxSkew + c.least(s.minDomains, d) - c.mostAt(d)
	switch own := g.carries(s.mark); {
	case room < 0:
		return 0
	case own == 0:
		return n
	default:
		return min(n, room/own)
	}
}

// opens reports whether there is no node that counts in the domain yet.
func (c *counter) opens(d int) bool { return d >= len(c.there) || c.there[d] == never }

// highest returns the highest count of a domain.
func (c *counter) highest() int {
	most := 0
	for _, n := range c.most {
		most = max(most, int(n))
	}
	return most
}

// reason says what keeps a unit of the group out of all places: the first of its ties that does so in the first place.
func (a *assigner) reason(g *group, places []*place) miss {
	t := a.topology
	for _, p := range places {
		if g.tried[p.pins] {
			continue
		}
		if g.ties != nil {
			for i := range g.ties.with {
				if w := &g.ties.with[i]; !t.joins(g, w, p) {
					return a.lonely(g, w, places)
				}
			}
			for i := range g.ties.apart {
				if x := &g.ties.apart[i]; t.apartMost(g, x, p, 1) == 0 {
					return a.crowded(t.counters[x.carriers].axis, "avoids", places)
				}
			}
			for i := range g.ties.spreads {
				if s := &g.ties.spreads[i]; a.spreadMost(g, s, p, 1) == 0 {
					return a.skewed(s, places)
				}
			}
		}
		for _, c := range g.carried {
			for _, i := range t.holdersOf(c.mark) {
				if t.occupied(i, p) {
					return a.crowded(t.counters[i].axis, "is avoided by", places)
				}
			}
		}
	}
	return miss{}
}

// names lists the domains of the places on an axis.
func (a *assigner) names(axis int, places []*place) (string, int) {
	var out []string
	for _, p := range places {
		if d := p.at(axis); d >= 0 {
			out = append(out, a.topology.axes[axis].values[d])
		}
	}
	slices.Sort(out)
	out = slices.Compact(out)
	n := len(out)
	if n > 5 {
		out = append(out[:5:5], fmt.Sprintf("and %d others", n-5))
	}
	return strings.Join(out, " "), n
}

func (a *assigner) skewed(s *spread, places []*place) miss {
	c := a.topology.counters[s.counter]
	var counts []string
	for d, there := range c.there {
		if there != never {
			counts = append(counts, fmt.Sprintf("%s has %d", a.topology.axes[s.axis].values[d], c.most[d]))
		}
	}
	slices.Sort(counts)
	counts = counts[:min(len(counts), 5)]
	names, _ := a.names(s.axis, places)
	return miss{stage: missTopology, text: fmt.Sprintf("topology spread over %s: one more pod in [%s] exceeds maxSkew %d (%s); allow machines in more domains, or raise maxSkew",
		a.topology.axes[s.axis].key, names, s.maxSkew, strings.Join(counts, ", "))}
}

func (a *assigner) crowded(axis int, how string, places []*place) miss {
	names, n := a.names(axis, places)
	return miss{stage: missTopology, text: fmt.Sprintf("anti-affinity over %s: all %d domains that it may use [%s] have a pod that it %s; allow machines in more, or use a topology spread constraint",
		a.topology.axes[axis].key, n, names, how)}
}

func (a *assigner) lonely(g *group, w *together, places []*place) miss {
	var keys []string
	for _, i := range w.counters {
		keys = append(keys, a.topology.axes[a.topology.counters[i].axis].key)
	}
	if len(w.counters) == 0 {
		return miss{stage: missTopology, text: "affinity over kubernetes.io/hostname: no pod that it wants to be with has a place"}
	}
	names, _ := a.names(a.topology.counters[w.counters[0]].axis, places)
	hint := "start one there, or allow machines where they are"
	if g.carries(w.mark) == 0 {
		hint = "start one of those, or allow machines where they are; it does not match its own selector, so it cannot be the first"
	}
	return miss{stage: missTopology, text: fmt.Sprintf("affinity over %s: no pod that it wants to be with runs or is planned in [%s]; %s", strings.Join(keys, " and "), names, hint)}
}

// homeless says which label no node or machine for the group has that its ties need.
func (a *assigner) homeless(g *group) miss {
	var keys []string
	for _, axis := range g.axes {
		if g.needs(axis, a.topology) {
			keys = append(keys, a.topology.axes[axis].key)
		}
	}
	if len(keys) == 0 {
		return miss{stage: missTopology, text: "topology: other pods are tied to it over domains in which the nodes that could host it are not settled yet; it is planned for once they are"}
	}
	return miss{stage: missTopology, text: fmt.Sprintf("topology: no machine or node that it may use has the label %s, which its affinity or topology spread is about; add it to a provisioner", strings.Join(keys, ", "))}
}

// lonelyOnNode is the reason of pods whose company on the same node is nowhere, or has no room for them.
func lonelyOnNode(g *group) miss {
	hint := "start one of those"
	if g.bundleMost > 0 || slices.ContainsFunc(g.wants, func(m mark) bool { return g.carries(m) > 0 }) {
		hint = "allow larger instance types, or prefer it instead of requiring it"
	}
	return miss{stage: missTopology, text: "affinity over kubernetes.io/hostname: no node or machine has both a pod that it wants to be with and room for it; " + hint}
}
