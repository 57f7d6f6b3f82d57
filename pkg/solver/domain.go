package solver

import (
	"math"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// domains returns the values that a label can have on machines of the shelf that host a unit of the group, with the least price
// of such a machine, US dollars per hour.
func (s *shelf) domains(g *group, key string) map[string]float64 {
	out := map[string]float64{}
	options, _ := s.viable(g)
	for i := range options {
		o := &options[i]
		for t := range o.stocks.all {
			for c := range o.capacityTypes.all {
				w := &s.stocks[t].wares[c]
				if !w.sold || !g.requests.within(w.usable) {
					continue
				}
				for z := range o.zones.all {
					if math.IsInf(w.prices[z], 1) {
						continue
					}
					for _, value := range s.valuesAt(o, key, t, c, z) {
						if least, ok := out[value]; !ok || w.prices[z] < least {
							out[value] = w.prices[z]
						}
					}
				}
			}
		}
	}
	return out
}

// valuesAt returns what the label may be on a machine of one offering; none if it may be anything.
func (s *shelf) valuesAt(o *option, key string, stock, capacityType, zone int) []string {
	switch key {
	case corev1.LabelTopologyZone:
		return []string{s.zones[zone]}
	case v1alpha5.CapacityTypeLabel:
		return []string{s.capacityTypes[capacityType]}
	}
	if _, known := s.columns[key]; known {
		if q := labelOf(s.stocks[stock].instanceType, key).Intersect(s.template.Get(key)); q.Finite() {
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
