package solver

import (
	"context"
	"slices"
)

// eke uses up what limits leave: groups that they have stopped are asked again which machines they can have, of those alone that
// there is still room for. A smaller instance type may do that is special, or that is not enough of a choice where that may be.
func (s *solution) eke(ctx context.Context, shelf *shelf) {
	for ctx.Err() == nil {
		stocks := shelf.affordable()
		left := s.stoppedBy(shelf, s.groups)
		if stocks.empty() || len(left) == 0 {
			return
		}
		sold, narrow := len(shelf.sold), map[*choice]*choice{}
		s.buyLots(ctx, shelf.lots(s.effort.tempo, left, s.problem.Settings.NodeFee, func(g *group) ([]option, miss) {
			c := shelf.choose(g.filter, g.pins)
			if narrow[c] == nil {
				narrow[c] = c.among(stocks)
			}
			if !slices.ContainsFunc(narrow[c].options, func(o option) bool { return shelf.hosts(&o, g) }) {
				return nil, miss{} // it has learnt already that limits stop it
			}
			return shelf.sift(narrow[c], g)
		}))
		if len(shelf.sold) == sold {
			return
		}
		s.topUp(shelf)
	}
}

// stoppedBy returns those of the groups with units left for which the shelf has machines, limits aside.
func (s *solution) stoppedBy(shelf *shelf, groups []*group) []*group {
	if len(shelf.budget.names) == 0 {
		return nil
	}
	var out []*group
	for _, g := range groups {
		if g.left == 0 || g.miss.stage == missRefused {
			continue
		}
		if options, _ := shelf.viable(g); len(options) > 0 {
			out = append(out, g)
		}
	}
	return out
}

// affordable returns the instance types that limits leave room for; none if there are no limits.
func (s *shelf) affordable() bitset {
	out := newBitset(len(s.stocks))
	if len(s.budget.names) == 0 {
		return out
	}
	for t := range s.allowed.all {
		if !s.budget.binds(s.stocks[t].capacity) {
			out.add(t)
		}
	}
	return out
}

// among returns the choice with none but these instance types.
func (c *choice) among(stocks bitset) *choice {
	out := &choice{miss: c.miss, tops: make([]tops, len(c.options))}
	for i := range c.options {
		out.options, out.plain = append(out.options, c.options[i].among(stocks)), append(out.plain, c.plain[i].among(stocks))
	}
	return out
}

// among returns the option with none but these instance types.
func (o option) among(stocks bitset) option {
	o.stocks = slices.Clone(o.stocks)
	o.stocks.and(stocks)
	return o.identified()
}
