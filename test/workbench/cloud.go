package workbench

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

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

// RunningPod creates a pod that runs on a node.
func (b *Bench) RunningPod(namespace, node string, modifiers ...builders.PodModifier) *corev1.Pod {
	b.t.Helper()
	pod := builders.Pod(append([]builders.PodModifier{
		builders.Name(b.Name("pod")), builders.Namespace(namespace), builders.OnNode(node),
		func(p *corev1.Pod) {
			p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionTrue})
		},
	}, modifiers...)...)
	b.Create(pod)
	return pod
}

// Budget creates a PodDisruptionBudget over the pods with labels that allows so many disruptions.
func (b *Bench) Budget(namespace string, allowed int32, labels map[string]string) *policyv1.PodDisruptionBudget {
	b.t.Helper()
	least := intstr.FromInt32(1)
	budget := &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: b.Name("budget"), Namespace: namespace},
		Spec:       policyv1.PodDisruptionBudgetSpec{MinAvailable: &least, Selector: &metav1.LabelSelector{MatchLabels: labels}},
	}
	b.Create(budget)
	b.Allow(budget, allowed)
	return budget
}

// Allow lets a budget allow so many disruptions, as its controller would.
func (b *Bench) Allow(budget *policyv1.PodDisruptionBudget, allowed int32) {
	b.t.Helper()
	Update(b, budget, func(p *policyv1.PodDisruptionBudget) {
		p.Status = policyv1.PodDisruptionBudgetStatus{
			ObservedGeneration: p.Generation, DisruptionsAllowed: allowed, CurrentHealthy: 1 + allowed, DesiredHealthy: 1, ExpectedPods: 1 + allowed,
		}
	})
}
