package solver

import (
	"fmt"
	"slices"
)

// tops are the most that any instance type has of each resource once DaemonSets have theirs, and which type that is. A pod that
// asks for more of one is too large for them all, which takes no look at each.
type tops struct {
	most  vector
	types []int
}

// topsOf returns the tops of an option, unless they are known.
func (s *shelf) topsOf(o *option, known tops) tops {
	if known.most != nil {
		return known
	}
	out := tops{most: make(vector, len(s.dimensions.names)), types: make([]int, len(s.dimensions.names))}
	for r := range out.types {
		out.types[r] = -1
	}
	for t := range o.stocks.all {
		for k := range o.ways.all {
			for r, n := range s.stocks[t].wares[k].usable {
				if n > out.most[r] {
					out.most[r], out.types[r] = n, t
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
	name := s.dimensions.names[resource]
	return miss{missSize, fmt.Sprintf("%s %s asked, largest allowed type %s has %s; %s",
		amount(name, g.requests[resource]), name, s.stocks[t.types[resource]].instanceType.Name, amount(name, t.most[resource]), s.advice(g))}
}

// advice says whether some instance type that the provisioner does not allow would do.
func (s *shelf) advice(g *group) string {
	if g.requests.within(s.catalogue.top) && slices.ContainsFunc(s.catalogue.allocatables, g.requests.within) {
		return "allow a larger instance size in provisioner " + s.provisioner.Name
	}
	return "no instance type is that large, so ask for less or split the pod"
}
