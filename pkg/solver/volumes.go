package solver

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// mostAlternatives bounds how many combinations of alternatives a pod may have: a few volumes have a few zones each, and what
// is beyond this is not a person's doing.
const mostAlternatives = 1000

// withVolumes returns the alternatives with one topology of each volume. Combinations that no node can meet are left out as
// soon as they appear, so that volumes in the same zones do not multiply.
func withVolumes(alternatives []scheduling.Requirements, topologies [][]scheduling.Requirements) []scheduling.Requirements {
	for _, volume := range topologies {
		alternatives = distinct(both(alternatives, volume))
		if len(alternatives) > mostAlternatives {
			alternatives = alternatives[:mostAlternatives]
		}
	}
	return alternatives
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

// preference returns the heaviest preferred term of the node affinity that is still held to.
func preference(pod *corev1.Pod, w wish) (corev1.NodeSelectorTerm, bool) {
	if !w.left() {
		return corev1.NodeSelectorTerm{}, false
	}
	terms := slices.Clone(pod.Spec.Affinity.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution)
	slices.SortStableFunc(terms, func(a, b corev1.PreferredSchedulingTerm) int { return cmp.Compare(b.Weight, a.Weight) })
	return terms[w.given].Preference, true
}
