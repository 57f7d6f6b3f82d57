package disruption

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// waningShare is which part of all machines that may be consolidated is best left to empty by itself, in percent: enough that most
	// controllers have a pod there to take away, and so few that they are soon empty and that pods can still be spread over the others.
	waningShare = 20
	// ofOneMind makes those stay the choice that are it already, unless others are worth twice as much.
	ofOneMind = 2
)

// waning returns the machines that are best left to empty by themselves: those that cost most for each pod that would have to go before
// they are empty. Pods come and go anyway; if new ones go elsewhere, and those there are the first that their controllers take away, then
// what a move would buy comes for nothing.
func (s *search) waning() []Target {
	if s.settings.Eager {
		return nil
	}
	promise := map[*Candidate]float64{}
	var all []*Candidate
	asked := 0
	going := s.best.candidates()
	for i := range s.in.Candidates {
		c := &s.in.Candidates[i]
		if !c.Consolidate {
			continue
		}
		asked++
		if c.Protected || c.Held != "" && c.HeldUntil.IsZero() || c.PricePerHour <= 0 || slices.Contains(going, c) {
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
	zones := s.zones()
	for _, c := range all {
		if len(out) == asked*waningShare/100 {
			break
		}
		if z := zones[c.Node]; z != nil && z.waning < z.nodes/2 { // pods that are to be spread over zones can still be
			z.waning++
			out = append(out, c.target())
		}
	}
	slices.SortFunc(out, func(a, b Target) int { return cmp.Compare(a.Machine, b.Machine) })
	return out
}

// zone counts the nodes that are there, and those that are left to empty.
type zone struct{ nodes, waning int }

// zones maps the name of a node -> its zone.
func (s *search) zones() map[string]*zone {
	out, byName := map[string]*zone{}, map[string]*zone{}
	base := s.in.World.Without(nil)
	for i := range base.Nodes {
		name := base.Nodes[i].Labels[corev1.LabelTopologyZone]
		if byName[name] == nil {
			byName[name] = &zone{}
		}
		byName[name].nodes++
		out[base.Nodes[i].Name] = byName[name]
	}
	return out
}

// staying counts the pods that do not end by themselves.
func staying(pods []*corev1.Pod) int {
	n := 0
	for _, pod := range pods {
		if owner := metav1.GetControllerOfNoCopy(pod); owner == nil || owner.Kind != "Job" {
			n++
		}
	}
	return n
}
