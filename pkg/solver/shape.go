package solver

import (
	"cmp"
	"slices"
	"strings"
)

const (
	// mostSlotAxes bounds how many rules of the kind "so many to a machine" are treated as resources: each costs time everywhere,
	// and those with the most demand say what the others would.
	mostSlotAxes = 3
	// leastSlots is the number of machines from which on such a rule matters.
	leastSlots = 4
	// others is the part of the pods that are limited by a rule which those that are not may be: beyond it the rule is no
	// resource, as pods that do not count against it would be taken for ones that do.
	others = 0.25
)

// shape is what items of one size and class have in common. What differs within a shape is who they go with.
type shape struct {
	size  vector // on the lot's axes
	class *class
	// items of the shape, those that are hardest to find company for first.
	items []int
	// plain says that nobody minds any of the items, nor they anybody.
	plain bool
}

// axes are what is scarce on the machines of a lot: resources that some item asks for, and slots.
type axes struct {
	resources []int // their places among the dimensions
	slots     []slot
}

// slot is a mark of which a machine may have so many, for nearly all who carry it say so. Anti-affinity among the pods of a
// workload and host ports are of this kind. As an axis it has a worth: machines then are chosen so that what must be apart is
// apart on machines that the rest fills up, instead of being left over for machines of its own.
type slot struct {
	mark mark
	most int
}

func (a *axes) len() int { return len(a.resources) + len(a.slots) }

// size returns the requests of a group on the axes.
func (a *axes) size(g *group) vector {
	v := make(vector, 0, a.len())
	for _, r := range a.resources {
		v = append(v, g.requests[r])
	}
	for _, s := range a.slots {
		n := 0
		if slices.ContainsFunc(g.guest.rules, func(r rule) bool { return r.mark == s.mark }) {
			n = g.guest.carries(s.mark)
		}
		v = append(v, int64(n))
	}
	return v
}

// room returns what a ware has on the axes.
func (a *axes) room(w *ware) vector {
	v := make(vector, 0, a.len())
	for _, r := range a.resources {
		v = append(v, w.usable[r])
	}
	for _, s := range a.slots {
		v = append(v, int64(max(s.most-w.residents.look(s.mark).count, 0)))
	}
	return v
}

// measure finds the axes, and sorts items into shapes and offers' rooms along them.
func (l *lot) measure(offers []offer) {
	for r := range l.shelf.dimensions.names {
		if slices.ContainsFunc(l.items, func(it *item) bool { return it.group.requests[r] > 0 }) {
			l.axes.resources = append(l.axes.resources, r)
		}
	}
	l.axes.slots = l.slots()
	rooms := map[*ware]vector{}
	for i := range offers {
		o := &offers[i]
		if rooms[o.ware] == nil {
			rooms[o.ware] = l.axes.room(o.ware)
			for _, s := range o.ware.residents.seats {
				l.marks = max(l.marks, int(s.mark)+1)
			}
		}
		o.room = rooms[o.ware]
	}
	l.shapes = nil
	index := map[string]int{}
	for i, it := range l.items {
		size := l.axes.size(it.group)
		var key strings.Builder
		writeInt(&key, int64(it.class.place))
		for _, n := range size {
			writeInt(&key, n)
		}
		if !it.group.guest.plain() && len(l.items) <= mostRows { // so that a shape can be a row of a linear program
			writeInt(&key, int64(i))
		}
		s, ok := index[key.String()]
		if !ok {
			s = len(l.shapes)
			index[key.String()] = s
			l.shapes = append(l.shapes, shape{size: size, class: it.class, plain: true})
		}
		it.shape = s
		l.shapes[s].items = append(l.shapes[s].items, i)
		l.shapes[s].plain = l.shapes[s].plain && it.group.guest.plain()
	}
	for i := range l.shapes {
		slices.SortStableFunc(l.shapes[i].items, func(a, b int) int {
			x, y := l.items[a].group.guest, l.items[b].group.guest
			return cmp.Or(cmp.Compare(len(y.rules), len(x.rules)), cmp.Compare(len(y.marks), len(x.marks)))
		})
	}
}

// plain reports whether everybody goes with everybody.
func (l *lot) plain() bool {
	return !slices.ContainsFunc(l.shapes, func(s shape) bool { return !s.plain })
}

// headcount is who has to do with a mark.
type headcount struct {
	mark mark
	// held counts the pods that carry the mark and have a rule about it, loud those that only carry it.
	held, loud int
	most       int
}

// slots returns the rules that are worth an axis: those that ask for the most machines.
func (l *lot) slots() []slot {
	all := make([]headcount, l.marks)
	for _, it := range l.items {
		for _, m := range it.group.guest.marks {
			all[m.mark].mark = m.mark
			all[m.mark].loud += m.n * it.group.left
		}
		for i, r := range it.group.guest.rules {
			if n := it.own[i] * it.group.left; n > 0 && r.most > 0 {
				c := &all[r.mark]
				c.held, c.loud = c.held+n, c.loud-n
				if c.most == 0 || r.most < c.most {
					c.most = r.most
				}
			}
		}
	}
	all = slices.DeleteFunc(all, func(c headcount) bool {
		return c.held == 0 || c.held < leastSlots*c.most || float64(c.loud) > others*float64(c.held)
	})
	slices.SortFunc(all, func(a, b headcount) int {
		return cmp.Or(cmp.Compare(b.held*a.most, a.held*b.most), cmp.Compare(a.mark, b.mark))
	})
	var out []slot
	for _, c := range all[:min(len(all), mostSlotAxes)] {
		out = append(out, slot{c.mark, c.most})
	}
	return out
}
