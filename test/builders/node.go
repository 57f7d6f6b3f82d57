package builders

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// NodeModifier changes a node.
type NodeModifier func(*corev1.Node)

// Node returns a ready node of 4 cpu, 16 GiB and 110 pods with the labels that every kubelet sets.
func Node(name string, modifiers ...NodeModifier) *corev1.Node {
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("node/" + name), Labels: map[string]string{
			corev1.LabelHostname:   name,
			corev1.LabelArchStable: "amd64",
			corev1.LabelOSStable:   string(corev1.Linux),
		}},
		Status: corev1.NodeStatus{
			Capacity:    resourceList("4", "16Gi", 110),
			Allocatable: resourceList("4", "16Gi", 110),
			Conditions:  []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
		},
	}
	for _, modify := range modifiers {
		modify(node)
	}
	return node
}

// NodeLabels sets labels of the node.
func NodeLabels(labels map[string]string) NodeModifier {
	return func(n *corev1.Node) { n.Labels = merge(n.Labels, labels) }
}

// ProviderID says which instance is behind the node.
func ProviderID(id string) NodeModifier { return func(n *corev1.Node) { n.Spec.ProviderID = id } }

// Taint adds a taint.
func Taint(key, value string, effect corev1.TaintEffect) NodeModifier {
	return func(n *corev1.Node) {
		n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: key, Value: value, Effect: effect})
	}
}

// Allocatable sets capacity and allocatable of cpu, memory and pods.
func Allocatable(cpu, memory string, pods int) NodeModifier {
	return func(n *corev1.Node) {
		n.Status.Capacity, n.Status.Allocatable = resourceList(cpu, memory, pods), resourceList(cpu, memory, pods)
	}
}

// NotReady takes back that the kubelet is ready.
func NotReady() NodeModifier {
	return func(n *corev1.Node) {
		for i := range n.Status.Conditions {
			if n.Status.Conditions[i].Type == corev1.NodeReady {
				n.Status.Conditions[i].Status = corev1.ConditionFalse
			}
		}
	}
}

// Managed makes the node one that kerf made for a provisioner, and that is ready for ordinary pods.
func Managed(provisioner string) NodeModifier {
	return NodeLabels(map[string]string{
		v1alpha5.ProvisionerNameLabel: provisioner, v1alpha5.RegisteredLabel: "true", v1alpha5.InitializedLabel: "true",
	})
}
