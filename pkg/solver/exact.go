package solver

import (
	"cmp"
	"context"
	"maps"
	"slices"
)

// exactly plans for all that is left, if that is so little that every way to divide it between nodes and machines can be looked
// at: of the plans that place the most pods, it takes one that costs least. It changes nothing and returns false where
// that would be too much work. The shelves are those that may still buy, the heaviest first; each takes as many pods as it can
// at the least cost before the next is asked.
func (s *solution) exactly(ctx context.Context, shelves []*shelf) bool {
	f, ok := s.few(shelves)
	if !ok || ctx.Err() != nil {
		return false
	}
	berths, ok := f.berths(s.nodes)
	if !ok {
		return false
	}
	e := &exact{few: f, berths: berths, shelves: shelves}
	best, ok := e.choose()
	if ok {
		s.carryOut(ctx, e, best)
	}
	return ok
}

// few returns what is left to plan for, without the groups that nobody can host.
func (s *solution) few(shelves []*shelf) (*few, bool) {
	var groups []*group
	for _, g := range s.groups {
		if g.left == 0 || g.miss.stage == missRefused {
			continue
		}
		if g.left > fewStates || len(groups) == fewGroups {
			return nil, false
		}
		groups = append(groups, g)
	}
	groups = slices.DeleteFunc(groups, func(g *group) bool {
		return !slices.ContainsFunc(s.nodes, func(h *host) bool { return h.room(g) > 0 }) &&
			!slices.ContainsFunc(shelves, func(shelf *shelf) bool {
				options, _ := shelf.viable(g)
				return len(options) > 0
			})
	})
	looks := mostLooks
	if steps := s.problem.Settings.Steps; steps > 0 {
		looks = min(looks, steps)
	}
	return newFew(groups, s.problem.Settings.NodeFee, looks, s.effort.tempo)
}

// exact looks for the best way to divide units between berths and tables.
type exact struct {
	few     *few
	berths  []*berth
	shelves []*shelf
	// tables of the first shelves, as many as were needed: most often the first takes all pods.
	tables []*table
}

// outcome is one way: what nodes take, and what each table buys for.
type outcome struct {
	seated   int
	bought   []order
	unplaced int // pods
	bill     bill
}

// order is a state with the draft that buys for it.
type order struct{ state, draft int }

// choose returns the outcome with the fewest unplaced pods, of those the cheapest, with the fewest machines, and of those
// the one with the most pods on nodes.
func (e *exact) choose() (outcome, bool) {
	for {
		before := e.limited()
		best, ok := e.search()
		if e.limited() == before || !ok {
			return best, ok
		}
		// A table was filled anew on the way, so drafts that were noted before may be gone.
	}
}

// limited returns how many tables keep to limits.
func (e *exact) limited() int {
	n := 0
	for _, t := range e.tables {
		if t.limited {
			n++
		}
	}
	return n
}

func (e *exact) search() (outcome, bool) {
	var best outcome
	found := false
	for seated := range e.few.counts {
		if seated > 0 && (len(e.berths) == 0 || e.berths[len(e.berths)-1].share[seated] < 0) {
			continue
		}
		o, ok := e.outcome(seated)
		if !ok {
			return outcome{}, false
		}
		better := cmp.Or(cmp.Compare(o.unplaced, best.unplaced), o.bill.compare(best.bill),
			cmp.Compare(e.few.pods(best.seated), e.few.pods(o.seated)))
		if !found || better < 0 {
			best, found = o, true
		}
	}
	return best, found
}

// outcome returns what the tables make of what the nodes leave.
func (e *exact) outcome(seated int) (outcome, bool) {
	o, left := outcome{seated: seated}, e.few.all()-seated
	for i := 0; i < len(e.shelves) && left > 0; i++ {
		if i == len(e.tables) {
			t, ok := newTable(e.few, e.shelves[i])
			if !ok {
				return outcome{}, false
			}
			e.tables = append(e.tables, t)
		}
		t := e.tables[i]
		bought, ok := t.best(left)
		if !ok {
			return outcome{}, false
		}
		o.bought = append(o.bought, bought)
		if bought.state > 0 {
			o.bill = o.bill.plus(t.drafts[bought.state][bought.draft].bill)
		}
		left -= bought.state
	}
	o.unplaced = e.few.pods(left)
	return o, true
}

// carryOut places and buys what the outcome says, and tells the rest why there is nothing for it.
func (s *solution) carryOut(ctx context.Context, e *exact, o outcome) {
	parts, seated := make([]int, len(e.berths)), o.seated
	for i := len(e.berths) - 1; i >= 0 && seated > 0; i-- {
		parts[i] = e.berths[i].share[seated]
		seated -= parts[i]
	}
	for i, part := range parts {
		for k, n := range e.few.counts[part] {
			if n > 0 {
				s.place(e.berths[i].host, e.few.groups[k], n)
			}
		}
	}
	slices.SortStableFunc(s.plan.Placements, func(a, b Placement) int { return comparePods(a.Pod, b.Pod) })
	for i, shelf := range e.shelves {
		if i < len(o.bought) {
			e.tables[i].sell(o.bought[i])
		}
		for _, g := range s.groups {
			if g.left > 0 && g.miss.stage != missRefused {
				g.miss = g.miss.nearer(e.miss(ctx, shelf, g))
			}
		}
	}
}

// miss returns why a shelf buys no machine for what is left of a group.
func (e *exact) miss(ctx context.Context, shelf *shelf, g *group) miss {
	options, m := shelf.viable(g)
	if len(options) == 0 {
		return m
	}
	return shelf.stopped(ctx, g, options)
}

// allLots returns the lots of the groups, with each group in all lots that it may be in. That would be too many where there are
// many groups, but here it leaves open who goes with whom.
func (s *shelf) allLots(groups []*group, fee float64) []*lot {
	byLabels, options := map[string]*lot{}, make([][]option, len(groups))
	for i, g := range groups {
		options[i], _ = s.viable(g)
		for _, o := range options[i] {
			if !o.indifferent {
				s.lot(byLabels, o)
			}
		}
	}
	for i, g := range groups { // those who do not mind, but for the DaemonSets of each lot
		fits := func(l *lot) bool { return len(s.under(l, options[i], g)) > 0 }
		if len(options[i]) > 0 && !slices.ContainsFunc(slices.Collect(maps.Values(byLabels)), fits) {
			s.lot(byLabels, options[i][0])
		}
	}
	var out []*lot
	for _, key := range slices.Sorted(maps.Keys(byLabels)) {
		l := byLabels[key]
		for i, g := range groups {
			if agreed := s.under(l, options[i], g); len(agreed) > 0 {
				l.add(g, agreed, key)
			}
		}
		l.stock(fee)
		out = append(out, l)
	}
	return out
}
