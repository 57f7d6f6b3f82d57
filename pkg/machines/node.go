package machines

import (
	"context"
	"fmt"
	"math"
	"path"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// InstanceID returns the part of a provider id that tells one instance from all others. What comes before it, a zone for one,
// may be missing in one answer of the cloud and there in the next.
func InstanceID(providerID string) string {
	if providerID == "" {
		return ""
	}
	return path.Base(providerID)
}

// NodeIsReady reports whether the kubelet says that it is ready.
func NodeIsReady(node *corev1.Node) bool {
	return slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// Disrupt puts the taint on a Node that keeps new pods off it, with the time; it is still to be written.
func Disrupt(node *corev1.Node, now time.Time) {
	taint := v1alpha5.DisruptedTaint()
	if !slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.MatchTaint(&taint) }) {
		// The API keeps whole seconds: rounded up, no time since the taint is counted too long.
		added := metav1.NewTime(now.Add(time.Second - time.Nanosecond).Truncate(time.Second))
		taint.TimeAdded = &added
		node.Spec.Taints = append(node.Spec.Taints, taint)
	}
}

// DisruptedFor returns how long a Node has had the taint. One that does not say since when has had it for long: somebody else
// put it there.
func DisruptedFor(node *corev1.Node, now time.Time) time.Duration {
	taint := v1alpha5.DisruptedTaint()
	for i := range node.Spec.Taints {
		if t := &node.Spec.Taints[i]; t.MatchTaint(&taint) && t.TimeAdded != nil {
			return now.Sub(t.TimeAdded.Time)
		}
	}
	return math.MaxInt64
}

// IsConsolidationCandidate reports whether a Node has the taint of those that are best left to empty by themselves.
func IsConsolidationCandidate(node *corev1.Node) bool {
	return slices.ContainsFunc(node.Spec.Taints, isCandidateTaint)
}

// SetConsolidationCandidate puts that taint on a Node, or takes it off; it is still to be written.
func SetConsolidationCandidate(node *corev1.Node, is bool) {
	node.Spec.Taints = slices.DeleteFunc(node.Spec.Taints, isCandidateTaint)
	if is {
		node.Spec.Taints = append(node.Spec.Taints, v1alpha5.ConsolidationCandidateTaint())
	}
}

func isCandidateTaint(t corev1.Taint) bool {
	candidate := v1alpha5.ConsolidationCandidateTaint()
	return t.MatchTaint(&candidate)
}

// LiveNode returns the Node that the Machine joined as, as the API server itself has it; nil when there is none any more, or
// when it belongs to another instance by now.
func LiveNode(ctx context.Context, live client.Reader, machine *v1alpha5.Machine) (*corev1.Node, error) {
	if machine.Status.NodeName == "" {
		return nil, nil
	}
	node := &corev1.Node{}
	err := live.Get(ctx, client.ObjectKey{Name: machine.Status.NodeName}, node)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("getting node %s: %w", machine.Status.NodeName, err)
	case node.Spec.ProviderID != machine.Status.ProviderID:
		return nil, nil
	}
	return node, nil
}

// LiveNodes returns the Nodes that carry the Machine's provider id as the API server itself has them. It reads all Nodes.
func LiveNodes(ctx context.Context, live client.Reader, machine *v1alpha5.Machine) ([]corev1.Node, error) {
	if machine.Status.ProviderID == "" {
		return nil, nil
	}
	var all corev1.NodeList
	if err := live.List(ctx, &all); err != nil {
		return nil, fmt.Errorf("listing nodes: %w", err)
	}
	return slices.DeleteFunc(all.Items, func(n corev1.Node) bool { return n.Spec.ProviderID != machine.Status.ProviderID }), nil
}

// LivePods returns the pods bound to a Node as the API server itself has them.
func LivePods(ctx context.Context, live client.Reader, nodeName string) ([]*corev1.Pod, error) {
	return podsBy(ctx, live, "spec.nodeName", nodeName)
}
