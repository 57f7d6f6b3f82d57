package termination

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/journal"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

// nodeStep deletes the Node of a Machine whose instance is gone.
type nodeStep struct {
	client client.Client
}

func (n *nodeStep) reconcile(ctx context.Context, _ *v1alpha5.Machine, nodes []corev1.Node) (bool, time.Duration, error) {
	for i := range nodes {
		if err := unpin(ctx, n.client, &nodes[i]); err != nil {
			return false, 0, err
		}
		if err := n.client.Delete(ctx, &nodes[i], client.Preconditions{UID: &nodes[i].UID}); client.IgnoreNotFound(err) != nil {
			return false, 0, fmt.Errorf("deleting node %s: %w", nodes[i].Name, err)
		}
	}
	return true, 0, nil
}

// unpin takes kerf's finalizer off a Node.
func unpin(ctx context.Context, c client.Client, node *corev1.Node) error {
	stored := node.DeepCopy()
	if !controllerutil.RemoveFinalizer(node, v1alpha5.TerminationFinalizer) {
		return nil
	}
	if _, err := machines.WriteNode(ctx, c, stored, node); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("releasing it: %w", err)
	}
	return nil
}

// pinnedPoll is how often a Node that is held is looked at. Its Machine frees it at its end, but may not have seen then that it was
// held: it may have been registered a moment before. Nothing is heard of the Node after that.
const pinnedPoll = 5 * time.Second

// NodeController makes the deletion of a Node the deletion of its Machine. The finalizer holds the Node until the Machine's end
// has drained it.
type NodeController struct {
	client   client.Client
	live     client.Reader
	provider cloudprovider.Provider
	settler  *machines.Settler
	journal  journal.Journal
}

// NewNodeController returns a controller for Nodes of instances of provider; live reads past the cache.
func NewNodeController(client client.Client, live client.Reader, provider cloudprovider.Provider, journal journal.Journal) *NodeController {
	return &NodeController{client: client, live: live, provider: provider, settler: machines.NewSettler(), journal: journal}
}

// +kubebuilder:rbac:groups=karpenter.sh,resources=machines,verbs=list;create;delete

// Register adds the controller to a manager.
func (n *NodeController) Register(mgr ctrl.Manager) error {
	deleting := predicate.NewPredicateFuncs(func(object client.Object) bool {
		return !object.GetDeletionTimestamp().IsZero() && controllerutil.ContainsFinalizer(object, v1alpha5.TerminationFinalizer)
	})
	return ctrl.NewControllerManagedBy(mgr).Named("node.termination").
		For(&corev1.Node{}, builder.WithPredicates(deleting)).
		Complete(n)
}

// Reconcile deletes the Machine of a Node that is being deleted, and lets the Node go when it has none.
func (n *NodeController) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	node := &corev1.Node{}
	if err := n.client.Get(ctx, request.NamespacedName, node); err != nil {
		n.settler.Gone(request)
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if node.DeletionTimestamp.IsZero() || !controllerutil.ContainsFinalizer(node, v1alpha5.TerminationFinalizer) {
		return reconcile.Result{}, nil
	}
	claimants, err := machines.ByProviderID(ctx, n.client, node.Spec.ProviderID)
	if err == nil && len(claimants) == 0 {
		claimants, err = n.liveMachines(ctx, node)
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	if len(claimants) == 0 {
		result, err := n.letGo(ctx, node)
		return n.settler.Settle(request, result, err)
	}
	for i := range claimants { // of several each would leave the instance to the others
		machine := &claimants[i]
		if !machine.DeletionTimestamp.IsZero() {
			continue
		}
		if err := n.client.Delete(ctx, machine, client.Preconditions{UID: &machine.UID}); client.IgnoreNotFound(err) != nil {
			return reconcile.Result{}, fmt.Errorf("deleting machine %s of node %s: %w", machine.Name, node.Name, err)
		}
	}
	return reconcile.Result{RequeueAfter: pinnedPoll}, nil
}

// letGo frees a Node that has no Machine, unless its instance runs on: somebody took the Machine's finalizer off, and the garbage
// collector deletes what it owned. The pods that run there have not been asked to leave yet, so the instance is given a Machine to
// end it, and the Node waits for that.
func (n *NodeController) letGo(ctx context.Context, node *corev1.Node) (reconcile.Result, error) {
	if node.Spec.ProviderID == "" {
		return reconcile.Result{}, unpin(ctx, n.client, node)
	}
	instance, err := n.provider.Get(ctx, node.Spec.ProviderID)
	switch {
	case cloudprovider.IsNotFound(err):
		return reconcile.Result{}, unpin(ctx, n.client, node)
	case err != nil:
		return reconcile.Result{}, fmt.Errorf("looking for the instance of node %s: %w", node.Name, err)
	case cloudprovider.IsEnding(instance):
		return reconcile.Result{RequeueAfter: pinnedPoll}, nil
	}
	if err := machines.Retire(ctx, n.client, instance); err != nil {
		return reconcile.Result{}, err
	}
	n.journal.Events.Publish(events.Event{
		Object: node, Warning: true, Reason: events.ReasonInstanceOrphaned,
		Message: "Its machine is gone and instance " + node.Spec.ProviderID + " is not: it is drained and terminated",
	})
	return reconcile.Result{RequeueAfter: pinnedPoll}, nil
}

// liveMachines asks the API server itself for the Machines of a Node: a cache that lags must not free a Node whose instance runs.
func (n *NodeController) liveMachines(ctx context.Context, node *corev1.Node) ([]v1alpha5.Machine, error) {
	var list v1alpha5.MachineList
	if err := n.live.List(ctx, &list); err != nil {
		return nil, fmt.Errorf("listing machines: %w", err)
	}
	return slices.DeleteFunc(list.Items, func(m v1alpha5.Machine) bool {
		id := machines.ProviderID(&m)
		return id == "" || id != node.Spec.ProviderID
	}), nil
}
