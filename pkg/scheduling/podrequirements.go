package scheduling

import (
	corev1 "k8s.io/api/core/v1"
)

// NodeName is the key under which requirements have what a pod asks of its node's name. It cannot be the key of a label.
const NodeName = ".metadata.name"

// PodRequirements returns what the pod asks of a node's labels, and of its name: a list of alternatives, each complete in itself,
// in the order of the pod's required terms. A node that meets any of them will do; an empty list means that no node does.
//
// The node selector is part of each alternative. Terms that ask for nothing match nothing, as in Kubernetes. Preferred terms are
// not requirements and do not count here.
func PodRequirements(pod *corev1.Pod) []Requirements {
	return alternatives(pod, func(t corev1.NodeSelectorTerm) Requirements {
		out := FromNodeSelector(t.MatchExpressions)
		for _, f := range t.MatchFields { // the API server takes the name alone
			out.Add(NewRequirement(NodeName, f.Operator, f.Values...))
		}
		return out
	})
}

// DaemonRequirements returns what a DaemonSet's pod asks of a node's labels. The field by which its controller ties each pod
// to one node is disregarded.
func DaemonRequirements(pod *corev1.Pod) []Requirements {
	return alternatives(pod, func(t corev1.NodeSelectorTerm) Requirements { return FromNodeSelector(t.MatchExpressions) })
}

// alternatives returns the node selector with what each required term asks for; the node selector alone if nothing is required.
func alternatives(pod *corev1.Pod, asked func(corev1.NodeSelectorTerm) Requirements) []Requirements {
	selector := FromLabels(pod.Spec.NodeSelector)
	affinity := pod.Spec.Affinity
	if affinity == nil || affinity.NodeAffinity == nil || affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return []Requirements{selector}
	}
	var out []Requirements
	for _, term := range affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		if len(term.MatchExpressions) > 0 || len(term.MatchFields) > 0 {
			out = append(out, selector.Union(asked(term)))
		}
	}
	return out
}
