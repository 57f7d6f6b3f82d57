package v1alpha1

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// DefaultRequirements returns the requirements that AWS gives a Provisioner which chooses no instance types itself:
// categories c, m and r of a generation above 2. A choice by type, family, category or generation leaves them out. The
// keys are those that the Provisioner has requirements for.
func DefaultRequirements(keys []string) []corev1.NodeSelectorRequirement {
	chooses := func(key string) bool {
		switch key {
		case corev1.LabelInstanceTypeStable, corev1.LabelInstanceType,
			LabelInstanceFamily, LabelInstanceCategory, LabelInstanceGeneration:
			return true
		default:
			return false
		}
	}
	if slices.ContainsFunc(keys, chooses) {
		return nil
	}
	return []corev1.NodeSelectorRequirement{
		{Key: LabelInstanceCategory, Operator: corev1.NodeSelectorOpIn, Values: []string{"c", "m", "r"}},
		{Key: LabelInstanceGeneration, Operator: corev1.NodeSelectorOpGt, Values: []string{"2"}},
	}
}
