package scheduling

import (
	corev1 "k8s.io/api/core/v1"
)

// PodRequirements returns what the pod asks of a node's labels: a list of alternatives, each complete in itself, in the order
// of the pod's required terms. A node that meets any of them will do; an empty list means that no node does.
//
// The node selector is part of each alternative. Terms without expressions match nothing, as in Kubernetes. Terms that select
// nodes by field are left out: a node that is yet to come has no name that could be selected. Preferred terms are not
// requirements and do not count here.
func PodRequirements(pod *corev1.Pod) []Requirements {
	return alternatives(pod, func(t corev1.NodeSelectorTerm) bool { return len(t.MatchExpressions) > 0 && len(t.MatchFields) == 0 })
}

// DaemonRequirements returns what a DaemonSet's pod asks of a node's labels. The field by which its controller ties each pod
// to one node is disregarded.
func DaemonRequirements(pod *corev1.Pod) []Requirements {
	return alternatives(pod, func(t corev1.NodeSelectorTerm) bool { return len(t.MatchExpressions) > 0 || len(t.MatchFields) > 0 })
}

// alternatives returns the node selector with each required term that counts; the node selector alone if nothing is required.
func alternatives(pod *corev1.Pod, counts func(corev1.NodeSelectorTerm) bool) []Requirements {
	selector := FromLabels(pod.Spec.NodeSelector)
	affinity := pod.Spec.Affinity
	if affinity == nil || affinity.NodeAffinity == nil || affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return []Requirements{selector}
	}
	var out []Requirements
	for _, term := range affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		if counts(term) {
			out = append(out, selector.Union(FromNodeSelector(term.MatchExpressions)))
		}
	}
	return out
}
