package solver

// tops are the most that any instance type has of each resource once DaemonSets have theirs, and which type that is. A pod that
// asks for more of one is too large for them all, which takes no look at each.
type tops struct {
	most  vector
	types []int
	// usable is all that the type has of which there is the most of a resource.
	usable []vector
}

// topsOf returns the tops of an option, unless they are known.
func (s *shelf) topsOf(o *option, known tops) tops {
	if known.most != nil {
		return known
	}
	out := tops{most: make(vector, len(s.dimensions.names)), types: make([]int, len(s.dimensions.names)), usable: make([]vector, len(s.dimensions.names))}
	for r := range out.types {
		out.types[r] = -1
	}
	for t := range o.stocks.all {
		for k := range o.ways.all {
			usable := s.stocks[t].wares[k].usable
			for r, n := range usable {
				if n > out.most[r] {
					out.most[r], out.types[r], out.usable[r] = n, t, usable
				}
			}
		}
	}
	return out
}

// exceeds returns the resource of which a unit of the group asks for the most times what any instance type of an option has;
// false if there is none, or if that is not known yet.
func (c *choice) exceeds(i int, g *group) (int, bool) {
	most := c.tops[i].most
	if most == nil || g.unknown != "" || g.requests.within(most) {
		return 0, false
	}
	worst, _ := lack(g.requests, most)
	return worst, c.tops[i].types[worst] >= 0
}

// beyond says that no instance type has as much of a resource as a unit of the group asks for.
func (s *shelf) beyond(t tops, resource int, g *group) miss {
	f, requests := g.filter, g.requests.clone()
	return miss{stage: missSize, tell: func(g *group) string {
		return s.shortage(g, f, requests, t.types[resource], resource, t.usable[resource])
	}}
}
