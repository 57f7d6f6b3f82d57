package v1alpha5

import (
	corev1 "k8s.io/api/core/v1"
)

// SetDefaults adds the requirements that a Provisioner has when it says nothing of them: linux, amd64, on-demand.
//
// Only requirements count as said; a label of the same key does not.
func (p *Provisioner) SetDefaults() {
	for _, d := range []struct{ key, value string }{
		{corev1.LabelOSStable, string(corev1.Linux)},
		{corev1.LabelArchStable, "amd64"},
		{CapacityTypeLabel, CapacityTypeOnDemand},
	} {
		if p.requires(d.key) {
			continue
		}
		p.Spec.Requirements = append(p.Spec.Requirements, Requirement{
			Key: d.key, Operator: corev1.NodeSelectorOpIn, Values: []string{d.value},
		})
	}
}

func (p *Provisioner) requires(key string) bool {
	for _, r := range p.Spec.Requirements {
		if NormalizeLabel(r.Key) == key {
			return true
		}
	}
	return false
}
