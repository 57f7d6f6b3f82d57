package lifecycle

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

// registration finds the Node of a launched Machine and gives it the Machine's labels, annotations, taints, owner and finalizer.
type registration struct {
	client client.Client
	live   client.Reader
}

func (r *registration) reconcile(ctx context.Context, machine *v1alpha5.Machine) (reconcile.Result, error) {
	conditions := machines.Conditions(machine)
	if !conditions.IsTrue(v1alpha5.ConditionLaunched) {
		conditions.Unknown(v1alpha5.ConditionRegistered, v1alpha5.ReasonNotLaunched, "")
		return reconcile.Result{}, nil
	}
	nodes, err := machines.Nodes(ctx, r.client, machine)
	if err != nil {
		return reconcile.Result{}, err
	}
	if conditions.IsTrue(v1alpha5.ConditionRegistered) {
		there, err := r.isThere(ctx, machine, nodes)
		if err != nil {
			return reconcile.Result{}, err
		}
		if there {
			return reconcile.Result{}, r.keep(ctx, machine, nodes)
		}
	}
	switch {
	case len(nodes) == 0 && machine.Status.NodeName != "":
		if conditions.False(v1alpha5.ConditionRegistered, v1alpha5.ReasonNodeNotFound, "node "+machine.Status.NodeName+" is gone") {
			ctrl.LoggerFrom(ctx).Info("node of machine is gone", "machine", klog.KObj(machine), "node", machine.Status.NodeName)
		}
		return reconcile.Result{}, nil
	case len(nodes) == 0 && machine.NeverJoined(): // liveness has given it up
		return reconcile.Result{}, nil
	case len(nodes) == 0:
		conditions.Unknown(v1alpha5.ConditionRegistered, v1alpha5.ReasonNodeNotFound, "the instance has not joined the cluster yet")
		return reconcile.Result{}, nil
	case len(nodes) > 1:
		message := fmt.Sprintf("%d nodes have provider id %s; delete those that are no longer there", len(nodes), machine.Status.ProviderID)
		conditions.False(v1alpha5.ConditionRegistered, v1alpha5.ReasonMultipleNodes, message)
		return reconcile.Result{}, nil
	}
	if err := r.sync(ctx, machine, &nodes[0]); err != nil {
		return reconcile.Result{}, err
	}
	machine.Status.NodeName = nodes[0].Name
	conditions.True(v1alpha5.ConditionRegistered, v1alpha5.ReasonRegistered, "joined as node "+nodes[0].Name)
	return reconcile.Result{}, nil
}

// isThere reports whether the Node that the Machine joined as still exists. A cache that lags does not make it go.
func (r *registration) isThere(ctx context.Context, machine *v1alpha5.Machine, nodes []corev1.Node) (bool, error) {
	if slices.ContainsFunc(nodes, func(n corev1.Node) bool { return n.Name == machine.Status.NodeName }) {
		return true, nil
	}
	node, err := machines.LiveNode(ctx, r.live, machine)
	return node != nil, err
}

// sync gives a Node what its Machine says, in one patch. Taints are put on only here: afterwards they belong to the cluster.
func (r *registration) sync(ctx context.Context, machine *v1alpha5.Machine, node *corev1.Node) error {
	stored := node.DeepCopy()
	adopt(machine, node)
	for _, taint := range slices.Concat(machine.Spec.Taints, machine.Spec.StartupTaints) {
		if taint.Effect == "" { // the API takes it in a Machine and refuses it in a Node, where it would do nothing
			continue
		}
		if !slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.MatchTaint(&taint) }) {
			node.Spec.Taints = append(node.Spec.Taints, taint)
		}
	}
	node.Labels[v1alpha5.RegisteredLabel] = "true"
	if _, err := machines.WriteNode(ctx, r.client, stored, node); err != nil {
		return fmt.Errorf("registering node: %w", err)
	}
	return nil
}

// keep restores labels, owner and finalizer that somebody took off a registered Node: without them it would escape its Machine.
func (r *registration) keep(ctx context.Context, machine *v1alpha5.Machine, nodes []corev1.Node) error {
	for i := range nodes {
		node := &nodes[i]
		if node.Name != machine.Status.NodeName || !node.DeletionTimestamp.IsZero() {
			continue
		}
		stored := node.DeepCopy()
		adopt(machine, node)
		if _, err := machines.WriteNode(ctx, r.client, stored, node); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("restoring labels of node: %w", err)
		}
	}
	return nil
}

func adopt(machine *v1alpha5.Machine, node *corev1.Node) {
	controllerutil.AddFinalizer(node, v1alpha5.TerminationFinalizer)
	if node.Labels == nil {
		node.Labels = map[string]string{}
	}
	maps.Copy(node.Labels, machine.Labels)
	for key, value := range machine.Annotations {
		if strings.HasPrefix(key, "kubectl.kubernetes.io/") {
			continue // kubectl's record of the Machine is no record of the Node
		}
		if key == v1alpha5.MadeForAnnotation {
			continue // a Node is for whatever pods come to it
		}
		if node.Annotations == nil {
			node.Annotations = map[string]string{}
		}
		node.Annotations[key] = value
	}
	owner := metav1.OwnerReference{
		APIVersion: v1alpha5.GroupVersion().String(), Kind: "Machine", Name: machine.Name, UID: machine.UID, BlockOwnerDeletion: new(true),
	}
	if !slices.ContainsFunc(node.OwnerReferences, func(r metav1.OwnerReference) bool { return r.UID == owner.UID }) {
		node.OwnerReferences = append(node.OwnerReferences, owner)
	}
}
