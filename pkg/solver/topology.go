package solver

import "slices"

// topology counts pods by the domains of topology keys other than the hostname: for each selector that somebody cares about,
// how many of the pods that it selects are in each zone, say.
type topology struct {
	axes         []*axis
	axisIndex    map[string]int
	counters     []*counter
	counterIndex map[counterKey]int
	// carriers and holders list the counters of a mark, by mark.
	carriers, holders [][]int
	reaches           map[digest]*reach
	// knows says of a label key whether any node or machine has it.
	knows func(key string) bool
}

// axis is a topology key and its domains.
type axis struct {
	key    string
	values []string
	index  map[string]int
}

// counterKey says what a counter counts: the pods with the mark or, if held, those that keep it out of their domain.
type counterKey struct {
	axis  int
	mark  mark
	held  bool
	reach *reach // the nodes on which pods count; nil for all
}

// counter counts pods by domain.
type counter struct {
	counterKey
	// sure are the pods that are there for sure, most those that may be: some do not have their place on the axis settled.
	sure, most []int32
	total      int64 // of most
	// there says in which domains there are nodes that count.
	there []presence
	// binding says that requirements look at it, not only preferences.
	binding bool
	// shunned says that pods keep out of domains where it counts somebody.
	shunned bool
	// spread says that it is for a spread, which wants its domains to be level.
	spread bool
}

// presence says whether something is the case.
type presence int8

const (
	never presence = iota
	maybe
	surely
)

func newTopology() topology {
	return topology{axisIndex: map[string]int{}, counterIndex: map[counterKey]int{}, reaches: map[digest]*reach{}}
}

// axisOf returns the index of a topology key.
func (t *topology) axisOf(key string) int {
	i, ok := t.axisIndex[key]
	if !ok {
		i = len(t.axes)
		t.axisIndex[key] = i
		t.axes = append(t.axes, &axis{key: key, index: map[string]int{}})
	}
	return i
}

// domain returns the index of a value.
func (a *axis) domain(value string) int {
	d, ok := a.index[value]
	if !ok {
		d = len(a.values)
		a.index[value] = d
		a.values = append(a.values, value)
	}
	return d
}

// counterOf returns the index of a counter.
func (t *topology) counterOf(key counterKey) int {
	i, ok := t.counterIndex[key]
	if ok {
		return i
	}
	i = len(t.counters)
	t.counterIndex[key] = i
	t.counters = append(t.counters, &counter{counterKey: key})
	by := &t.carriers
	if key.held {
		by = &t.holders
	}
	for len(*by) <= int(key.mark) {
		*by = append(*by, nil)
	}
	(*by)[key.mark] = append((*by)[key.mark], i)
	return i
}

// bind returns the index of a counter that a requirement, or but a preference, looks at.
func (t *topology) bind(key counterKey, soft bool) int {
	i := t.counterOf(key)
	t.counters[i].binding = t.counters[i].binding || !soft
	return i
}

// carriersOf returns the counters of the pods with the mark.
func (t *topology) carriersOf(m mark) []int {
	if int(m) < len(t.carriers) {
		return t.carriers[m]
	}
	return nil
}

// holdersOf returns the counters of the pods that keep the mark away.
func (t *topology) holdersOf(m mark) []int {
	if int(m) < len(t.holders) {
		return t.holders[m]
	}
	return nil
}

// clear sets all counts to zero.
func (t *topology) clear() {
	for _, c := range t.counters {
		clear(c.sure)
		clear(c.most)
		clear(c.there)
		c.total = 0
	}
}

// tally is what a counter has counted.
type tally struct {
	sure, most []int32
	total      int64
	there      []presence
}

// tallies returns what the counters have counted so far.
func (t *topology) tallies() []tally {
	out := make([]tally, 0, len(t.counters))
	for _, c := range t.counters {
		out = append(out, tally{slices.Clone(c.sure), slices.Clone(c.most), c.total, slices.Clone(c.there)})
	}
	return out
}

// recall makes the counters forget all that they have counted since; those that are newer forget everything.
func (t *topology) recall(before []tally) {
	for i, c := range t.counters {
		var then tally
		if i < len(before) {
			then = before[i]
		}
		c.sure, c.most, c.total, c.there = then.sure, then.most, then.total, then.there
	}
}

// add counts n pods in a domain, for sure or perhaps.
func (c *counter) add(d, n int, sure bool) {
	c.grow(d)
	c.most[d] += int32(n) //nolint:gosec // there are fewer pods than that
	c.total += int64(n)
	if sure {
		c.sure[d] += int32(n) //nolint:gosec // there are fewer pods than that
	}
}

// put counts n pods on nodes in a domain, which count or may.
func (c *counter) put(d, n int, seen presence) {
	if n > 0 && seen != never {
		c.add(d, n, seen == surely)
		c.note(d, seen)
	}
}

func (c *counter) grow(d int) {
	for len(c.most) <= d {
		c.most, c.sure, c.there = append(c.most, 0), append(c.sure, 0), append(c.there, never)
	}
}

// note says that there are nodes that count in a domain.
func (c *counter) note(d int, p presence) {
	c.grow(d)
	c.there[d] = max(c.there[d], p)
}

// mostAt returns how many pods may be in a domain.
func (c *counter) mostAt(d int) int {
	if d < 0 || d >= len(c.most) {
		return 0
	}
	return int(c.most[d])
}

// sureAt returns how many pods are in a domain for sure.
func (c *counter) sureAt(d int) int {
	if d < 0 || d >= len(c.sure) {
		return 0
	}
	return int(c.sure[d])
}

// least returns what the scheduler may take for the least count of all domains when it looks at a pod in one of them, where there
// will be a node: zero while there are fewer than the spread wants. The domain itself may be the one with the least, and however
// many its count turns out to be, it is both.
func (c *counter) least(minDomains, in int) int {
	least, domains := c.mostAt(in), 1
	for d, p := range c.there {
		if d == in {
			continue
		}
		if p == surely {
			domains++
		}
		if p != never {
			least = min(least, int(c.sure[d]))
		}
	}
	if domains < minDomains {
		return 0
	}
	return least
}

// stake is a counter that a unit of a group adds to.
type stake struct {
	counter, n int
}

// stakes returns the counters that a unit of the group adds to.
func (t *topology) stakes(g *group) []stake {
	var out []stake
	for _, c := range g.carried {
		for _, i := range t.carriersOf(c.mark) {
			if t.counters[i].reach.filter(g.filter, nil) != never {
				out = append(out, stake{i, c.n})
			}
		}
	}
	if g.ties != nil {
		for _, a := range g.ties.apart {
			if a.holders >= 0 {
				out = append(out, stake{a.holders, g.size})
			}
		}
	}
	return out
}

// axesOf returns the axes on which a group's place has to be settled, in order: those that its own ties are about, and those on
// which requirements of others count it.
func (t *topology) axesOf(g *group) []int {
	var out []int
	if g.ties != nil {
		out = append(out, g.ties.labeled...)
		for _, s := range g.ties.spreads {
			out = append(out, s.axis)
		}
		for _, a := range g.ties.apart {
			out = append(out, t.counters[a.carriers].axis)
		}
		for _, w := range g.ties.with {
			for _, i := range w.counters {
				out = append(out, t.counters[i].axis)
			}
		}
	}
	for _, s := range g.stakes {
		if t.counters[s.counter].binding {
			c := t.counters[s.counter]
			out = append(out, c.axis)
			if c.reach != nil {
				out = append(out, c.reach.axes...)
			}
		}
	}
	for _, c := range g.carried {
		for _, i := range t.holdersOf(c.mark) {
			out = append(out, t.counters[i].axis)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
