package solver

import (
	"maps"
	"math"
	"slices"
)

// guest is what one unit of a group brings to a node: the marks it carries and what it asks of the others there.
type guest struct {
	marks []carry // in order of mark
	rules []rule  // in order of mark, at most one per mark
}

// carry is how many pods of a unit have a mark.
type carry struct {
	mark mark
	n    int
}

// carries returns how many pods of the unit have the mark.
func (g guest) carries(m mark) int {
	for _, c := range g.marks {
		if c.mark == m {
			return c.n
		}
	}
	return 0
}

// plain says that nobody minds the guest and it minds nobody.
func (g guest) plain() bool { return len(g.marks) == 0 && len(g.rules) == 0 }

// company counts the marks on one node and keeps the strictest rules of who is there. The zero value is an empty node.
type company struct {
	count map[mark]int
	most  map[mark]int
}

// room returns how many units of a guest may join, at most most.
func (c *company) room(g guest, most int) int {
	if g.plain() {
		return most
	}
	for _, m := range g.marks {
		if limit, ok := c.most[m.mark]; ok {
			most = min(most, (limit-c.count[m.mark])/m.n)
		}
	}
	for _, r := range g.rules {
		own := g.carries(r.mark)
		switch left := r.most - c.count[r.mark]; {
		case left < 0:
			return 0
		case own > 0:
			most = min(most, left/own)
		}
	}
	return max(most, 0)
}

// join adds n units and returns the rules that were in force before, for part to restore.
func (c *company) join(g guest, n int) []rule {
	if g.plain() {
		return nil
	}
	if c.count == nil {
		c.count, c.most = map[mark]int{}, map[mark]int{}
	}
	for _, m := range g.marks {
		c.count[m.mark] += m.n * n
	}
	var before []rule
	for _, r := range g.rules {
		limit, ok := c.most[r.mark]
		if r.loose || ok && limit <= r.most {
			continue
		}
		if !ok {
			limit = math.MaxInt
		}
		before = append(before, rule{mark: r.mark, most: limit})
		c.most[r.mark] = r.most
	}
	return before
}

// part takes back what the last join of these units did.
func (c *company) part(g guest, before []rule, n int) {
	for _, m := range g.marks {
		c.count[m.mark] -= m.n * n
	}
	for _, r := range before {
		c.most[r.mark] = r.most
	}
}

// clone returns a copy that shares nothing.
func (c *company) clone() company {
	return company{count: maps.Clone(c.count), most: maps.Clone(c.most)}
}

// suits reports whether the guest goes with itself: a unit of several pods may not.
func (g guest) suits() bool {
	return !slices.ContainsFunc(g.rules, func(r rule) bool { return g.carries(r.mark) > r.most })
}
