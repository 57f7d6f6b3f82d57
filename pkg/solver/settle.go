package solver

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// mostSettlements bounds the combinations of labels that are looked at for the DaemonSets that they bring.
const mostSettlements = 64

// settle gives each of the provisioner's own keys a value, the first in order where several are possible. A key of which
// nobody says what it should be stays without, as long as the pod does not need it.
func (s *shelf) settle(own scheduling.Requirements) (map[string]string, miss) {
	labels := map[string]string{}
	for _, key := range s.template.Keys() {
		template := s.template[key]
		if _, known := s.catalogue.column(key); known || isOfferingKey(key) || key == corev1.LabelHostname {
			continue
		}
		asked, there := own[key]
		both := template
		if there {
			both = template.Intersect(asked)
		}
		switch values := both.Values(); {
		case both.Finite() && len(values) > 0:
			labels[key] = values[0]
		case !both.Finite() && there && !asked.AllowsAbsent():
			return nil, miss{stage: missRequirement, text: fmt.Sprintf("%s is asked for, but neither the pod nor provisioner %s says which value; name one", asked, s.provisioner.Name)}
		}
	}
	return labels, miss{}
}

// settlements returns the labels, then others that the provisioner's own keys may have as well where that makes a difference to which
// DaemonSets run: one that leaves a pod no room may stay away from machines with another value.
func (s *shelf) settlements(labels map[string]string, own scheduling.Requirements) []map[string]string {
	out := []map[string]string{labels}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if !slices.ContainsFunc(s.runs, func(r run) bool { return r.own.Has(key) }) {
			continue
		}
		values := s.template[key]
		if asked, there := own[key]; there {
			values = values.Intersect(asked)
		}
		for _, known := range slices.Clone(out) {
			for value := range values.All() {
				if value != known[key] && len(out) < mostSettlements {
					other := maps.Clone(known)
					other[key] = value
					out = append(out, other)
				}
			}
		}
	}
	let := map[string]bool{}
	return slices.DeleteFunc(out, func(labels map[string]string) bool {
		known := let[s.lets(labels)]
		let[s.lets(labels)] = true
		return known
	})
}
