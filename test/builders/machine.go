package builders

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// MachineModifier changes a machine.
type MachineModifier func(*v1alpha5.Machine)

// Machine returns a machine of a provisioner that is planned and not launched: a finalizer, a launch group of its own, no instance.
func Machine(name, provisioner string, modifiers ...MachineModifier) *v1alpha5.Machine {
	m := &v1alpha5.Machine{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, UID: types.UID("machine/" + name), Generation: 1,
			Labels:     map[string]string{v1alpha5.ProvisionerNameLabel: provisioner},
			Finalizers: []string{v1alpha5.TerminationFinalizer},
		},
		Spec: v1alpha5.MachineSpec{
			MachineTemplateRef: &v1alpha5.TemplateReference{Name: provisioner},
			LaunchGroup:        &v1alpha5.LaunchGroup{Name: name, Size: 1},
		},
	}
	for _, modify := range modifiers {
		modify(m)
	}
	return m
}

// MachineRequirement adds a requirement of the machine.
func MachineRequirement(key string, operator corev1.NodeSelectorOperator, values ...string) MachineModifier {
	return func(m *v1alpha5.Machine) {
		m.Spec.Requirements = append(m.Spec.Requirements, corev1.NodeSelectorRequirement{Key: key, Operator: operator, Values: values})
	}
}

// LaunchedAs says that there is an instance, and what it has.
func LaunchedAs(providerID, cpu, memory string, pods int) MachineModifier {
	return func(m *v1alpha5.Machine) {
		m.Status.ProviderID = providerID
		m.Status.Capacity, m.Status.Allocatable = resourceList(cpu, memory, pods), resourceList(cpu, memory, pods)
	}
}

// RegisteredAs says which node the instance became.
func RegisteredAs(node string) MachineModifier {
	return func(m *v1alpha5.Machine) { m.Status.NodeName = node }
}
