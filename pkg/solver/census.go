package solver

import (
	"fmt"

	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// census counts the pods that are on nodes, and says in which domains there are nodes and machines. If the machines to come are
// known, those are what is sold by now, with the pods of DaemonSets; otherwise there may be one wherever one can be bought.
func (s *solution) census(known bool) []*site {
	t := &s.rulebook.topology
	t.clear()
	for _, shelf := range s.shelves {
		shelf.divide()
	}
	sites := s.sites()
	for _, b := range sites {
		if !known && b.host == nil {
			break // machines come last
		}
		for _, c := range t.counters {
			if c.spread {
				c.observe(t, b)
			}
		}
		if b.host == nil {
			s.countDaemonsOn(b)
			continue
		}
		for _, r := range b.host.residents {
			t.house(b, r.bearing, r.ties)
		}
		for _, r := range b.host.yielding {
			t.shadow(b, r)
		}
	}
	if known {
		return sites
	}
	s.countDaemons()
	for _, c := range t.counters {
		for _, shelf := range s.shelves {
			if c.spread {
				s.noteOffers(c, shelf, s.grouper.probe(c.reach))
			}
		}
	}
	return sites
}

// countDaemonsOn counts the pods of DaemonSets that come with a machine.
func (s *solution) countDaemonsOn(b *site) {
	t := &s.rulebook.topology
	for _, d := range b.shelf.daemons() {
		if len(d.bearing.marks) == 0 {
			continue
		}
		comes := b.comes(d)
		if comes == surely {
			t.house(b, d.bearing, nil)
			continue
		}
		for _, m := range d.bearing.marks {
			for _, k := range t.carriersOf(m) {
				t.counters[k].suppose(t, b, comes)
			}
		}
	}
}

// daemons returns the DaemonSets that run on machines of the shelf, each once.
func (s *shelf) daemons() []*daemon {
	var out []*daemon
	for i := range s.runs {
		if d := s.runs[i].daemon; len(out) == 0 || out[len(out)-1] != d { // alternatives of one follow each other
			out = append(out, d)
		}
	}
	return out
}

// comes says whether the pod of a DaemonSet that the shelf's machines run will be on the machine, whatever it turns out to be.
func (b *site) comes(d *daemon) presence {
	o := b.turns()
	all, some := newBitset(len(b.shelf.stocks)), false
	for _, q := range d.alternatives {
		met, may := o.meet(q)
		all.or(met)
		some = some || may
	}
	switch {
	case o.stocks.within(all):
		return surely
	case some:
		return maybe
	default:
		return never
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
