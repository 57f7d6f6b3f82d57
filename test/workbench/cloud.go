package workbench

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/fake"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// Cloud returns a cloud in memory that offers one type, m5.large, in a zone that no other bench has: the zone is part of its
// provider ids, by which machines and nodes of a package's tests find each other. Instances take a time to terminate.
func (b *Bench) Cloud(terminationTime time.Duration) *fake.Provider {
	types := fake.Make(fake.Shape{Name: "m5.large", CPU: 2, MemoryGiB: 8, Pods: 29, Price: 0.096, Zones: []string{b.Zone}})
	return fake.New(fake.Options{Clock: b.Clock, InstanceTypes: types, TerminationTime: terminationTime})
}

// Machine returns a machine, not created yet, that asks for what Cloud offers, as spot.
func (b *Bench) Machine(modifiers ...builders.MachineModifier) *v1alpha5.Machine {
	return builders.Machine(b.Name("machine"), "default", append([]builders.MachineModifier{
		builders.MachineRequirement(v1alpha5.CapacityTypeLabel, corev1.NodeSelectorOpIn, v1alpha5.CapacityTypeSpot),
		builders.MachineRequirement(corev1.LabelTopologyZone, corev1.NodeSelectorOpIn, b.Zone),
		builders.MachineRequirement(corev1.LabelInstanceTypeStable, corev1.NodeSelectorOpIn, "m5.large"),
	}, modifiers...)...)
}

// Node creates the node of an instance. It is ready and has no taints but those that it is given: the one that the API server
// puts on every new node is taken off again.
func (b *Bench) Node(providerID string, modifiers ...builders.NodeModifier) *corev1.Node {
	b.t.Helper()
	node := builders.Node(b.Name("node"), append([]builders.NodeModifier{builders.ProviderID(providerID)}, modifiers...)...)
	taints := node.Spec.Taints
	b.Create(node)
	Update(b, node, func(n *corev1.Node) { n.Spec.Taints = taints })
	return node
}
