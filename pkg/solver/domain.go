package solver

import (
	"encoding/binary"
	"math"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// valuesQuestion is what the values of a label depend on: a filter with pins, the label, and the requests.
type valuesQuestion struct {
	question
	label    string
	requests string
}

// toll is what it takes to have a unit of a group somewhere, US dollars per hour.
type toll struct {
	// machine is the least price of a machine that hosts a unit.
	machine float64
	// part is the least that such a machine costs for the part of it that a unit takes up, if others fill the rest.
	part float64
}

// lower returns the lower of each.
func (t toll) lower(o toll) toll { return toll{min(t.machine, o.machine), min(t.part, o.part)} }

// of returns what n units cost, one whole machine at the least.
func (t toll) of(n int) float64 { return max(t.machine, t.part*float64(n)) }

// mostTimes bounds how many times the least price a machine may cost whose part is looked at: what is dearer is bought for many
// pods, and says little about what one of them costs.
const mostTimes = 16

// domains returns the values that a label can have on machines of the shelf that host a unit of the group, with the toll of each.
// They are shared and must not be changed.
func (s *shelf) domains(g *group, key string) map[string]toll {
	if !g.guest.plain() && s.minds() {
		return s.domainsAfresh(g, key)
	}
	q := valuesQuestion{question{g.filter, g.pins.text()}, key, g.asking()}
	known, ok := s.values[q]
	if !ok {
		known = s.domainsAfresh(g, key)
		s.values[q] = known
	}
	return known
}

// asking identifies the requests.
func (g *group) asking() string {
	out := append(make([]byte, 0, 8*len(g.requests)+len(g.unknown)), g.unknown...)
	for _, n := range g.requests {
		out = binary.LittleEndian.AppendUint64(out, uint64(n)) //nolint:gosec // any bits do, as long as they differ
	}
	return string(out)
}

// minds reports whether a DaemonSet may keep pods away that it has room for.
func (s *shelf) minds() bool {
	for i := range s.runs {
		if !s.runs[i].guest.plain() {
			return true
		}
	}
	return false
}

func (s *shelf) domainsAfresh(g *group, key string) map[string]toll {
	options, _ := s.viable(g)
	out := s.domainsOf(g, key, options)
	if len(options) == 0 || s.catalogue.ordinary.count() == len(s.stocks) {
		return out
	}
	// Special instance types are needed where no other can be had.
	for value, price := range s.domainsOf(g, key, s.choose(g.filter, g.pins).options) {
		if _, there := out[value]; !there {
			out[value] = price
		}
	}
	return out
}

func (s *shelf) domainsOf(g *group, key string, options []option) map[string]toll {
	out := map[string]toll{}
	for i := range options {
		o := &options[i]
		for w := range o.ways.all {
			for z := range o.zones.all {
				if s.ways[w].zones.has(z) {
					s.domainsAt(g, key, o, spot{w, z}, out)
				}
			}
		}
	}
	return out
}

// spot is a zone, and a way to buy there.
type spot struct{ way, zone int }

// domainsAt lowers the tolls of the values that the label can have on machines of the option that are bought at a spot.
func (s *shelf) domainsAt(g *group, key string, o *option, at spot, least map[string]toll) {
	if _, varies := s.catalogue.column(key); varies {
		s.domainsByType(g, key, o, at, least)
		return
	}
	lowest := toll{math.Inf(1), math.Inf(1)}
	for _, t := range s.catalogue.byPrice(s.ways[at.way].kind, s.places[at.zone]) {
		w := &s.stocks[t].wares[at.way]
		if price := w.prices[at.zone]; price > lowest.machine*mostTimes {
			break
		} else if o.stocks.has(int(t)) && w.sold && s.fits(g, s.stocks[t], w) {
			lowest = lowest.lower(w.toll(g, price))
		}
	}
	if math.IsInf(lowest.machine, 1) {
		return
	}
	for _, value := range s.valuesAt(o, key, 0, at) {
		least[value] = lowest.lower(known(least, value))
	}
}

// domainsByType does so for a label that depends on the instance type.
func (s *shelf) domainsByType(g *group, key string, o *option, at spot, least map[string]toll) {
	for _, t := range s.catalogue.byPrice(s.ways[at.way].kind, s.places[at.zone]) {
		w := &s.stocks[t].wares[at.way]
		if !o.stocks.has(int(t)) || !w.sold || !s.fits(g, s.stocks[t], w) {
			continue
		}
		here := w.toll(g, w.prices[at.zone])
		for _, value := range s.valuesAt(o, key, int(t), at) {
			if so := known(least, value); here.machine <= so.machine*mostTimes {
				least[value] = here.lower(so)
			}
		}
	}
}

// known returns the toll of a value so far, infinite if there is none.
func known(least map[string]toll, value string) toll {
	if t, ok := least[value]; ok {
		return t
	}
	return toll{math.Inf(1), math.Inf(1)}
}

// toll returns what it takes to have a unit of the group on the ware at a price.
func (w *ware) toll(g *group, price float64) toll {
	_, part := lack(g.requests, w.usable)
	return toll{price, price * part}
}

// valuesAt returns what the label may be on a machine of one offering; none if it may be anything.
func (s *shelf) valuesAt(o *option, key string, stock int, at spot) []string {
	switch key {
	case corev1.LabelTopologyZone:
		return []string{s.zones[at.zone]}
	case v1alpha5.CapacityTypeLabel:
		return []string{s.ways[at.way].capacityType}
	}
	if labels, known := s.catalogue.column(key); known {
		if q := labels.label(stock).Intersect(s.template.Get(key)); q.Finite() {
			return q.Values()
		}
		return nil
	}
	if value, ok := o.labels[key]; ok {
		return []string{value}
	}
	if q, ok := s.template[key]; ok && q.Finite() {
		return q.Values()
	}
	return nil
}
