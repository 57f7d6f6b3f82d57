package world

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// spread draws topology spread constraints; no two of the same kind over the same key, which the API server refuses.
func (d drawing) spread(pod *corev1.Pod) {
	if !d.chance(25) {
		return
	}
	for range d.between(1, 2) {
		c := corev1.TopologySpreadConstraint{
			TopologyKey:       one(d.dice, corev1.LabelTopologyZone, corev1.LabelTopologyZone, corev1.LabelHostname, corev1.LabelHostname, v1alpha5.CapacityTypeLabel, rackLabel),
			MaxSkew:           int32(d.between(1, 3)), //nolint:gosec // at most 3
			WhenUnsatisfiable: one(d.dice, corev1.DoNotSchedule, corev1.DoNotSchedule, corev1.DoNotSchedule, corev1.ScheduleAnyway),
			LabelSelector:     d.pods(pod),
		}
		if c.WhenUnsatisfiable == corev1.DoNotSchedule && d.chance(20) {
			c.MinDomains = new(int32(d.between(1, 4))) //nolint:gosec // at most 4
		}
		if d.chance(20) {
			c.NodeAffinityPolicy = new(one(d.dice, corev1.NodeInclusionPolicyHonor, corev1.NodeInclusionPolicyIgnore))
		}
		if d.chance(20) {
			c.NodeTaintsPolicy = new(one(d.dice, corev1.NodeInclusionPolicyHonor, corev1.NodeInclusionPolicyIgnore))
		}
		if c.LabelSelector != nil && d.chance(20) {
			c.MatchLabelKeys = []string{"rev"}
		}
		if !slices.ContainsFunc(pod.Spec.TopologySpreadConstraints, func(o corev1.TopologySpreadConstraint) bool {
			return o.TopologyKey == c.TopologyKey && o.WhenUnsatisfiable == c.WhenUnsatisfiable
		}) {
			pod.Spec.TopologySpreadConstraints = append(pod.Spec.TopologySpreadConstraints, c)
		}
	}
}

// befriend draws which pods this one wants near and which it wants away.
func (d drawing) befriend(pod *corev1.Pod) {
	if !d.chance(25) {
		return
	}
	if pod.Spec.Affinity == nil {
		pod.Spec.Affinity = &corev1.Affinity{}
	}
	a := pod.Spec.Affinity
	if d.chance(45) {
		a.PodAffinity = &corev1.PodAffinity{}
		if d.chance(75) {
			a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution = d.terms(pod)
		} else {
			a.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution = d.preferred(pod)
		}
	}
	if a.PodAffinity == nil || d.chance(25) {
		a.PodAntiAffinity = &corev1.PodAntiAffinity{}
		if d.chance(75) {
			a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution = d.terms(pod)
		} else {
			a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution = d.preferred(pod)
		}
	}
}

func (d drawing) terms(pod *corev1.Pod) []corev1.PodAffinityTerm {
	out := []corev1.PodAffinityTerm{d.term(pod)}
	if d.chance(15) {
		out = append(out, d.term(pod))
	}
	return out
}

func (d drawing) preferred(pod *corev1.Pod) []corev1.WeightedPodAffinityTerm {
	return []corev1.WeightedPodAffinityTerm{{Weight: int32(d.between(1, 100)), PodAffinityTerm: d.term(pod)}} //nolint:gosec // at most 100
}

func (d drawing) term(pod *corev1.Pod) corev1.PodAffinityTerm {
	t := corev1.PodAffinityTerm{
		TopologyKey:   one(d.dice, corev1.LabelHostname, corev1.LabelHostname, corev1.LabelTopologyZone, corev1.LabelTopologyZone, v1alpha5.CapacityTypeLabel, rackLabel),
		LabelSelector: d.pods(pod),
	}
	if d.chance(25) {
		t.Namespaces = some(d.dice, "default", "other", "third")
	}
	if d.chance(20) {
		t.NamespaceSelector = &metav1.LabelSelector{}
		if d.chance(70) {
			t.NamespaceSelector.MatchLabels = map[string]string{"tier": one(d.dice, "front", "back")}
		}
	}
	return t
}

// pods draws a selector of pods: those of the same workload mostly, those of a role, or in one of the rarer forms.
func (d drawing) pods(pod *corev1.Pod) *metav1.LabelSelector {
	expression := func(operator metav1.LabelSelectorOperator, values ...string) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "role", Operator: operator, Values: values}}}
	}
	switch n := d.IntN(100); {
	case n < 60:
		return &metav1.LabelSelector{MatchLabels: map[string]string{"app": pod.Labels["app"]}}
	case n < 85:
		return &metav1.LabelSelector{MatchLabels: map[string]string{"role": one(d.dice, "web", "db", "cache")}}
	case n < 89:
		return expression(metav1.LabelSelectorOpIn, some(d.dice, "web", "db")...)
	case n < 92:
		return expression(metav1.LabelSelectorOpNotIn, one(d.dice, "web", "db"))
	case n < 94:
		return expression(metav1.LabelSelectorOpExists)
	case n < 96:
		return expression(metav1.LabelSelectorOpDoesNotExist)
	case n < 98:
		return &metav1.LabelSelector{}
	default:
		return nil
	}
}
