// Package lifecycle takes a Machine from intent to a Node that pods run on: launch, registration, initialization, and an end
// for those that never get there.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
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
}

// Controller runs the steps of the lifecycle over one Machine at a time.
type Controller struct {
	client client.Client
	steps  []step
}

// step is one part of the lifecycle. It looks at the world, changes the Machine's status in memory, and says when to come back.
type step interface {
	reconcile(ctx context.Context, machine *v1alpha5.Machine) (reconcile.Result, error)
}

// NewController returns a controller for Machines of provider.
func NewController(client client.Client, provider cloudprovider.Provider, settings Settings, journal journal.Journal) *Controller {
	return &Controller{client: client, steps: []step{
		&launch{client: client, provider: provider, settings: settings, journal: journal},
		&registration{client: client, journal: journal},
		&initialization{client: client, journal: journal},
		&liveness{client: client, settings: settings, journal: journal},
	}}
}

// +kubebuilder:rbac:groups=karpenter.sh,resources=machines,verbs=get;list;watch;patch;delete
// +kubebuilder:rbac:groups=karpenter.sh,resources=machines/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=nodes,verbs=get;list;watch;patch

// Register adds the controller to a manager.
func (c *Controller) Register(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).Named("machine.lifecycle").
		For(&v1alpha5.Machine{}).
		Watches(&corev1.Node{}, machines.EnqueueForNode(mgr.GetClient())).
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
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if !machine.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, nil // the termination controller is its sole owner now
	}
	stored := machine.DeepCopy()
	if controllerutil.AddFinalizer(machine, v1alpha5.TerminationFinalizer) {
		// The patch replaces the whole list: without the lock it would take off what others have put on meanwhile.
		if err := c.client.Patch(ctx, machine, client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{})); err != nil {
			return soon(conflictOrGone(fmt.Errorf("adding finalizer: %w", err)))
		}
		stored = machine.DeepCopy()
	}
	var result reconcile.Result
	var errs []error
	for _, step := range c.steps {
		stepResult, err := step.reconcile(ctx, machine)
		errs = append(errs, err)
		result = sooner(result, stepResult)
	}
	conflict, err := c.write(ctx, stored, machine)
	if err = errors.Join(append(errs, err)...); err != nil || conflict {
		return soon(conflict, err)
	}
	return result, nil
}

// conflictRetry is how long a Machine that somebody else changed meanwhile waits for the watch to catch up.
const conflictRetry = 50 * time.Millisecond

// write persists what the steps changed: labels and annotations first, then the status that says they are there, each under
// an optimistic lock. It reports whether somebody else was faster.
func (c *Controller) write(ctx context.Context, stored, machine *v1alpha5.Machine) (bool, error) {
	status := machine.Status.DeepCopy()
	if !equality.Semantic.DeepEqual(stored.ObjectMeta, machine.ObjectMeta) {
		patch := client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{})
		if err := c.client.Patch(ctx, machine, patch); err != nil {
			return conflictOrGone(fmt.Errorf("writing labels of machine %s: %w", stored.Name, err))
		}
		stored = machine.DeepCopy()
		machine.Status = *status
	}
	if !equality.Semantic.DeepEqual(stored.Status, machine.Status) {
		patch := client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{})
		if err := c.client.Status().Patch(ctx, machine, patch); err != nil {
			return conflictOrGone(fmt.Errorf("writing status of machine %s: %w", stored.Name, err))
		}
	}
	return false, nil
}

func conflictOrGone(err error) (bool, error) {
	switch {
	case apierrors.IsConflict(err):
		return true, nil
	case apierrors.IsNotFound(err):
		return false, nil
	default:
		return false, err
	}
}

// soon returns the result of a write that somebody else may have forestalled.
func soon(conflict bool, err error) (reconcile.Result, error) {
	if err != nil || !conflict {
		return reconcile.Result{}, err
	}
	return reconcile.Result{RequeueAfter: conflictRetry}, nil
}

// sooner returns the result that comes back first.
func sooner(a, b reconcile.Result) reconcile.Result {
	if a.RequeueAfter == 0 || (b.RequeueAfter > 0 && b.RequeueAfter < a.RequeueAfter) {
		return b
	}
	return a
}
