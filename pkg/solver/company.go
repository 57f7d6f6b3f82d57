package solver

import (
	"cmp"
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
	seats []seat // in order of mark
}

// seat is what is known of a mark on a node.
type seat struct {
	mark mark
	// count of the pods that carry it.
	count int
	// most that the rules of who is there allow.
	most int
}

// at returns where the mark's seat is or would be.
func (c *company) at(m mark) (int, bool) {
	return slices.BinarySearchFunc(c.seats, m, func(s seat, m mark) int { return cmp.Compare(s.mark, m) })
}

// seat returns what is known of the mark, and takes note of it if nothing was.
func (c *company) seat(m mark) *seat {
	i, ok := c.at(m)
	if !ok {
		c.seats = slices.Insert(c.seats, i, seat{mark: m, most: math.MaxInt})
	}
	return &c.seats[i]
}

// look returns what is known of the mark.
func (c *company) look(m mark) seat {
	if i, ok := c.at(m); ok {
		return c.seats[i]
	}
	return seat{mark: m, most: math.MaxInt}
}

// room returns how many units of a guest may join, at most most.
func (c *company) room(g guest, most int) int {
	for _, m := range g.marks {
		if s := c.look(m.mark); s.most < math.MaxInt {
			most = min(most, (s.most-s.count)/m.n)
		}
	}
	for _, r := range g.rules {
		own := g.carries(r.mark)
		switch left := r.most - c.look(r.mark).count; {
		case left < 0:
			return 0
		case own > 0:
			most = min(most, left/own)
		}
	}
	return max(most, 0)
}

// join adds n units.
func (c *company) join(g guest, n int) {
	for _, m := range g.marks {
		c.seat(m.mark).count += m.n * n
	}
	for _, r := range g.rules {
		if !r.loose {
			s := c.seat(r.mark)
			s.most = min(s.most, r.most)
		}
	}
}

// narrow keeps the room that another company has, too: whoever may join then may join either.
func (c *company) narrow(o *company) {
	for _, theirs := range o.seats {
		c.seat(theirs.mark)
	}
	for i := range c.seats {
		mine := &c.seats[i]
		theirs := o.look(mine.mark)
		left := min(mine.left(), theirs.left())
		if mine.count = max(mine.count, theirs.count); left < math.MaxInt {
			mine.most = mine.count + left
		}
	}
}

// left is how many more pods with the mark the rules allow; negative if there are too many.
func (s seat) left() int {
	if s.most == math.MaxInt {
		return math.MaxInt
	}
	return s.most - s.count
}

// clone returns a copy that shares nothing.
func (c *company) clone() company { return company{seats: slices.Clone(c.seats)} }
