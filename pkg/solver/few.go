package solver

import (
	"iter"
	"math"
	"slices"
)

const (
	// fewGroups, fewStates and fewParts bound the problems of which every way to divide the pods is looked at. Ten pods that all
	// differ have 2^10 states with 3^10 parts.
	fewGroups = 48
	fewStates = 1 << 10
	fewParts  = 59049
	// fewHosts is how many nodes may be able to take some of the pods.
	fewHosts = 8
	// mostLooks bounds the looks at a pod or a machine that go into one problem.
	mostLooks = 2_000_000
)

// few is a number of units so small that every part of them can be looked at. A state is a part: how many units of each group,
// written as one number with a digit for each group. Sums and differences of states are those of the numbers, as long as no
// digit overflows.
type few struct {
	groups  []*group
	strides []int
	// counts and loads of all states: units by group, and what these ask for.
	counts [][]int
	loads  []vector
	// order of the groups in which units join a node: those with rules that matter only on joining come first.
	order []int
	// fee is what a machine costs on top of its price.
	fee   float64
	looks int // that are left
	tempo *tempo
}

// newFew returns false if there are too many states or parts.
func newFew(groups []*group, fee float64, looks int, at *tempo) (*few, bool) {
	f := &few{groups: groups, fee: fee, looks: looks, tempo: at}
	states, parts := 1, 1
	for _, g := range groups {
		f.strides = append(f.strides, states)
		states, parts = states*(g.left+1), parts*(g.left+1)*(g.left+2)/2
		if states > fewStates || parts > fewParts {
			return nil, false
		}
	}
	for _, loose := range []bool{true, false} {
		for i, g := range groups {
			if slices.ContainsFunc(g.guest.rules, func(r rule) bool { return r.loose }) == loose {
				f.order = append(f.order, i)
			}
		}
	}
	for state := range states {
		load, counts := vector(nil), make([]int, len(groups))
		for i, g := range groups {
			counts[i] = state / f.strides[i] % (g.left + 1)
			if load == nil {
				load = make(vector, len(g.requests))
			}
			for r, q := range g.requests {
				load[r] = saturated(load[r], q, int64(counts[i]))
			}
		}
		f.counts, f.loads = append(f.counts, counts), append(f.loads, load)
	}
	return f, true
}

// saturated returns so much and n times q more, or what is more than any machine has.
func saturated(so, q, n int64) int64 {
	const most = math.MaxInt64 / 2
	if q > 0 && n > (most-so)/q {
		return most
	}
	return so + q*n
}

// all returns the state of all units.
func (f *few) all() int { return len(f.counts) - 1 }

// pods returns how many pods a state has.
func (f *few) pods(state int) int {
	n := 0
	for i, count := range f.counts[state] {
		n += count * f.groups[i].size
	}
	return n
}

// only returns the part of a state that is of some groups.
func (f *few) only(state int, of func(group int) bool) int {
	part := 0
	for i, count := range f.counts[state] {
		if count > 0 && of(i) {
			part += count * f.strides[i]
		}
	}
	return part
}

// lesser yields the states that have one unit less.
func (f *few) lesser(state int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i, count := range f.counts[state] {
			if count > 0 && !yield(state-f.strides[i]) {
				return
			}
		}
	}
}

// parts yields the parts of a state in order of their numbers, from nothing to all of it.
func (f *few) parts(state int) iter.Seq[int] {
	return func(yield func(int) bool) {
		most := f.counts[state]
		have := make([]int, len(most))
		for part := 0; yield(part); {
			i := 0
			for ; i < len(have) && have[i] == most[i]; i++ {
				part -= have[i] * f.strides[i]
				have[i] = 0
			}
			if i == len(have) {
				return
			}
			have[i]++
			part += f.strides[i]
		}
	}
}

// amicable reports whether the units of a state go with each other and with those who are there.
func (f *few) amicable(state int, there *company) bool {
	c := there.clone()
	for _, i := range f.order {
		n, g := f.counts[state][i], f.groups[i].guest
		if n == 0 || g.plain() {
			continue
		}
		if c.room(g, n) < n {
			return false
		}
		c.join(g, n)
	}
	return true
}

// look counts n looks, and reports whether there were so many left, and time for them.
func (f *few) look(n int) bool {
	before := f.looks / stride
	f.looks -= n
	return f.looks >= 0 && (f.looks/stride == before || f.tempo.Err() == nil)
}

// berth is a node with what it can take.
type berth struct {
	host *host
	// takes says of each state whether the node has room for it.
	takes []bool
	// share is, for each state that this node and those before it can take together, what this node takes of it; -1 for others.
	share []int
}

// berths returns the nodes that can take some of the units, with all that they can take together in the shares of the last;
// false if there are too many.
func (f *few) berths(hosts []*host) ([]*berth, bool) {
	var out []*berth
	for _, h := range hosts {
		if !f.welcome(h) {
			continue
		}
		if len(out) == fewHosts || !f.look(len(f.counts)) {
			return nil, false
		}
		s := &berth{host: h, takes: make([]bool, len(f.counts))}
		for state := range s.takes {
			s.takes[state] = f.fit(s, state)
		}
		out = append(out, s)
	}
	for i, s := range out {
		var before *berth
		if i > 0 {
			before = out[i-1]
		}
		if !f.share(s, before) {
			return nil, false
		}
	}
	return out, true
}

func (f *few) welcome(h *host) bool {
	for _, g := range f.groups {
		if h.room(g) > 0 {
			return true
		}
	}
	return false
}

// fit reports whether the node can take the state; takes is known for all states with fewer units.
func (f *few) fit(s *berth, state int) bool {
	for less := range f.lesser(state) {
		if !s.takes[less] {
			return false
		}
	}
	h := s.host.clone()
	for _, i := range f.order {
		n := f.counts[state][i]
		if n == 0 {
			continue
		}
		if h.room(f.groups[i]) < n {
			return false
		}
		h.take(f.groups[i], n)
	}
	return true
}

// share fills in what the node takes of each state. The nodes before it take as much as they can.
func (f *few) share(s, before *berth) bool {
	s.share = make([]int, len(f.counts))
	for state := range s.share {
		s.share[state] = -1
		n := 0
		for part := range f.parts(state) {
			n++
			if rest := state - part; s.takes[part] && (rest == 0 || before != nil && before.share[rest] >= 0) {
				s.share[state] = part
				break
			}
		}
		if !f.look(n) {
			return false
		}
	}
	return true
}
