package v1alpha1

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// WithDefaultRequirements adds the requirements that AWS gives a Provisioner which chooses no instance types itself:
// categories c, m and r of a generation above 2. A choice by type, family, category or generation leaves them out.
func WithDefaultRequirements(requirements []corev1.NodeSelectorRequirement) []corev1.NodeSelectorRequirement {
	chooses := func(r corev1.NodeSelectorRequirement) bool {
		switch r.Key {
		case corev1.LabelInstanceTypeStable, corev1.LabelInstanceType,
			LabelInstanceFamily, LabelInstanceCategory, LabelInstanceGeneration:
			return true
		default:
			return false
		}
	}
	if slices.ContainsFunc(requirements, chooses) {
		return requirements
	}
	return append(slices.Clone(requirements),
		corev1.NodeSelectorRequirement{Key: LabelInstanceCategory, Operator: corev1.NodeSelectorOpIn, Values: []string{"c", "m", "r"}},
		corev1.NodeSelectorRequirement{Key: LabelInstanceGeneration, Operator: corev1.NodeSelectorOpGt, Values: []string{"2"}},
	)
}
