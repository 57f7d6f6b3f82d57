package solver

import (
	"cmp"
	"slices"
	"strings"
)

// leastTrade is the part of what groups cost that trading places has to save.
const leastTrade = 1e-3

// footing is what topology knows groups by: those of one footing count alike wherever they are.
type footing struct {
	filter  *filter
	ties    int64
	carried string
}

// footing returns what topology knows the group by; false if its units have to stay where they are. On nodes, room depends on who
// is there.
func (g *group) footing() (footing, bool) {
	if g.place == nil || g.place.room > 0 || g.ties == nil || len(g.ties.spreads) == 0 || g.size > 1 || len(g.planned) > 0 || len(g.tried) > 0 {
		return footing{}, false
	}
	var carried strings.Builder
	for _, c := range g.carried {
		writeInt(&carried, int64(c.mark))
	}
	return footing{g.filter, g.ties.id, carried.String()}, true
}

// trade lets groups of one footing that spread exchange places: each place keeps as many units, but the small ones go where machines
// are dear.
func (a *assigner) trade() {
	bands, order := map[footing][]*group{}, []footing(nil)
	a.active = slices.DeleteFunc(a.active, func(g *group) bool {
		f, ok := g.footing()
		if ok {
			if bands[f] == nil {
				order = append(order, f)
			}
			bands[f] = append(bands[f], g)
		}
		return ok
	})
	for _, f := range order {
		groups := bands[f]
		if others, ok := a.deal(groups); ok {
			groups = others
		}
		a.active = append(a.active, groups...)
	}
}

// trader is one who takes part in a deal: a group, where it could be at what cost for a unit, and what is at stake.
type trader struct {
	group  *group
	places []*place // by place of the deal, nil where the group cannot be
	costs  []float64
	regret float64
}

// deal shares out the places of groups among them anew: who loses most in the wrong place chooses first. It is false if that costs
// hardly less, or does not work out.
func (a *assigner) deal(groups []*group) ([]*group, bool) {
	var places []*place
	var free []int // units by place
	for _, g := range groups {
		i := slices.IndexFunc(places, func(p *place) bool { return p.pins == g.place.pins })
		if i < 0 {
			i, places, free = len(places), append(places, g.place), append(free, 0)
		}
		free[i] += g.left
	}
	if len(places) < 2 || !slices.ContainsFunc(groups, a.minds) {
		return nil, false
	}
	before, after := 0.0, 0.0
	traders := make([]trader, 0, len(groups))
	for _, g := range groups {
		before += a.unitCost(g.place) * float64(g.left)
		traders = append(traders, a.trader(g, places))
	}
	slices.SortStableFunc(traders, func(x, y trader) int { return cmp.Compare(y.regret, x.regret) })
	var out []*group
	for i := range traders {
		s := &traders[i]
		for from := 0; from < s.group.left; {
			k := s.cheapest(free)
			if k < 0 {
				return nil, false
			}
			n := min(free[k], s.group.left-from)
			part := s.group.part(from, from+n)
			part.place, part.pins = s.places[k], s.places[k].pins
			out, from, free[k] = append(out, part), from+n, free[k]-n
			after += s.costs[k] * float64(n)
		}
	}
	return out, after < before*(1-leastTrade)
}

// minds reports whether the group costs more in one place than in another.
func (a *assigner) minds(g *group) bool {
	return slices.ContainsFunc(a.places(g), func(p *place) bool { return p.toll != g.place.toll })
}

// unitCost returns what a unit costs in a place among all the others, US dollars per hour.
func (a *assigner) unitCost(p *place) float64 { return p.toll.of(a.units) / float64(a.units) }

// trader returns what the group could have of the places.
func (a *assigner) trader(g *group, places []*place) trader {
	s := trader{group: g, places: make([]*place, len(places)), costs: make([]float64, len(places))}
	known, least, most := a.places(g), -1.0, 0.0
	for k, p := range places {
		i := slices.IndexFunc(known, func(q *place) bool { return q.pins == p.pins && q.room == 0 })
		if i < 0 {
			continue
		}
		s.places[k], s.costs[k] = known[i], a.unitCost(known[i])
		if most = max(most, s.costs[k]); least < 0 || s.costs[k] < least {
			least = s.costs[k]
		}
	}
	s.regret = most - least
	return s
}

// cheapest returns the cheapest place that has some units free; -1 if there is none.
func (s *trader) cheapest(free []int) int {
	best := -1
	for k, p := range s.places {
		if p != nil && free[k] > 0 && (best < 0 || s.costs[k] < s.costs[best]) {
			best = k
		}
	}
	return best
}
