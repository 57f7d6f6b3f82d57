// Package lifecycle takes a Machine from intent to a Node that pods run on: launch, registration, initialization, and an end
// for those that never get there.
package lifecycle

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/journal"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

// Settings bound the life of a machine that does not become a node.
type Settings struct {
	// ClusterUID makes launch tokens of this cluster differ from those of any other.
	ClusterUID string
	// LaunchTimeout is how long a Machine may wait for an instance.
	LaunchTimeout time.Duration
	// RegistrationTimeout is how long an instance may take to join.
	RegistrationTimeout time.Duration
	// VisibilityWindow is how long the cloud may take to show an instance that it has launched. A Machine that asked for one
	// is not given up before, whatever LaunchTimeout says.
	VisibilityWindow time.Duration
}

// Controller runs the steps of the lifecycle over one Machine at a time.
type Controller struct {
	client  client.Client
	steps   []step
	seen    *machines.Sightings
	settler *machines.Settler
	journal journal.Journal
}

// step is one part of the lifecycle. It looks at the world, changes the Machine's status in memory, and says when to come back.
type step interface {
	reconcile(ctx context.Context, machine *v1alpha5.Machine) (reconcile.Result, error)
}

// NewController returns a controller for Machines of provider. live reads past the cache.
func NewController(client client.Client, live client.Reader, provider cloudprovider.Provider, settings Settings, journal journal.Journal) *Controller {
	seen := machines.NewSightings(journal.Clock)
	return &Controller{client: client, seen: seen, settler: machines.NewSettler(), journal: journal, steps: []step{
		&launch{client: client, live: live, provider: provider, settings: settings, seen: seen, journal: journal},
		&registration{client: client, live: live},
		&initialization{client: client, journal: journal},
		&liveness{client: client, live: live, settings: settings, seen: seen, journal: journal},
	}}
}

// +kubebuilder:rbac:groups=karpenter.sh,resources=machines,verbs=get;list;watch;patch;delete
// +kubebuilder:rbac:groups=karpenter.sh,resources=machines/status,verbs=patch
// +kubebuilder:rbac:groups=karpenter.sh,resources=provisioners,verbs=list;watch
// +kubebuilder:rbac:groups="",resources=nodes,verbs=get;list;watch;patch

// Register adds the controller to a manager.
func (c *Controller) Register(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).Named("machine.lifecycle").
		For(&v1alpha5.Machine{}, builder.WithPredicates(machines.Woken())).
		Watches(&corev1.Node{}, machines.EnqueueForNode(mgr.GetClient()), builder.WithPredicates(machines.NodeWoken())).
		WithOptions(controller.Options{MaxConcurrentReconciles: 100, RateLimiter: retries()}).
		Complete(c)
}

// retries spaces out what failed: soon enough for a throttled call, rarely enough for a launch that is refused.
func retries() workqueue.TypedRateLimiter[reconcile.Request] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](500*time.Millisecond, time.Minute)
}

// Reconcile runs every step over one Machine and writes its status once.
func (c *Controller) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	machine := &v1alpha5.Machine{}
	if err := c.client.Get(ctx, request.NamespacedName, machine); err != nil {
		c.seen.Forget(request.Name)
		c.settler.Gone(request)
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if !machine.DeletionTimestamp.IsZero() {
		c.seen.Forget(request.Name)
		c.settler.Gone(request)
		return reconcile.Result{}, nil // the termination controller is its sole owner now
	}
	if machine.Annotations[v1alpha5.OrphanAnnotation] != "" {
		return reconcile.Result{}, nil // it has all the instance that it will have, and is about to be deleted
	}
	stored := machine.DeepCopy()
	if controllerutil.AddFinalizer(machine, v1alpha5.TerminationFinalizer) {
		// The patch replaces the whole list: without its lock it would take off what others have put on meanwhile.
		if err := machines.Write(ctx, c.client, stored, machine); err != nil {
			return c.settler.Settle(request, reconcile.Result{}, fmt.Errorf("adding finalizer: %w", err))
		}
		stored = machine.DeepCopy()
	}
	var result reconcile.Result
	errs := make([]error, 0, len(c.steps)+1)
	for _, step := range c.steps {
		stepResult, err := step.reconcile(ctx, machine)
		errs = append(errs, err)
		result = sooner(result, stepResult)
	}
	err := machines.Write(ctx, c.client, stored, machine)
	if err == nil {
		announce(ctx, stored, machine, c.journal)
	}
	return c.settler.Settle(request, result, append(errs, err)...)
}

// sooner returns the result that comes back first.
func sooner(a, b reconcile.Result) reconcile.Result {
	if a.RequeueAfter == 0 || (b.RequeueAfter > 0 && b.RequeueAfter < a.RequeueAfter) {
		return b
	}
	return a
}
