package world

import (
	"maps"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

const (
	// StepStrip takes off one of the ready nodes what kerf has put on it: labels, owner, finalizer.
	StepStrip = "strip-node"
	// StepRejoin takes one of the ready nodes away, whatever holds it, and has its kubelet come back; its provider id may come later.
	StepRejoin = "rejoin-node"
)

const (
	// awayFor is how long a kubelet is away for each count of its step, and namelessFor is how long its node has no provider id then: the
	// API server lets nobody take that off a node, but a kubelet may leave it to a cloud controller.
	awayFor, namelessFor = 6 * time.Second, 20 * time.Second
)

// lose does to one of the nodes that are ready what the step says.
func (a *actors) lose(step Step) bool {
	var found []*corev1.Node
	each(a, "Node", func(n *corev1.Node) {
		if n.DeletionTimestamp.IsZero() && ready(n) != nil && ready(n).Status == corev1.ConditionTrue && n.Labels[v1alpha5.RegisteredLabel] != "" {
			found = append(found, n)
		}
	})
	if len(found) == 0 {
		return false
	}
	node := found[step.Number%len(found)]
	if step.Action == StepStrip {
		change(a, byUser, node, func(n *corev1.Node) {
			n.Finalizers, n.OwnerReferences = nil, nil
			maps.DeleteFunc(n.Labels, func(key, _ string) bool { return strings.HasPrefix(key, "karpenter.") })
		})
		return true
	}
	a.w.store.Remove(byUser, node)
	for _, i := range a.w.sim.World().Instances() {
		if providerID(&i) == node.Spec.ProviderID {
			back := time.Now().Add(time.Duration(step.Number/2) * awayFor)
			delete(a.joined, i.ID)
			a.back[i.ID] = back
			if step.Number%2 == 1 {
				a.nameless[node.Name] = back.Add(namelessFor)
			}
			a.again(back)
		}
	}
	return true
}

// nameOf returns the provider id that a node has at a time: none while nobody has told it.
func (a *actors) nameOf(node, providerID string, now time.Time) string {
	if until, ok := a.nameless[node]; ok && now.Before(until) {
		a.again(until)
		return ""
	}
	return providerID
}

// tell gives a node its provider id once somebody knows it, and reports whether it is one whose instance runs.
func (a *actors) tell(node *corev1.Node, alive map[string]string, now time.Time) bool {
	id, runs := alive[node.Name]
	if node.Spec.ProviderID == "" && runs {
		if name := a.nameOf(node.Name, id, now); name != "" {
			change(a, byCluster, node, func(n *corev1.Node) { n.Spec.ProviderID = name })
		}
		return true
	}
	return runs && node.Spec.ProviderID == id
}
