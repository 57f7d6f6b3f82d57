package workbench

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// Intended creates a machine whose intent to launch is written and not answered.
func (b *Bench) Intended(modifiers ...builders.MachineModifier) *v1alpha5.Machine {
	b.t.Helper()
	machine := b.Machine(append([]builders.MachineModifier{func(m *v1alpha5.Machine) {
		m.Status.Launch = &v1alpha5.Launch{
			Group: m.Name, Attempt: 1, Size: 1, Token: "token-of-" + m.Name, RequestHash: "hash", Time: metav1.NewTime(b.Clock.Now()),
		}
	}}, modifiers...)...)
	b.Create(machine)
	return machine
}

// Launched creates a machine that has an instance in a cloud.
func (b *Bench) Launched(cloud cloudprovider.Provider, modifiers ...builders.MachineModifier) *v1alpha5.Machine {
	b.t.Helper()
	machine := b.Intended(modifiers...)
	answer, err := cloud.Create(b.t.Context(), machine)
	if err != nil {
		b.t.Fatalf("launching machine %s: %s", machine.Name, err)
	}
	Update(b, machine, func(m *v1alpha5.Machine) {
		m.Status.ProviderID, m.Status.Launch.Answered = answer.Status.ProviderID, true
		m.Status.Capacity, m.Status.Allocatable = answer.Status.Capacity, answer.Status.Allocatable
		machines.Conditions(m).True(v1alpha5.ConditionLaunched, v1alpha5.ReasonLaunched, "")
	})
	return machine
}

// Ready creates a machine that has an instance in a cloud, and a node that is ready for pods and pinned.
func (b *Bench) Ready(cloud cloudprovider.Provider, modifiers ...builders.MachineModifier) (*v1alpha5.Machine, *corev1.Node) {
	b.t.Helper()
	machine := b.Launched(cloud, modifiers...)
	node := b.Node(machine.Status.ProviderID, builders.Managed(machine.ProvisionerName()), func(n *corev1.Node) {
		n.Finalizers = []string{v1alpha5.TerminationFinalizer}
	})
	Update(b, machine, func(m *v1alpha5.Machine) {
		m.Status.NodeName = node.Name
		machines.Conditions(m).True(v1alpha5.ConditionRegistered, v1alpha5.ReasonRegistered, "")
		machines.Conditions(m).True(v1alpha5.ConditionInitialized, v1alpha5.ReasonInitialized, "")
	})
	return machine, node
}
