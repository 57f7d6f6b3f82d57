package solver

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// mostEvictions bounds how often pods of one group are taken off again because what they relied on has not come.
const mostEvictions = 3

// audit looks whether pods that have a place can come there, now that it is known which others have one: limits may have stopped
// a machine for a pod that somebody wants to be with, or that balances a spread. Pods come in any order that lets them; those
// that cannot come in any are taken off their nodes and machines and returned as groups that look for another place.
func (s *solution) audit() []*group {
	t := &s.rulebook.topology
	s.census(true)
	a := &assigner{atlas: s.atlas, binding: true}
	waiting := make([]int, len(s.settled))
	for i, g := range s.settled {
		if g.place != nil {
			waiting[i] = g.placed()
		}
	}
	for came := true; came; {
		came = false
		for i, g := range s.settled {
			for waiting[i] > 0 {
				n := a.most(g, g.place, waiting[i])
				if n == 0 {
					break
				}
				if a.levels(g) {
					n = 1
				}
				t.count(g, g.place, n)
				waiting[i] -= n
				came = true
			}
		}
	}
	if s.effort.tempo.Err() != nil {
		return s.withdraw(waiting)
	}
	var out []*group
	for i, g := range s.settled {
		if waiting[i] > 0 {
			out = append(out, s.evict(g, waiting[i])...)
		}
	}
	return out
}

// census counts the pods that are on nodes and says in which domains there are nodes and machines, those to come among them if
// it is known which those are.
func (s *solution) census(known bool) {
	t := &s.rulebook.topology
	t.clear()
	t.countNodes(s.nodes)
	s.countDaemons()
	t.standings = nil
	if known {
		s.stand()
	}
	for _, shelf := range s.shelves {
		unlike := shelf.unlike()
		for _, c := range t.counters {
			switch {
			case c.spread && known:
				s.noteSold(c, shelf, unlike)
			case c.spread:
				s.noteOffers(c, shelf, s.grouper.probe(c.reach))
			}
		}
	}
}

// countDaemons counts the pods of DaemonSets that may come to new machines, where others keep away from them.
func (s *solution) countDaemons() {
	if len(s.rulebook.daemons) == 0 {
		return
	}
	for i, pod := range s.problem.DaemonSets {
		f := &filter{key: fmt.Sprint("daemon ", i), sample: pod, alternatives: scheduling.DaemonRequirements(pod)}
		probe := &group{size: 1, requests: make(vector, len(s.dimensions.names)), filter: f}
		for _, m := range s.rulebook.bearing(pod).marks {
			for _, k := range s.rulebook.carriersOf(m) {
				c := s.rulebook.counters[k]
				if !c.shunned {
					continue
				}
				axis := s.rulebook.axes[c.axis]
				for _, shelf := range s.shelves {
					for value := range shelf.domains(probe, axis.key) {
						c.add(axis.domain(value), 1, false)
					}
				}
			}
		}
	}
}

// noteOffers says that there may be nodes wherever the shelf has machines that the spread would look at.
func (s *solution) noteOffers(c *counter, shelf *shelf, f *filter) {
	axis := s.rulebook.axes[c.axis]
	probe := &group{size: 1, requests: make(vector, len(s.dimensions.names)), filter: f}
	for value := range shelf.domains(probe, axis.key) {
		c.note(axis.domain(value), maybe)
	}
}

// unlike returns one of all machines that turn out the same.
func (s *shelf) unlike() []*purchase {
	var out []*purchase
	seen := map[*lot]map[string]bool{}
	var key []byte
	for i := range s.sold {
		p := &s.sold[i]
		if seen[p.lot] == nil {
			seen[p.lot] = map[string]bool{}
		}
		if key = p.key(key[:0]); !seen[p.lot][string(key)] {
			seen[p.lot][string(key)] = true
			out = append(out, p)
		}
	}
	return out
}

// noteSold says that there are nodes where machines have been bought that the spread looks at.
func (s *solution) noteSold(c *counter, shelf *shelf, machines []*purchase) {
	axis := s.rulebook.axes[c.axis]
	for _, p := range machines {
		seen := c.reach.sold(shelf, p)
		if seen == never {
			continue
		}
		where := shelf.outcomesOf(p).values(axis.key)
		for _, value := range where {
			if c.reach.lets(axis.key, value) {
				c.note(axis.domain(value), min(seen, sureIf(len(where) == 1)))
			}
		}
	}
}

// evict takes the last n units of a group off their nodes and machines and returns them as a group of their own, unless that has
// happened too often.
func (s *solution) evict(g *group, n int) []*group {
	s.changes++
	from := g.placed() - n
	out := g.part(from, g.placed())
	g.pods, out.pins, out.place = g.pods[:from*g.size:from*g.size], nil, nil
	gone := make(map[*corev1.Pod]bool, len(out.pods))
	for _, pod := range out.pods {
		gone[pod] = true
	}
	s.leaveNodes(gone)
	for _, shelf := range s.shelves {
		shelf.takeBack(g, gone)
	}
	if out.evictions++; out.evictions > mostEvictions {
		out.miss = out.miss.nearer(miss{stage: missTopology, text: "pods that it has to be with, or that balance its topology spread, found no place; see what keeps those"})
		s.lose(out)
		return nil
	}
	if len(out.members) > 0 {
		return s.concede(out)
	}
	return []*group{out}
}

// leaveNodes takes placements back.
func (s *solution) leaveNodes(gone map[*corev1.Pod]bool) {
	touched := map[string]bool{}
	s.plan.Placements = slices.DeleteFunc(s.plan.Placements, func(p Placement) bool {
		if gone[p.Pod] {
			touched[p.Node] = true
		}
		return gone[p.Pod]
	})
	if len(touched) == 0 {
		return
	}
	unit := s.units()
	for name := range touched {
		s.byName[name].reset(s.dimensions)
	}
	for _, p := range s.plan.Placements {
		if g := unit[p.Pod]; touched[p.Node] && g != nil {
			s.byName[p.Node].take(g, 1)
		}
	}
}

// takeBack takes pods of the group out of what the shelf has sold, and machines that are left without any.
func (s *shelf) takeBack(g *group, gone map[*corev1.Pod]bool) {
	s.sold = slices.DeleteFunc(s.sold, func(p purchase) bool {
		return !slices.ContainsFunc(p.pods, func(pod *corev1.Pod) bool { return !gone[pod] }) && s.refund(&p)
	})
	for i := range s.sold {
		p := &s.sold[i]
		before := len(p.pods)
		if !slices.ContainsFunc(p.pods, func(pod *corev1.Pod) bool { return gone[pod] }) {
			continue
		}
		p.pods = slices.DeleteFunc(slices.Clone(p.pods), func(pod *corev1.Pod) bool { return gone[pod] })
		units := (before - len(p.pods)) / g.size
		p.bin.picks = slices.Clone(p.bin.picks)
		for k := range p.bin.picks {
			if pick := &p.bin.picks[k]; p.lot.items[pick.item].group == g {
				n := min(pick.count, units)
				pick.count -= n
				units -= n
			}
		}
		p.bin.picks = slices.DeleteFunc(p.bin.picks, func(k pick) bool { return k.count == 0 })
	}
}

// refund gives back what a machine has taken of the limits.
func (s *shelf) refund(p *purchase) bool {
	s.budget.spend(s.stocks[p.lot.offers[p.bin.offer].stock].capacity, -1)
	return true
}
