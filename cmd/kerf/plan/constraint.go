package plan

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// constraint is a kind of wish about the place of a pod.
type constraint struct {
	// list says each wish of the kind in words.
	list func(*corev1.Pod) []string
	// without is what a person would do to be rid of them.
	without string
	// drop takes them from a pod of its own.
	drop func(*corev1.Pod)
}

// constraints are all but node selectors and volumes, in the order in which they are told.
func constraints() []constraint {
	return []constraint{
		{requiredNodeTerms, "without its required node affinity", func(p *corev1.Pod) {
			if p.Spec.Affinity != nil && p.Spec.Affinity.NodeAffinity != nil {
				p.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution = nil
			}
		}},
		{spreads, "without its topology spread", func(p *corev1.Pod) { p.Spec.TopologySpreadConstraints = nil }},
		{podTerms, "without its pod affinity", func(p *corev1.Pod) {
			if p.Spec.Affinity != nil {
				p.Spec.Affinity.PodAffinity = nil
			}
		}},
		{antiTerms, "without its pod anti-affinity", func(p *corev1.Pod) {
			if p.Spec.Affinity != nil {
				p.Spec.Affinity.PodAntiAffinity = nil
			}
		}},
		{hostPorts, "without its ports on the host", func(p *corev1.Pod) {
			for _, list := range [][]corev1.Container{p.Spec.Containers, p.Spec.InitContainers} {
				for i := range list {
					list[i].Ports = nil
				}
			}
		}},
	}
}

func requiredNodeTerms(pod *corev1.Pod) []string {
	a := pod.Spec.Affinity
	if a == nil || a.NodeAffinity == nil || a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return nil
	}
	var terms []string
	for _, term := range a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		var parts []string
		for _, e := range term.MatchExpressions {
			parts = append(parts, strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Key, e.Operator, strings.Join(e.Values, ","))))
		}
		for _, e := range term.MatchFields {
			parts = append(parts, fmt.Sprintf("field %s %s %s", e.Key, e.Operator, strings.Join(e.Values, ",")))
		}
		terms = append(terms, strings.Join(parts, " and "))
	}
	return []string{"node affinity " + strings.Join(terms, ", or ")}
}

func spreads(pod *corev1.Pod) []string {
	var out []string
	for _, c := range pod.Spec.TopologySpreadConstraints {
		out = append(out, fmt.Sprintf("spread over %s of pods %s, skew at most %d, %s", c.TopologyKey,
			metav1.FormatLabelSelector(c.LabelSelector), c.MaxSkew, c.WhenUnsatisfiable))
	}
	return out
}

func podTerms(pod *corev1.Pod) []string {
	if pod.Spec.Affinity == nil || pod.Spec.Affinity.PodAffinity == nil {
		return nil
	}
	a := pod.Spec.Affinity.PodAffinity
	return terms("in one %s with pods %s", a.RequiredDuringSchedulingIgnoredDuringExecution, a.PreferredDuringSchedulingIgnoredDuringExecution)
}

func antiTerms(pod *corev1.Pod) []string {
	if pod.Spec.Affinity == nil || pod.Spec.Affinity.PodAntiAffinity == nil {
		return nil
	}
	a := pod.Spec.Affinity.PodAntiAffinity
	return terms("in no %s with pods %s", a.RequiredDuringSchedulingIgnoredDuringExecution, a.PreferredDuringSchedulingIgnoredDuringExecution)
}

func terms(format string, required []corev1.PodAffinityTerm, preferred []corev1.WeightedPodAffinityTerm) []string {
	var out []string
	for _, t := range required {
		out = append(out, fmt.Sprintf(format, t.TopologyKey, metav1.FormatLabelSelector(t.LabelSelector)))
	}
	for _, t := range preferred {
		term := t.PodAffinityTerm
		out = append(out, "if possible "+fmt.Sprintf(format, term.TopologyKey, metav1.FormatLabelSelector(term.LabelSelector)))
	}
	return out
}

func hostPorts(pod *corev1.Pod) []string {
	var out []string
	for _, c := range pod.Spec.Containers {
		for _, port := range c.Ports {
			if port.HostPort != 0 {
				out = append(out, fmt.Sprintf("port %d/%s of the host", port.HostPort, port.Protocol))
			}
		}
	}
	return out
}
