package solver

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// viable returns the options that have an instance type large enough for a pod of the group on offer, or why there is none.
// Special instance types are left out of an option that does not need them.
func (s *shelf) viable(g *group) ([]option, miss) {
	c := s.choose(g.filter, g.pins)
	var out []option
	m := c.miss
	for i := range c.options {
		o := &c.options[i]
		if plain := s.withoutSpecial(o); s.hosts(&plain, g).stage == missNothing {
			out = append(out, plain)
			continue
		}
		if found := s.hosts(o, g); found.stage == missNothing {
			out = append(out, *o)
		} else {
			m = m.nearer(found)
		}
	}
	return out, m
}

// withoutSpecial returns the option with ordinary instance types only.
func (s *shelf) withoutSpecial(o *option) option {
	plain := *o
	plain.stocks = slices.Clone(o.stocks)
	plain.stocks.and(s.ordinary)
	plain.key = "ordinary" + o.key
	return plain
}

// hosts returns why no machine of the option can host a pod of the group.
func (s *shelf) hosts(o *option, g *group) miss {
	if g.unknown != "" {
		return miss{missSize, fmt.Sprintf("%s is asked for, no instance type of provisioner %s has any", g.unknown, s.provisioner.Name)}
	}
	large := -1
	for t := range o.stocks.all {
		for c := range o.capacityTypes.all {
			w := &s.stocks[t].wares[c]
			if !g.requests.within(w.usable) || !w.overhead.within(s.stocks[t].allocatable) || w.residents.room(g.guest, 1) == 0 {
				continue
			}
			large = t
			for z := range o.zones.all {
				if !math.IsInf(w.prices[z], 1) {
					return miss{}
				}
			}
		}
	}
	if large < 0 {
		return s.tooLarge(o, g)
	}
	return miss{missOffering, fmt.Sprintf("instance types that are large enough, e.g. %s, are not on offer as [%s] in [%s]; allow other zones, capacity types or instance types in provisioner %s",
		s.stocks[large].instanceType.Name, names(s.capacityTypes, o.capacityTypes), names(s.zones, o.zones), s.provisioner.Name)}
}

func names(all []string, set bitset) string {
	var out []string
	for i := range set.all {
		out = append(out, all[i])
	}
	return strings.Join(out, " ")
}

// tooLarge names the instance type that comes nearest to holding a pod of the group, and the resource that it lacks most.
func (s *shelf) tooLarge(o *option, g *group) miss {
	nearest, lacking, least, has := -1, 0, math.Inf(1), int64(0)
	for t := range o.stocks.all {
		for c := range o.capacityTypes.all {
			usable := s.stocks[t].wares[c].usable
			if worst, lack := lack(g.requests, usable); lack < least {
				nearest, lacking, least, has = t, worst, lack, usable[worst]
			}
		}
	}
	if nearest < 0 {
		return miss{missOffering, fmt.Sprintf("provisioner %s has no instance type on offer", s.provisioner.Name)}
	}
	if least <= 1 {
		return miss{missSize, fmt.Sprintf("a DaemonSet of provisioner %s holds a host port of the pod, keeps it away, or leaves no room on any instance type", s.provisioner.Name)}
	}
	name := s.dimensions.names[lacking]
	return miss{missSize, fmt.Sprintf("%s %s asked, largest allowed type %s has %s; %s",
		amount(name, g.requests[lacking]), name, s.stocks[nearest].instanceType.Name, amount(name, max(has, 0)), s.advice(g))}
}

// lack returns the resource of which the largest part is missing, and how many times what is there is asked for.
func lack(requests, usable vector) (int, float64) {
	worst, most := 0, 0.0
	for i, n := range requests {
		if n <= 0 {
			continue
		}
		times := math.MaxFloat64 // of a resource that is not there, infinitely much is missing
		if usable[i] > 0 {
			times = float64(n) / float64(usable[i])
		}
		if times > most {
			worst, most = i, times
		}
	}
	return worst, most
}

// advice says whether some instance type that the provisioner does not allow would do.
func (s *shelf) advice(g *group) string {
	if slices.ContainsFunc(s.allocatables, g.requests.within) {
		return "allow a larger instance size in provisioner " + s.provisioner.Name
	}
	return "no instance type is that large, so ask for less or split the pod"
}
