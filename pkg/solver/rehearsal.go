package solver

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// rehearsal binds the pods of a plan one after the other, as the scheduler would: a pod goes where the plan has it as soon as the
// filters let it in there. It looks at single pods in single places, where the rounds look at groups in domains.
type rehearsal struct {
	*topology
	sites []*site
	// total counts the pods by the marks that matter within nodes.
	total map[mark]int
	// floors caches least counts.
	floors map[floor]int
	// patience is how many more looks at pods may be taken, of all rehearsals of the plan.
	patience *int
	// coarse says that pods of a group in one place are taken together, and that those beside them on their nodes are not looked at.
	coarse bool
}

const (
	// mostRehearsing bounds the looks at single pods, mostGroupings those at groups in their places: a tenth of a second or two of each.
	mostRehearsing = 400_000
	mostGroupings  = 2_000_000
)

// floor identifies the least count of a mark on any node of a reach.
type floor struct {
	mark       mark
	reach      *reach
	minDomains int
}

// rehearse returns a rehearsal in which nobody but who is on nodes already is there.
func (s *solution) rehearse() *rehearsal {
	r := &rehearsal{topology: &s.rulebook.topology, sites: s.census(true), total: map[mark]int{}, floors: map[floor]int{}, patience: &s.patience}
	for _, at := range r.sites {
		for _, seat := range at.company.seats {
			r.total[seat.mark] += seat.count
		}
	}
	return r
}

// bind lets n pods of a group come.
func (r *rehearsal) bind(at *site, g *group, n int) {
	at.company.join(g.manners, n)
	r.receive(at, g, n)
	for _, m := range g.manners.marks {
		r.total[m.mark] += m.n * n
	}
	clear(r.floors)
}

// rehearseCoarsely returns a rehearsal of groups in their places.
func (s *solution) rehearseCoarsely() *rehearsal {
	r := s.rehearse()
	r.coarse, r.patience = true, &s.coarsePatience
	whole := map[party]*arrival{}
	for _, at := range r.sites {
		var own []*arrival
		for _, a := range at.arrivals {
			switch p := (party{a.unit, a.group}); {
			case a.unit.place == nil: // it does not matter when these come
				r.receive(at, a.group, a.waiting)
			case whole[p] == nil:
				all := *a
				all.parts = []*arrival{a}
				whole[p] = &all
				own = append(own, &all)
			default:
				all := whole[p]
				all.parts, all.pods, all.waiting = append(all.parts, a), append(slices.Clip(all.pods), a.pods...), all.waiting+a.waiting
			}
		}
		at.arrivals = own
	}
	return r
}

// come binds n pods of an arrival.
func (r *rehearsal) come(a *arrival, n int) {
	a.waiting -= n
	if !r.coarse {
		r.bind(a.site, a.group, n)
		return
	}
	for _, part := range a.parts {
		k := min(n, part.waiting)
		part.waiting -= k
		n -= k
		r.receive(part.site, a.group, k)
	}
}

// tired reports whether there were too many looks.
func (r *rehearsal) tired() bool { return *r.patience <= 0 }

// bindAll binds everybody, whether the filters would let them or not.
func (r *rehearsal) bindAll() {
	for _, at := range r.sites {
		for _, a := range at.arrivals {
			r.bind(at, a.group, a.waiting)
			a.waiting = 0
		}
	}
}

// Queues, in the order in which they are asked. Those who spread over nodes come first, as a node is often planned full of pods that
// they would count; those who do not count themselves come before those who do, for what they count can but become more. Then those
// who spread over larger domains, those who wait for company, and the rest, who mind nobody or mind each other.
const (
	countingOnNodes = iota
	levelOnNodes
	counting
	level
	joining
	easy
	kinds
)

// queue returns in which queue the pods of the group wait.
func (g *group) queue() int {
	if g.ties == nil {
		return easy
	}
	out := easy
	if slices.ContainsFunc(g.ties.with, func(w together) bool { return !w.soft }) {
		out = joining
	}
	for i := range g.ties.spreads {
		if s := &g.ties.spreads[i]; !s.soft {
			out = min(out, counting+oneIf(g.carries(s.mark) > 0))
		}
	}
	for i := range g.ties.near {
		if t := &g.ties.near[i]; !t.soft && t.skew > 0 {
			out = min(out, countingOnNodes+oneIf(g.carries(t.mark) > 0))
		}
	}
	return out
}

// queues holds those who wait.
type queues [kinds][]*arrival

// run binds the pods in an order in which all go, if it finds one, and returns those that never do; false if it takes too long to
// say.
func (r *rehearsal) run() ([]*arrival, bool) {
	var q queues
	for _, at := range r.sites {
		for _, a := range at.arrivals {
			i := a.group.queue()
			q[i] = append(q[i], a)
		}
	}
	for {
		for i := 0; i < easy; {
			if r.pass(&q[i]) {
				i = 0
			} else {
				i++
			}
		}
		switch {
		case r.tired():
			return nil, false
		case !r.passEasy(&q) && !r.step(&q):
			return slices.Concat(q[:]...), !r.tired()
		}
	}
}

// party is who is let in or not together: pods of a group in one place.
type party struct{ unit, group *group }

// pass binds who may come now without being in anybody's way, and keeps the others waiting; it reports whether anybody came.
func (r *rehearsal) pass(waiting *[]*arrival) bool {
	refused := map[party]bool{}
	came := false
	*waiting = slices.DeleteFunc(*waiting, func(a *arrival) bool {
		p := party{a.unit, a.group}
		if *r.patience--; refused[p] || r.tired() || r.bothers(a) {
			return false
		}
		n := r.among(a.site, a.group, a.waiting)
		if n == 0 {
			refused[p] = a.unit.place != nil // its other pods are in the same domains
			return false
		}
		if n = r.beside(a.site, a.group, n); n == 0 {
			return false
		}
		if r.levels(a.group) {
			n = 1
		}
		r.come(a, n)
		came = true
		return a.waiting == 0
	})
	return came
}

// bothers reports whether somebody who waits for the same node, and spreads over nodes, would count the pods of the arrival, who do
// not mind when they come.
func (r *rehearsal) bothers(a *arrival) bool {
	if r.coarse || len(a.group.manners.marks) == 0 || a.group.queue() < counting {
		return false
	}
	*r.patience -= len(a.site.arrivals)
	return slices.ContainsFunc(a.site.arrivals, func(b *arrival) bool {
		return b.waiting > 0 && b.group.ties != nil && slices.ContainsFunc(b.group.ties.near, func(t tie) bool {
			return !t.soft && t.skew > 0 && a.group.manners.carries(t.mark) > 0
		})
	})
}

// levels reports whether spreads count the group, so that its pods come to all domains in turn.
func (t *topology) levels(g *group) bool {
	return slices.ContainsFunc(g.stakes, func(s stake) bool { return t.counters[s.counter].spread })
}

// passEasy lets easy ones come: all of them if nobody else waits, else those whom nobody counts, or who come where there are no more
// than elsewhere of those who are counted. It reports whether anybody came.
func (r *rehearsal) passEasy(q *queues) bool {
	if !slices.ContainsFunc(q[:easy], func(list []*arrival) bool { return len(list) > 0 }) {
		return r.pass(&q[easy])
	}
	var some []*arrival
	q[easy] = slices.DeleteFunc(q[easy], func(a *arrival) bool {
		harmless := len(a.group.stakes) == 0 && len(a.group.manners.marks) == 0 || r.evens(a)
		if harmless {
			some = append(some, a)
		}
		return harmless
	})
	came := r.pass(&some)
	q[easy] = append(q[easy], some...)
	return came
}

// evens reports whether a pod of the arrival would come to domains that have the least of all whom spreads count with it.
func (r *rehearsal) evens(a *arrival) bool {
	return r.levels(a.group) && !slices.ContainsFunc(a.group.stakes, func(s stake) bool {
		c := r.counters[s.counter]
		return c.spread && slices.ContainsFunc(a.site.domains(r.topology, c.axis), func(d int) bool { return c.mostAt(d) > c.least(1, d) })
	})
}

// step lets one pod come that may be in somebody's way, as nobody else can: first of those whose company somebody waits for, then of
// those who are choosy themselves. It reports whether one came.
func (r *rehearsal) step(q *queues) bool {
	wanted := map[mark]bool{}
	for _, list := range q[:easy] {
		for _, a := range list {
			for _, w := range a.group.ties.with {
				wanted[w.mark] = wanted[w.mark] || !w.soft
			}
		}
	}
	asked := func(a *arrival) bool {
		return !r.bothers(a) && slices.ContainsFunc(a.group.carried, func(c carry) bool { return wanted[c.mark] })
	}
	if r.one(&q[easy], asked) {
		return true
	}
	for i := range q {
		if r.one(&q[i], func(*arrival) bool { return true }) {
			return true
		}
	}
	return false
}

// one binds the first pod of those that may come.
func (r *rehearsal) one(waiting *[]*arrival, of func(*arrival) bool) bool {
	for i, a := range *waiting {
		if *r.patience--; r.tired() {
			return false
		}
		if of(a) && r.room(a.site, a.group, 1) > 0 {
			if r.come(a, 1); a.waiting == 0 {
				*waiting = slices.Delete(*waiting, i, i+1)
			}
			return true
		}
	}
	return false
}

// absentees returns the pods of those who never come, by their units' groups, in order; units go as a whole.
func absentees(absent []*arrival) map[*group]map[*corev1.Pod]bool {
	out := map[*group]map[*corev1.Pod]bool{}
	for _, a := range absent {
		gone := out[a.unit]
		if gone == nil {
			gone = map[*corev1.Pod]bool{}
			out[a.unit] = gone
		}
		units, per := len(a.pods)/a.unit.size, 0
		for _, m := range a.unit.parts(1, nil) {
			if m.group == a.group && (per == 0 || m.n < per) {
				per = m.n
			}
		}
		from := max(units-(a.waiting+per-1)/per, 0)
		for _, pod := range a.pods[from*a.unit.size:] {
			gone[pod] = true
		}
	}
	return out
}
