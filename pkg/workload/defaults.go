package workload

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Default fills in what an API server adds to a pod and what then decides on its place.
func Default(pod *corev1.Pod) {
	pod.UID = uidOf(pod.UID, "Pod", pod.Namespace, pod.Name)
	for _, list := range [][]corev1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
		for i := range list {
			defaultPorts(list[i].Ports, pod.Spec.HostNetwork)
		}
	}
	if a := pod.Spec.Affinity; a != nil && a.PodAffinity != nil {
		defaultTerms(pod, a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution, a.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution)
	}
	if a := pod.Spec.Affinity; a != nil && a.PodAntiAffinity != nil {
		defaultTerms(pod, a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution, a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution)
	}
}

// defaultPorts gives pods in the network of their node the ports of their containers there.
func defaultPorts(ports []corev1.ContainerPort, hostNetwork bool) {
	for i := range ports {
		if ports[i].Protocol == "" {
			ports[i].Protocol = corev1.ProtocolTCP
		}
		if hostNetwork && ports[i].HostPort == 0 {
			ports[i].HostPort = ports[i].ContainerPort
		}
	}
}

func defaultTerms(pod *corev1.Pod, required []corev1.PodAffinityTerm, preferred []corev1.WeightedPodAffinityTerm) {
	for i := range required {
		defaultTerm(pod, &required[i])
	}
	for i := range preferred {
		defaultTerm(pod, &preferred[i].PodAffinityTerm)
	}
}

// defaultTerm writes what the pod's own labels say under the keys of a term into its selector.
func defaultTerm(pod *corev1.Pod, term *corev1.PodAffinityTerm) {
	if term.LabelSelector == nil {
		return
	}
	for _, match := range []struct {
		keys     []string
		operator metav1.LabelSelectorOperator
	}{{term.MatchLabelKeys, metav1.LabelSelectorOpIn}, {term.MismatchLabelKeys, metav1.LabelSelectorOpNotIn}} {
		for _, key := range match.keys {
			value, ok := pod.Labels[key]
			there := slices.ContainsFunc(term.LabelSelector.MatchExpressions, func(r metav1.LabelSelectorRequirement) bool {
				return r.Key == key && r.Operator == match.operator && slices.Equal(r.Values, []string{value})
			})
			if ok && !there {
				term.LabelSelector.MatchExpressions = append(term.LabelSelector.MatchExpressions, metav1.LabelSelectorRequirement{
					Key: key, Operator: match.operator, Values: []string{value},
				})
			}
		}
	}
}
