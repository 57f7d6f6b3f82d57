package solver

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// bundler turns pods that require each other's company on a node into groups whose units are several pods.
//
// Pods that are the first of their kind, and want nobody but their kind, all have to be on one node: they make one unit, as large
// as any machine or node can host. Pods that want others go with those, shared out evenly, so that units stay small.
type bundler struct {
	*atlas
	rulebook *rulebook
	grouper  *grouper
	// taken says that pods with the mark have a node already, so that nobody can be the first any more.
	taken func(mark) bool
	out   []*group
	// alone are those whose company is nowhere.
	alone []*group
}

// companion is a part of a bundle: so many pods of a group in each unit.
type companion struct {
	group *group
	n     int
}

// bundle returns the groups with those that want company on their node in bundles, and those for whom there is none.
func (b *bundler) bundle(groups []*group) (bundled, alone []*group) {
	var wanting []*group
	for _, g := range groups {
		if len(g.wants) > 0 && g.left > 0 && g.miss.stage != missRefused {
			wanting = append(wanting, g)
		} else {
			b.out = append(b.out, g)
		}
	}
	for len(wanting) > 0 && b.tempo.Err() == nil {
		before := len(wanting)
		wanting = slices.DeleteFunc(wanting, b.follow)
		if len(wanting) < before {
			continue
		}
		if i := slices.IndexFunc(wanting, func(g *group) bool { return b.first(g) }); i >= 0 {
			wanting = b.start(wanting, i)
			continue
		}
		break
	}
	return rests(b.out), rests(append(b.alone, wanting...))
}

// rests returns the groups with what is left of them.
func rests(groups []*group) []*group {
	var out []*group
	for _, g := range groups {
		switch {
		case g.placed() == 0:
			out = append(out, g)
		case g.left > 0:
			out = append(out, g.part(g.placed(), g.placed()+g.left))
		}
	}
	return out
}

// follow shares the pods of a group out to those that they want to be with; false if there are none.
func (b *bundler) follow(g *group) bool {
	var leaders []*group
	units := 0
	for _, l := range b.out {
		if l.left > 0 && l.miss.stage != missRefused && !slices.ContainsFunc(g.wants, func(m mark) bool { return l.carries(m) == 0 }) && b.welcome(l) {
			leaders, units = append(leaders, l), units+l.left
		}
	}
	if len(leaders) == 0 {
		return false
	}
	share := (g.left + units - 1) / units
	for _, l := range leaders {
		g = b.lead(l, g, share)
		if g == nil {
			return true
		}
	}
	for _, l := range leaders { // what was too much for one leader may be little for another
		if g = b.lead(l, g, g.left); g == nil {
			return true
		}
	}
	b.alone = append(b.alone, g)
	return true
}

// lead makes bundles of the leaders' units with followers, so many each if they fit, and returns the followers that are left.
func (b *bundler) lead(l, g *group, share int) *group {
	most := b.largest([]companion{{l, 1}}, g, min(share, g.left))
	if most == 0 || l.left == 0 {
		return g
	}
	for l.left > 0 && g.left > 0 {
		n := min(most, g.left)
		units := min(l.left, g.left/n)
		b.out = append(b.out, b.make([]companion{{l, 1}, {g, n}}, units))
	}
	if g.left == 0 {
		return nil
	}
	return g
}

// first reports whether the pods of the group may be the first of all that they want.
func (b *bundler) first(g *group) bool {
	return !slices.ContainsFunc(g.wants, func(m mark) bool { return g.carries(m) == 0 || b.taken(m) })
}

// start makes one unit of as many pods as a node can host, of the group and of all others of its kind, and returns the groups that
// have not had their turn.
func (b *bundler) start(wanting []*group, first int) []*group {
	kin := []*group{wanting[first]}
	var rest []*group
	for i, g := range wanting {
		switch {
		case i == first:
		case slices.Equal(g.wants, kin[0].wants) && b.first(g):
			kin = append(kin, g)
		default:
			rest = append(rest, g)
		}
	}
	var in []companion
	for _, g := range kin {
		if n := b.largest(in, g, g.left); n > 0 {
			in = append(in, companion{g, n})
		}
	}
	if len(in) > 0 {
		b.out = append(b.out, b.make(in, 1))
	}
	for _, g := range kin {
		if g.left > 0 {
			b.alone = append(b.alone, g)
		}
	}
	return rest
}

// largest returns how many pods of the group, at most most, some node or machine can host beside the others.
func (b *bundler) largest(beside []companion, g *group, most int) int {
	low, high := 0, most
	if g.bundleMost > 0 {
		high = min(high, g.bundleMost)
	}
	for low < high {
		n := (low + high + 1) / 2
		if b.hostable(append(slices.Clone(beside), companion{g, n})) {
			low = n
		} else {
			high = n - 1
		}
	}
	return low
}

// hostable reports whether some node or machine can host a unit of the members.
func (b *bundler) hostable(members []companion) bool {
	unit, ok := b.merge(members)
	return ok && b.welcome(unit)
}

// welcome reports whether some node or machine can host a unit of the group: others cannot wait for pods that never come.
func (b *bundler) welcome(g *group) bool {
	return slices.ContainsFunc(b.shelves, func(s *shelf) bool { options, _ := s.viable(g); return len(options) > 0 }) ||
		slices.ContainsFunc(b.hosts, func(h *host) bool { return h.room(g) > 0 })
}

// make takes the pods of so many units out of their groups and returns the bundle.
func (b *bundler) make(members []companion, units int) *group {
	out, _ := b.merge(members)
	out.pods = nil
	taken := make([][]*corev1.Pod, len(members))
	for i, m := range members {
		taken[i] = m.group.take(m.n * units)
	}
	for u := range units {
		for i, m := range members {
			n := m.n * m.group.size
			out.pods = append(out.pods, taken[i][u*n:(u+1)*n]...)
		}
	}
	out.left = units
	return out
}

// merge returns a group of one unit without pods that asks for what all members ask for; false if they do not go together.
func (b *bundler) merge(members []companion) (*group, bool) {
	first := members[0].group
	out := *first
	out.pods, out.size, out.left, out.members = nil, 0, 1, members
	out.requests, out.guest, out.carried, out.attachments = first.requests.clone(), guest{}, nil, nil
	clear(out.requests)
	out.shape, out.wants, out.planned = -1, nil, nil
	own, seen := ties{}, map[*ties]bool{}
	var there company
	for _, m := range members {
		g := m.group
		out.size += m.n * g.size
		for r, q := range g.requests {
			out.requests[r] = min(out.requests[r]+min(q, absurd/int64(m.n))*int64(m.n), absurd)
		}
		if out.unknown == "" {
			out.unknown = g.unknown
		}
		if there.room(g.guest, m.n) < m.n || b.quarrels(g, m.n, members) {
			return nil, false
		}
		if g.ties != nil && !seen[g.ties] {
			seen[g.ties] = true
			own.add(g, out.carries, b.topology)
		}
		there.join(g.guest, m.n)
		out.guest = out.guest.and(g.guest, m.n)
		out.carried = addCarries(out.carried, g.carried, m.n)
		out.attachments = addAttachments(out.attachments, g.attachments, m.n)
		if g != first {
			out.filter = b.grouper.bothFilters(out.filter, g.filter)
		}
	}
	out.ties = &own
	t := &b.rulebook.topology
	out.stakes = t.stakes(&out)
	out.axes = t.axesOf(&out)
	return &out, len(out.filter.alternatives) > 0
}

// quarrels reports whether so many pods of the group cannot be in one domain with each other or with the other members.
func (b *bundler) quarrels(g *group, n int, members []companion) bool {
	if g.ties == nil {
		return false
	}
	return slices.ContainsFunc(g.ties.apart, func(x apart) bool {
		others := -1 // the pod itself does not count
		if g.carries(x.mark) == 0 {
			others = 0
		}
		for _, m := range members {
			others += m.group.carries(x.mark) * m.n
		}
		return !x.soft && others > 0 && n > 0
	})
}

// add takes over the ties of a member to pods outside of the unit: what it wants to be near, and those before it bring, is there.
func (t *ties) add(member *group, before func(mark) int, of *topology) {
	o := member.ties
	t.spreads = append(t.spreads, o.spreads...)
	t.apart = append(t.apart, o.apart...)
	t.keys = append(t.keys, o.keys...)
	t.labeled = append(t.labeled, o.labeled...)
	for _, w := range o.with {
		if !w.onNode && before(w.mark) == 0 {
			w.late = w.late || member.carries(w.mark) == 0
			t.with = append(t.with, w)
			continue
		}
		for _, i := range w.counters {
			t.labeled = append(t.labeled, of.counters[i].axis)
		}
	}
}

// and returns the guest with n of another, strictest rules first.
func (g guest) and(o guest, n int) guest {
	out := guest{marks: addCarries(g.marks, o.marks, n), rules: slices.Concat(g.rules, o.rules)}
	slices.SortFunc(out.rules, compareRules)
	out.rules = slices.CompactFunc(out.rules, func(x, y rule) bool { return x.mark == y.mark })
	return out
}

// addCarries returns the sum of a and n times b, in order of mark.
func addCarries(a, b []carry, n int) []carry {
	out := slices.Clone(a)
	for _, c := range b {
		i, found := slices.BinarySearchFunc(out, c.mark, func(x carry, m mark) int { return cmp.Compare(x.mark, m) })
		if !found {
			out = slices.Insert(out, i, carry{mark: c.mark})
		}
		out[i].n += c.n * n
	}
	return out
}

// smaller reports whether the units could be smaller.
func (g *group) smaller() bool {
	return slices.ContainsFunc(g.members, func(m companion) bool { return m.n > 1 })
}

// unbundle returns the groups of the units that are left, which may make smaller bundles.
func (g *group) unbundle() []*group {
	var out []*group
	rest := g.pods[len(g.pods)-g.left*g.size:]
	for i, m := range g.members {
		part := *m.group
		part.pods, part.tried, part.pins, part.place = nil, nil, nil, nil
		part.bundleMost = max(m.n/2, 1)
		from := 0
		for _, before := range g.members[:i] {
			from += before.n * before.group.size
		}
		for u := range g.left {
			part.pods = append(part.pods, rest[u*g.size+from:u*g.size+from+m.n*m.group.size]...)
		}
		part.left = len(part.pods) / part.size
		out = append(out, &part)
	}
	return out
}
