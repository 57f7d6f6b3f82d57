package disruption

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/pods"
)

const (
	// roomAgain is how many times what pods on waning machines ask for is free on others: the scheduler spreads pods, which leaves gaps that
	// are too small for the next.
	roomAgain = 2
	// ofOneMind makes those stay the choice that are it already, unless others are worth twice as much.
	ofOneMind = 2
)

// waning returns the machines that are best left to empty by themselves: as many as the others have room for, those first that cost most
// for each pod that would have to go before they are empty. Pods come and go anyway; if new ones go elsewhere, and those there are the
// first that their controllers take away, then what a move would buy comes for nothing.
func (s *search) waning() []Target {
	if s.settings.Eager {
		return nil
	}
	promise := map[*Candidate]float64{}
	var all []*Candidate
	going := s.best.candidates()
	for i := range s.in.Candidates {
		c := &s.in.Candidates[i]
		held := c.Protected || c.Held != "" && c.HeldUntil.IsZero()
		if !c.Consolidate || held || c.PricePerHour <= 0 || slices.Contains(going, c) {
			continue
		}
		promise[c] = c.PricePerHour / (0.3 + float64(staying(s.in.World.Displaced(c.Node))))
		if c.Waning {
			promise[c] *= ofOneMind
		}
		all = append(all, c)
	}
	slices.SortStableFunc(all, func(a, b *Candidate) int { return cmp.Compare(promise[b], promise[a]) })
	var out []Target
	for _, c := range s.spared(all) {
		out = append(out, c.target())
	}
	slices.SortFunc(out, func(a, b Target) int { return cmp.Compare(a.Machine, b.Machine) })
	return out
}

// zone counts the nodes that are there, and those that are left to empty.
type zone struct{ nodes, waning int }

// spared returns the first candidates in order, as far as the other nodes have room for what runs on them, and no more than half of the
// nodes of a zone: pods that are to be spread over zones still can be. Only sums are compared, as nothing is moved: where a machine turns
// out to be needed pods go there all the same.
func (s *search) spared(order []*Candidate) []*Candidate {
	free, zones, byZone, left := map[string]room{}, map[string]*zone{}, map[string]*zone{}, room{}
	base := s.in.World.Without(nil)
	for i := range base.Nodes {
		node := &base.Nodes[i]
		if !node.Initialized || s.leaving[node.Name] {
			continue
		}
		there, name := roomOf(node.Available), node.Labels[corev1.LabelTopologyZone]
		free[node.Name] = there
		left.milliCPU, left.memory = left.milliCPU+there.milliCPU, left.memory+there.memory
		if byZone[name] == nil {
			byZone[name] = &zone{}
		}
		byZone[name].nodes++
		zones[node.Name] = byZone[name]
	}
	var out []*Candidate
	for _, c := range order {
		z := zones[c.Node]
		if z == nil || z.waning >= z.nodes/2 {
			continue
		}
		own := free[c.Node]
		left.milliCPU, left.memory = left.milliCPU-own.milliCPU, left.memory-own.memory
		for _, pod := range s.in.World.Displaced(c.Node) {
			asked := roomOf(pods.Requests(pod))
			left.milliCPU, left.memory = left.milliCPU-roomAgain*asked.milliCPU, left.memory-roomAgain*asked.memory
		}
		if left.milliCPU < 0 || left.memory < 0 {
			break
		}
		z.waning++
		out = append(out, c)
	}
	return out
}

// staying counts the pods that do not end by themselves.
func staying(there []*corev1.Pod) int {
	n := 0
	for _, pod := range there {
		if !pods.IsOwnedByJob(pod) {
			n++
		}
	}
	return n
}
