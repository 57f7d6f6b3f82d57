package solver

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// site is where pods are one beside the other: a node, or a machine that is sold.
type site struct {
	host     *host // nil for a machine
	shelf    *shelf
	purchase *purchase
	outcomes *outcomes // of the machine
	// company are the pods that are there, DaemonSets' included, and what they keep away.
	company company
	// unsure counts pods among them, by mark, that come only if the machine turns out so.
	unsure map[mark]int
	// shadows counts those who give way to whoever comes, by counter.
	shadows map[int]int
	// tally counts those whom spreads over larger domains look at, by counter.
	tally map[int]int
	// at are the domains in which it may be, by axis, as far as they were asked for.
	at [][]int
	// pinned holds the domains that a machine is narrowed down to on trial; nil for none.
	pinned *place
	// arrivals are the pods that the plan has for it.
	arrivals []*arrival
}

// arrival is how many pods of a group the plan has for a site.
type arrival struct {
	site  *site
	group *group
	// unit is the settled group of the pods, whose units may be of several groups; pods are theirs.
	unit *group
	pods []*corev1.Pod
	// waiting are not bound yet.
	waiting int
	// parts are the arrivals that this one stands for, if it does.
	parts []*arrival
}

// sites returns all nodes and the machines that are sold, each with the pods that the plan has for it.
func (s *solution) sites() []*site {
	out := make([]*site, 0, len(s.nodes))
	byName := make(map[string]*site, len(s.nodes))
	for _, h := range s.nodes {
		b := &site{host: h}
		for _, r := range h.residents {
			b.company.join(r.guest, 1)
		}
		byName[h.node.Name] = b
		out = append(out, b)
	}
	unit := s.units()
	for _, p := range s.plan.Placements {
		if u, first := unit[p.Pod]; first {
			byName[p.Node].expect(u.group, u.pods())
		}
	}
	for _, shelf := range s.shelves {
		for i := range shelf.sold {
			out = append(out, shelf.site(&shelf.sold[i]))
		}
	}
	return out
}

// site returns a machine with its pods.
func (s *shelf) site(p *purchase) *site {
	b := &site{shelf: s, purchase: p}
	for _, d := range s.daemons() {
		comes := b.comes(d)
		if comes == never {
			continue
		}
		b.company.join(d.guest, 1)
		for _, m := range d.guest.marks {
			if comes == maybe {
				if b.unsure == nil {
					b.unsure = map[mark]int{}
				}
				b.unsure[m.mark] += m.n
			}
		}
	}
	from := 0
	for _, k := range p.bin.picks {
		g := p.lot.items[k.item].group
		to := from + k.count*g.size
		b.expect(g, p.pods[from:to:to])
		from = to
	}
	return b
}

// expect notes that units of a group will come, each group of their members for itself.
func (b *site) expect(g *group, pods []*corev1.Pod) {
	n, members := len(pods)/g.size, g.parts(1, nil)
	if last := len(b.arrivals) - len(members); last >= 0 && b.arrivals[last].unit == g && b.arrivals[len(b.arrivals)-1].unit == g {
		for i, a := range b.arrivals[last:] {
			a.pods, a.waiting = append(a.pods, pods...), a.waiting+n*members[i].n
		}
		return
	}
	for _, m := range members {
		b.arrivals = append(b.arrivals, &arrival{site: b, group: m.group, unit: g, pods: slices.Clip(pods), waiting: n * m.n})
	}
}

// parts appends the groups of single pods that n units are made of, a bundle's own bundles taken apart.
func (g *group) parts(n int, to []companion) []companion {
	if len(g.members) == 0 {
		return append(to, companion{g, n})
	}
	for _, m := range g.members {
		to = m.group.parts(n*m.n, to)
	}
	return to
}

// unit is one unit of a settled group, by the place of its first pod.
type unit struct {
	group *group
	first int
}

func (u unit) pods() []*corev1.Pod {
	end := u.first + u.group.size
	return u.group.pods[u.first:end:end]
}

// units maps the first pod of each settled unit -> the unit.
func (s *solution) units() map[*corev1.Pod]unit {
	out := map[*corev1.Pod]unit{}
	for _, g := range s.settled {
		for i := 0; i < len(g.pods); i += g.size {
			out[g.pods[i]] = unit{g, i}
		}
	}
	return out
}

// domains returns the domains of an axis in which the site may be; none if it is outside of all, or may be anywhere.
func (b *site) domains(t *topology, axis int) []int {
	if b.pinned != nil && axis < len(b.pinned.domains) && b.pinned.domains[axis] >= 0 {
		return b.pinned.domains[axis : axis+1]
	}
	if b.host != nil {
		return b.host.class.domains(t, axis)
	}
	for len(b.at) <= axis {
		a := t.axes[len(b.at)]
		domains := []int{}
		for _, value := range b.turns().values(a.key) {
			domains = append(domains, a.domain(value))
		}
		b.at = append(b.at, domains)
	}
	return b.at[axis]
}

// turns returns what the machine may turn out to be.
func (b *site) turns() *outcomes {
	if b.outcomes == nil {
		b.outcomes = b.shelf.outcomesOf(b.purchase)
	}
	return b.outcomes
}

// counted says whether pods in the site count for those that look at the nodes of a reach.
func (b *site) counted(r *reach) presence {
	if b.host != nil {
		return r.host(b.host)
	}
	return r.sold(b.turns())
}

// number counts n more pods in the site.
func (t *topology) number(b *site, i, n int) {
	c := t.counters[i]
	if c.spread {
		if b.tally == nil {
			b.tally = map[int]int{}
		}
		b.tally[i] += n
	}
	c.spreadOut(t, b, func(d int, seen presence) { c.put(d, n, seen) })
}

// suppose counts a pod that may come to the site or not.
func (c *counter) suppose(t *topology, b *site, comes presence) {
	c.spreadOut(t, b, func(d int, seen presence) { c.put(d, 1, min(seen, comes)) })
}

// shadow counts a pod on a node that may have to give way: not on that node itself, should somebody come there.
func (t *topology) shadow(b *site, r *resident) {
	var all []int
	for _, m := range r.bearing.marks {
		all = append(all, t.carriersOf(m)...)
	}
	if r.ties != nil {
		for _, a := range r.ties.apart {
			if a.holders >= 0 {
				all = append(all, a.holders)
			}
		}
	}
	for _, i := range all {
		if b.shadows == nil {
			b.shadows = map[int]int{}
		}
		b.shadows[i]++
		t.counters[i].suppose(t, b, maybe)
	}
}

// observe says that there is a node in the site's domain.
func (c *counter) observe(t *topology, b *site) {
	c.spreadOut(t, b, c.note)
}

// spreadOut calls a function for each domain in which the counter may count those in the site.
func (c *counter) spreadOut(t *topology, b *site, call func(domain int, seen presence)) {
	seen := b.counted(c.reach)
	if seen == never {
		return
	}
	domains := b.domains(t, c.axis)
	for _, d := range domains {
		if len(domains) == 1 {
			call(d, seen)
		} else if a := t.axes[c.axis]; b.countedIn(c.reach, a.key, a.values[d]) {
			call(d, maybe)
		}
	}
}

// countedIn reports whether pods in the site can count if one of the labels that are open turns out to have this value.
func (b *site) countedIn(r *reach, key, value string) bool {
	return r == nil || !r.affinity || slices.ContainsFunc(r.alternatives, func(q scheduling.Requirements) bool {
		if !q.Get(key).Has(value) {
			return false
		}
		if b.host != nil {
			return b.host.may(q)
		}
		_, may := b.turns().meet(q)
		return may
	})
}

// receive counts n pods of the group in the site, wherever anybody looks for them.
func (t *topology) receive(b *site, g *group, n int) {
	for _, s := range g.stakes {
		t.number(b, s.counter, s.n*n)
	}
}

// house counts a pod that is there already, or comes with the machine.
func (t *topology) house(b *site, of *bearing, own *ties) {
	for _, m := range of.marks {
		for _, i := range t.carriersOf(m) {
			t.number(b, i, 1)
		}
	}
	if own != nil {
		for _, a := range own.apart {
			if a.holders >= 0 {
				t.number(b, a.holders, 1)
			}
		}
	}
}
