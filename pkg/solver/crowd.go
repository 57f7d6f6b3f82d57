package solver

import "math"

// crowd is the company on a machine that is being filled on trial, made to be asked and changed very often: it is indexed by
// mark, and what was done last can be undone.
type crowd struct {
	count, most []int
	log         []seat // what was known before each change
}

func newCrowd(marks int) crowd {
	c := crowd{count: make([]int, marks), most: make([]int, marks)}
	for i := range c.most {
		c.most[i] = math.MaxInt
	}
	return c
}

// welcome empties the machine but for those who live there.
func (c *crowd) welcome(residents *company) {
	c.undo(0)
	for _, s := range residents.seats {
		c.note(s.mark)
		c.count[s.mark], c.most[s.mark] = s.count, s.most
	}
}

// room returns how many units of the item may join, at most most.
func (c *crowd) room(it *item, most int) int {
	for _, m := range it.group.guest.marks {
		if limit := c.most[m.mark]; limit < math.MaxInt {
			most = min(most, (limit-c.count[m.mark])/m.n)
		}
	}
	for i, r := range it.group.guest.rules {
		switch left := r.most - c.count[r.mark]; {
		case left < 0:
			return 0
		case it.own[i] > 0:
			most = min(most, left/it.own[i])
		}
	}
	return max(most, 0)
}

// join adds n units of the item.
func (c *crowd) join(it *item, n int) {
	for _, m := range it.group.guest.marks {
		c.note(m.mark)
		c.count[m.mark] += m.n * n
	}
	for _, r := range it.group.guest.rules {
		if !r.loose && r.most < c.most[r.mark] {
			c.note(r.mark)
			c.most[r.mark] = r.most
		}
	}
}

func (c *crowd) note(m mark) { c.log = append(c.log, seat{m, c.count[m], c.most[m]}) }

// undo takes back all but the first changes of the log.
func (c *crowd) undo(first int) {
	for len(c.log) > first {
		s := c.log[len(c.log)-1]
		c.log = c.log[:len(c.log)-1]
		c.count[s.mark], c.most[s.mark] = s.count, s.most
	}
}
