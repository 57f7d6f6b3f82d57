package solver

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// mostAlternatives bounds how many combinations of alternatives a pod may have: a few volumes have a few zones each, and what
// is beyond this is not a person's doing.
const mostAlternatives = 1000

// withVolumes returns the alternatives with one topology of each volume. Combinations that no node can meet are left out as
// soon as they appear, so that volumes in the same zones do not multiply. It reports whether there are too many to keep them all.
func withVolumes(alternatives []scheduling.Requirements, topologies [][]scheduling.Requirements) ([]scheduling.Requirements, bool) {
	cut := false
	for _, volume := range topologies {
		alternatives = distinct(both(alternatives, volume))
		if len(alternatives) > mostAlternatives {
			alternatives, cut = alternatives[:mostAlternatives], true
		}
	}
	return alternatives, cut
}

// distinct drops alternatives that are there already.
func distinct(list []scheduling.Requirements) []scheduling.Requirements {
	seen := make(map[string]bool, len(list))
	return slices.DeleteFunc(list, func(q scheduling.Requirements) bool {
		key := fmt.Sprint(q.NodeSelectorRequirements())
		was := seen[key]
		seen[key] = true
		return was
	})
}

// blame says which claim of a pod asks for the label that is asked for in vain, if the pod's own alternatives do not.
func (v Volumes) blame(own []scheduling.Requirements, key, reason string) string {
	asks := func(q scheduling.Requirements) bool { return q.Has(key) }
	if key == "" || slices.ContainsFunc(own, asks) {
		return reason
	}
	for i, alternatives := range v.Topologies[:min(len(v.Topologies), len(v.Claims))] {
		if slices.ContainsFunc(alternatives, asks) {
			return shorten(fmt.Sprintf("the volume of claim %q is elsewhere: %s", v.Claims[i], strings.Replace(reason, "or in the pod", "or move the volume", 1)))
		}
	}
	return reason
}

// preference returns the heaviest preferred term of the node affinity that is still held to.
func preference(pod *corev1.Pod, w wish) (corev1.NodeSelectorTerm, bool) {
	if !w.left() {
		return corev1.NodeSelectorTerm{}, false
	}
	terms := slices.Clone(pod.Spec.Affinity.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution)
	slices.SortStableFunc(terms, func(a, b corev1.PreferredSchedulingTerm) int { return cmp.Compare(b.Weight, a.Weight) })
	return terms[w.given].Preference, true
}

// attachment is a number of volumes of one driver.
type attachment struct {
	driver string
	n      int
}

// attachmentsOf returns what a pod has to attach, in order of driver.
func attachmentsOf(v Volumes) []attachment {
	var out []attachment
	for _, driver := range slices.Sorted(maps.Keys(v.Attachments)) {
		if n := v.Attachments[driver]; n > 0 {
			out = append(out, attachment{driver, n})
		}
	}
	return out
}

// addAttachments returns the sum of a and n times b.
func addAttachments(a, b []attachment, n int) []attachment {
	if len(b) == 0 {
		return a
	}
	sum := map[string]int{}
	for _, x := range a {
		sum[x.driver] += x.n
	}
	for _, x := range b {
		sum[x.driver] += x.n * n
	}
	return attachmentsOf(Volumes{Attachments: sum})
}

// attaches returns how many units the node can attach the volumes of, at most n. Drivers that set no limit do not count.
func (h *host) attaches(g *group, n int) int {
	for _, x := range g.attachments {
		if left, limited := h.attachable[x.driver]; limited {
			n = min(n, max(left, 0)/x.n)
		}
	}
	return n
}

// attach counts the volumes of n units.
func (h *host) attach(g *group, n int) {
	for _, x := range g.attachments {
		if left, limited := h.attachable[x.driver]; limited {
			h.attachable[x.driver] = left - x.n*n
		}
	}
}
