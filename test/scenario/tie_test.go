package scenario_test

import (
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/test/builders"
)

// tieTo parses what spread, apart and with say: KEY or KEY:SKEW, then words separated by semicolons.
func tieTo(a argument, app map[string]string) (builders.PodModifier, error) {
	words := strings.Split(a.value, ";")
	key, skew, spread := strings.Cut(words[0], ":")
	selector := &metav1.LabelSelector{MatchLabels: app}
	term := corev1.PodAffinityTerm{TopologyKey: key}
	constraint := corev1.TopologySpreadConstraint{TopologyKey: key, WhenUnsatisfiable: corev1.DoNotSchedule}
	for _, word := range words[1:] {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "of":
			label, of, _ := strings.Cut(value, ":")
			selector = &metav1.LabelSelector{}
			if value != "nothing" {
				selector.MatchLabels = map[string]string{label: of}
			}
		case "in":
			term.Namespaces = []string{value}
		case "min":
			n, err := strconv.ParseInt(value, 10, 32)
			if err != nil {
				return nil, err
			}
			constraint.MinDomains = new(int32(n))
		case "taints":
			constraint.NodeTaintsPolicy = new(corev1.NodeInclusionPolicyHonor)
		case "anywhere":
			constraint.NodeAffinityPolicy = new(corev1.NodeInclusionPolicyIgnore)
		default:
			return nil, fmt.Errorf("%q says nothing about %s", word, a.key)
		}
	}
	term.LabelSelector, constraint.LabelSelector = selector, selector
	if spread {
		n, err := strconv.ParseInt(skew, 10, 32)
		if err != nil {
			return nil, err
		}
		constraint.MaxSkew = int32(n)
	}
	return func(p *corev1.Pod) {
		switch a.key {
		case "spread":
			p.Spec.TopologySpreadConstraints = append(p.Spec.TopologySpreadConstraints, constraint)
		case "apart":
			builders.AntiAffinity(key, nil)(p)
			terms := p.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution
			terms[len(terms)-1] = term
		default:
			builders.Affinity(key, nil)(p)
			terms := p.Spec.Affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution
			terms[len(terms)-1] = term
		}
	}, nil
}

// prefer adds a preferred term of node affinity.
func prefer(all []corev1.NodeSelectorRequirement) builders.PodModifier {
	return func(p *corev1.Pod) {
		if p.Spec.Affinity == nil {
			p.Spec.Affinity = &corev1.Affinity{}
		}
		if p.Spec.Affinity.NodeAffinity == nil {
			p.Spec.Affinity.NodeAffinity = &corev1.NodeAffinity{}
		}
		terms := &p.Spec.Affinity.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution
		*terms = append(*terms, corev1.PreferredSchedulingTerm{Weight: 1, Preference: corev1.NodeSelectorTerm{MatchExpressions: all}})
	}
}
