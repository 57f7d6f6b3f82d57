package builders

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// ProvisionerModifier changes a provisioner.
type ProvisionerModifier func(*v1alpha5.Provisioner)

// Provisioner returns a provisioner that buys from the template of the same name and asks for nothing.
func Provisioner(name string, modifiers ...ProvisionerModifier) *v1alpha5.Provisioner {
	p := &v1alpha5.Provisioner{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("provisioner/" + name), Generation: 1},
		Spec:       v1alpha5.ProvisionerSpec{ProviderRef: &v1alpha5.TemplateReference{Name: name}},
	}
	for _, modify := range modifiers {
		modify(p)
	}
	return p
}

// Weight sets the provisioner's weight.
func Weight(weight int32) ProvisionerModifier {
	return func(p *v1alpha5.Provisioner) { p.Spec.Weight = new(weight) }
}

// Limit bounds a resource.
func Limit(name corev1.ResourceName, quantity string) ProvisionerModifier {
	return func(p *v1alpha5.Provisioner) {
		if p.Spec.Limits == nil {
			p.Spec.Limits = &v1alpha5.Limits{Resources: corev1.ResourceList{}}
		}
		p.Spec.Limits.Resources[name] = resource.MustParse(quantity)
	}
}

// Requirement adds a requirement.
func Requirement(key string, operator corev1.NodeSelectorOperator, values ...string) ProvisionerModifier {
	return func(p *v1alpha5.Provisioner) {
		p.Spec.Requirements = append(p.Spec.Requirements, v1alpha5.Requirement{Key: key, Operator: operator, Values: values})
	}
}

// MachineLabels sets labels of the provisioner's machines.
func MachineLabels(labels map[string]string) ProvisionerModifier {
	return func(p *v1alpha5.Provisioner) { p.Spec.Labels = merge(p.Spec.Labels, labels) }
}

// MachineTaint adds a taint to the provisioner's machines.
func MachineTaint(key, value string, effect corev1.TaintEffect) ProvisionerModifier {
	return func(p *v1alpha5.Provisioner) {
		p.Spec.Taints = append(p.Spec.Taints, v1alpha5.Taint{Key: key, Value: value, Effect: effect})
	}
}

// TTLAfterEmpty sets after how many seconds an empty node goes.
func TTLAfterEmpty(seconds int64) ProvisionerModifier {
	return func(p *v1alpha5.Provisioner) { p.Spec.TTLSecondsAfterEmpty = new(seconds) }
}
