package solver

import (
	"context"
	"fmt"
	"slices"
)

// misses says for each provisioner, the heaviest first, why it buys no machine for a group that is left, and which label is asked
// of it in vain; nil if none was asked.
func (s *solution) misses(ctx context.Context, g *group) ([]Miss, []string) {
	if g.miss.stage == missRefused {
		return nil, nil
	}
	out, keys := make([]Miss, 0, len(s.shelves)), make([]string, 0, len(s.shelves))
	for _, shelf := range s.shelves {
		m := shelf.misses(ctx, g)
		if m.stage == missNothing {
			m = g.miss // it is neither what it sells nor its limits
		}
		out, keys = append(out, Miss{Provisioner: shelf.provisioner.Name, Reason: m.reason(g)}), append(keys, m.key)
	}
	return out, keys
}

// misses returns why the shelf has no machine for a unit of the group; nothing if it has.
func (s *shelf) misses(ctx context.Context, g *group) miss {
	if ctx.Err() != nil && !s.judged(g) {
		return miss{stage: missTime, text: outOfTime}
	}
	options, m := s.viable(g)
	switch {
	case len(options) == 0 && m.stage == missTaint && s.hostsTolerant(g):
		m.stage = missToleration
		return m
	case len(options) == 0:
		return m
	case ctx.Err() != nil:
		return miss{stage: missTime, text: outOfTime}
	default:
		return s.overspent(g, options)
	}
}

// hostsTolerant reports whether a machine could host a unit of the group if its pods tolerated the taints.
func (s *shelf) hostsTolerant(g *group) bool {
	c := s.chooseTolerated(g.filter, g.pins)
	return slices.ContainsFunc(c.options, func(o option) bool { return s.hosts(&o, g) })
}

// nearest returns the nearest miss of a group that is left, now that there is time to look closer at what stops it.
func (s *solution) nearest(ctx context.Context, g *group) miss {
	if g.miss.stage == missNothing || g.miss.stage >= missMinValues {
		return g.miss
	}
	out := g.miss
	for _, shelf := range s.shelves {
		out = out.nearer(shelf.misses(ctx, g))
	}
	return out
}

// overspent returns which limit leaves room for no machine that hosts a unit of the group; nothing if there is room for one.
func (s *shelf) overspent(g *group, options []option) miss {
	if len(s.budget.names) == 0 {
		return miss{}
	}
	least, limit := int64(absurd), -1 // the least that a machine takes of the limit that stops the most modest one
	for i := range options {
		o := &options[i]
		for t := range o.stocks.all {
			st := s.stocks[t]
			for k := range o.ways.all {
				w := &st.wares[k]
				if !w.sold || !s.fits(g, st, w) || !w.offered(o.zones) {
					continue
				}
				over, exhausted := s.budget.exhausted(st.capacity)
				if !exhausted {
					return miss{}
				}
				if limit < 0 || over == limit && st.capacity[over] < least {
					least, limit = st.capacity[over], over
				}
			}
		}
	}
	if limit < 0 {
		return miss{}
	}
	name := s.budget.names[limit]
	return miss{stage: missLimit, text: fmt.Sprintf("limit %s of provisioner %s is reached: %s is left, the smallest machine for it takes %s; raise it in spec.limits",
		name, s.provisioner.Name, amount(name, max(s.budget.left[limit], 0)), amount(name, least))}
}
