// Package termination takes a Machine that is being deleted to its end: drained, its instance gone, its Node gone. It is the
// sole owner of deletion; deleting a Node only makes it delete the Machine.
package termination

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/drain"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/journal"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

// Evictor takes pods off their nodes.
type Evictor interface {
	// Add asks for pods to be evicted, in the evictor's own time.
	Add(pods ...*corev1.Pod)
	// Withdraw takes back what was asked for and did not happen yet.
	Withdraw(pods ...*corev1.Pod)
	// Delete tells a pod to end within a time, whatever budgets say.
	Delete(ctx context.Context, pod *corev1.Pod, grace time.Duration) error
}

// Settings are what a user or the cloud decides about the end of machines.
type Settings struct {
	// VisibilityWindow is how long the cloud may take to show an instance that it has launched.
	VisibilityWindow time.Duration
	// Drain says which pods are held that say nothing for themselves.
	Drain drain.Policy
}

// Controller ends one Machine at a time, step by step; it stops at the first step that is not done.
type Controller struct {
	client  client.Client
	live    client.Reader
	steps   []step
	seen    *machines.Sightings
	settler *machines.Settler
	journal journal.Journal
}

// step is one part of the end of a Machine. It reports whether it is done, and if not, when to look again.
type step interface {
	reconcile(ctx context.Context, machine *v1alpha5.Machine, nodes []corev1.Node) (done bool, again time.Duration, err error)
}

// NewController returns a controller that ends Machines of provider. live reads past the cache.
func NewController(client client.Client, live client.Reader, provider cloudprovider.Provider, evictor Evictor, settings Settings, journal journal.Journal) *Controller {
	seen := machines.NewSightings(journal.Clock)
	drain := &drainStep{client: client, live: live, provider: provider, evictor: evictor, policy: settings.Drain, journal: journal}
	return &Controller{client: client, live: live, seen: seen, settler: machines.NewSettler(), journal: journal, steps: []step{
		interruptionStep{},
		drain,
		&volumesStep{client: client, live: live, clock: journal.Clock},
		&instanceStep{live: live, provider: provider, drain: drain, window: settings.VisibilityWindow, seen: seen, clock: journal.Clock},
		&nodeStep{client: client},
	}}
}

// +kubebuilder:rbac:groups=karpenter.sh,resources=machines,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=karpenter.sh,resources=machines/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=nodes,verbs=get;list;watch;patch;delete
// +kubebuilder:rbac:groups="",resources=pods,verbs=list;watch
// +kubebuilder:rbac:groups=policy,resources=poddisruptionbudgets,verbs=list;watch

// Register adds the controller to a manager.
func (c *Controller) Register(mgr ctrl.Manager) error {
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](500*time.Millisecond, time.Minute)
	return ctrl.NewControllerManagedBy(mgr).Named("machine.termination").
		For(&v1alpha5.Machine{}, builder.WithPredicates(machines.Woken())).
		Watches(&corev1.Node{}, machines.EnqueueForNode(mgr.GetClient()), builder.WithPredicates(machines.NodeWoken())).
		Watches(&corev1.Pod{}, machines.EnqueueForPod(mgr.GetClient())).
		WithOptions(controller.Options{MaxConcurrentReconciles: 100, RateLimiter: limiter}).
		Complete(c)
}

// Reconcile takes a Machine that is being deleted as far as it can go.
func (c *Controller) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	machine := &v1alpha5.Machine{}
	if err := c.client.Get(ctx, request.NamespacedName, machine); err != nil {
		c.seen.Forget(request.Name)
		c.settler.Gone(request)
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if machine.DeletionTimestamp.IsZero() || !controllerutil.ContainsFinalizer(machine, v1alpha5.TerminationFinalizer) {
		return reconcile.Result{}, nil
	}
	// What follows destroys: it takes the Machine as it is, not as the cache remembers it.
	if err := c.live.Get(ctx, request.NamespacedName, machine); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	stored := machine.DeepCopy()
	machine.Status.ProviderID = machines.ProviderID(machine)
	nodes, err := c.nodes(ctx, machine)
	if err != nil {
		return reconcile.Result{}, err
	}
	switch heir, err := c.heir(ctx, machine); {
	case err != nil:
		return reconcile.Result{}, err
	case heir != nil:
		return c.settler.Settle(request, reconcile.Result{}, c.leave(ctx, machine, heir, nodes))
	}
	for _, step := range c.steps {
		done, again, err := step.reconcile(ctx, machine, nodes)
		if err != nil || !done {
			return c.settler.Settle(request, reconcile.Result{RequeueAfter: again}, err, machines.Write(ctx, c.client, stored, machine))
		}
	}
	return c.settler.Settle(request, reconcile.Result{}, c.release(ctx, stored, machine))
}

// nodes returns the Machine's Nodes. That the cache does not show the one that the Machine joined as does not prove it gone, nor
// that one which has only just joined is not there: pods may have come to it already.
func (c *Controller) nodes(ctx context.Context, machine *v1alpha5.Machine) ([]corev1.Node, error) {
	nodes, err := machines.Nodes(ctx, c.client, machine)
	if err != nil || slices.ContainsFunc(nodes, func(n corev1.Node) bool { return n.Name == machine.Status.NodeName }) {
		return nodes, err
	}
	if machine.Status.NodeName == "" && len(nodes) == 0 && !machines.Conditions(machine).IsTrue(v1alpha5.ConditionDrained) {
		return machines.LiveNodes(ctx, c.live, machine)
	}
	node, err := machines.LiveNode(ctx, c.live, machine)
	if err != nil || node == nil {
		return nodes, err
	}
	return append(nodes, *node), nil
}

// release lets the Machine go. The optimistic lock makes sure that nothing was written to it since it was read: an intent to
// launch that came in between is not lost.
func (c *Controller) release(ctx context.Context, stored, machine *v1alpha5.Machine) error {
	machine.Status = *stored.Status.DeepCopy()
	controllerutil.RemoveFinalizer(machine, v1alpha5.TerminationFinalizer)
	if err := machines.Write(ctx, c.client, stored, machine); err != nil {
		return fmt.Errorf("releasing it: %w", err)
	}
	c.journal.Metrics.MachinesTerminated.WithLabelValues(stored.ProvisionerName()).Inc()
	if stored.Status.NodeName != "" {
		c.journal.Metrics.NodesTerminated.WithLabelValues(stored.ProvisionerName()).Inc()
		c.journal.Metrics.NodeTerminationTime.WithLabelValues(stored.ProvisionerName()).Observe(c.journal.Clock.Since(stored.DeletionTimestamp.Time).Seconds())
	}
	c.journal.Events.Publish(events.Event{Object: stored, Reason: events.ReasonTerminated, Message: "Instance " + stored.Status.ProviderID + " is gone"})
	ctrl.LoggerFrom(ctx).Info("terminated machine", "machine", klog.KObj(stored), "node", stored.Status.NodeName, "providerID", stored.Status.ProviderID)
	return nil
}
