package solver

import (
	"encoding/binary"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// valuesQuestion is what the values of a label depend on: a filter with pins, the label, and the requests.
type valuesQuestion struct {
	question
	label    string
	requests string
}

// domains returns the values that a label can have on machines of the shelf that host a unit of the group, with the least price
// of such a machine, US dollars per hour. They are shared and must not be changed.
func (s *shelf) domains(g *group, key string) map[string]float64 {
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
		if !s.runs[i].daemon.guest.plain() {
			return true
		}
	}
	return false
}

func (s *shelf) domainsAfresh(g *group, key string) map[string]float64 {
	out := map[string]float64{}
	options, _ := s.viable(g)
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

// domainsAt lowers the prices of the values that the label can have on machines of the option that are bought at a spot.
func (s *shelf) domainsAt(g *group, key string, o *option, at spot, least map[string]float64) {
	labels, varies := s.catalogue.column(key)
	var seen bitset // kinds of the label
	if varies {
		seen = newBitset(len(labels.kinds))
	}
	for _, t := range s.catalogue.byPrice(s.ways[at.way].kind, s.places[at.zone]) {
		if !o.stocks.has(int(t)) || varies && seen.has(int(labels.of[t])) {
			continue
		}
		st := s.stocks[t]
		w := &st.wares[at.way]
		if !w.sold || !s.fits(g, st, w) {
			continue
		}
		for _, value := range s.valuesAt(o, key, int(t), at) {
			if price, ok := least[value]; !ok || w.prices[at.zone] < price {
				least[value] = w.prices[at.zone]
			}
		}
		if !varies {
			return // the others are dearer
		}
		seen.add(int(labels.of[t]))
	}
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
