package solver

import (
	"maps"
	"math"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// tally counts, for each mark that a spread over zones looks at, the pods that carry it by zone.
type tally map[mark]map[string]int

func (t tally) add(marks []carry, zone string, n int) {
	for _, m := range marks {
		if byZone, ok := t[m.mark]; ok {
			byZone[zone] += m.n * n
		}
	}
}

// spreadOverZones divides the groups that a binding spread over zones looks at by the zone that each pod is to go to. Pods that
// are only counted go first, to the emptiest zones, so that those that are bound can balance what they leave.
func (s *solution) spreadOverZones() {
	counts := tally{}
	for _, g := range s.groups {
		for _, sp := range g.spreads {
			counts[sp.mark] = map[string]int{}
		}
	}
	if len(counts) == 0 {
		return
	}
	for _, h := range s.nodes {
		for _, pod := range h.node.Pods {
			counts.add(s.rulebook.guest(pod).marks, h.zone(), 1)
		}
	}
	var counted, bound, rest []*group
	for _, g := range s.groups {
		switch {
		case g.miss.stage == missRefused:
			rest = append(rest, g)
		case len(g.spreads) > 0:
			bound = append(bound, g)
		case slices.ContainsFunc(g.guest.marks, func(c carry) bool { return counts[c.mark] != nil }):
			counted = append(counted, g)
		default:
			rest = append(rest, g)
		}
	}
	for _, g := range slices.Concat(counted, bound) {
		rest = append(rest, s.divide(g, counts)...)
	}
	slices.SortFunc(rest, func(a, b *group) int {
		if c := s.dimensions.compare(a.requests, b.requests); c != 0 {
			return c
		}
		return strings.Compare(a.key, b.key)
	})
	s.groups = rest
}

// divide returns one group per zone, and one that is refused if some pods cannot go anywhere without too much skew.
func (s *solution) divide(g *group, counts tally) []*group {
	zones := s.zonesFor(g)
	if len(zones) == 0 {
		return []*group{g} // buying will say why there is none
	}
	domains := s.domains(g, zones)
	into := map[string]int{}
	placed := 0
	for ; placed < len(g.pods); placed++ {
		zone, ok := emptiest(g, zones, domains, counts)
		if !ok {
			break
		}
		into[zone]++
		counts.add(g.guest.marks, zone, 1)
	}
	var out []*group
	from := 0
	for _, zone := range zones {
		if n := into[zone]; n > 0 {
			out, from = append(out, g.part(from, from+n, zone)), from+n
		}
	}
	if placed < len(g.pods) {
		stuck := g.part(placed, len(g.pods), "")
		stuck.miss = miss{missRefused, "topology spread over zones: one more pod in [" + strings.Join(zones, " ") + "] exceeds maxSkew over [" +
			strings.Join(domains, " ") + "]; allow machines in more zones, or raise maxSkew"}
		out = append(out, stuck)
	}
	return out
}

// part returns the group of some of the pods in a zone.
func (g *group) part(from, to int, zone string) *group {
	out := *g
	out.pods, out.left = g.pods[from:to], to-from
	if zone != "" {
		out.pins = newPins(map[string]string{corev1.LabelTopologyZone: zone})
	}
	out.key += "|pins " + out.pins.text()
	return &out
}

// emptiest returns the zone with the fewest pods among those that no spread of the group forbids.
func emptiest(g *group, zones, domains []string, counts tally) (string, bool) {
	best, fewest := "", math.MaxInt
	for _, zone := range zones {
		total := 0
		for m, byZone := range counts {
			if g.guest.carries(m) > 0 {
				total += byZone[zone]
			}
		}
		if total < fewest && !slices.ContainsFunc(g.spreads, func(sp spread) bool { return sp.forbids(g, zone, domains, counts) }) {
			best, fewest = zone, total
		}
	}
	return best, best != ""
}

// forbids reports whether one more pod of the group in the zone is too much.
func (s spread) forbids(g *group, zone string, domains []string, counts tally) bool {
	least := math.MaxInt
	for _, d := range domains {
		least = min(least, counts[s.mark][d])
	}
	if len(domains) < s.minDomains {
		least = 0
	}
	return counts[s.mark][zone]+g.guest.carries(s.mark)-least > s.maxSkew
}

// zonesFor returns the zones in which machines for the group can be bought or, if there are none, those of nodes that let it in.
func (s *solution) zonesFor(g *group) []string {
	zones := map[string]bool{}
	for _, shelf := range s.shelves {
		for zone := range shelf.domains(g, corev1.LabelTopologyZone) {
			zones[zone] = true
		}
	}
	if len(zones) == 0 {
		for _, h := range s.nodes {
			if h.zone() != "" && h.admit(g.filter) {
				zones[h.zone()] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(zones))
}

// domains returns the zones that count when skew is measured: zones, and those of nodes that meet the pods' requirements.
func (s *solution) domains(g *group, zones []string) []string {
	all := map[string]bool{}
	for _, zone := range zones {
		all[zone] = true
	}
	for _, h := range s.nodes {
		meets := func(r scheduling.Requirements) bool { return r.Accepts(h.labels, h.node.Possible) == "" }
		if zone := h.zone(); zone != "" && !all[zone] && slices.ContainsFunc(g.filter.alternatives, meets) {
			all[zone] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}
