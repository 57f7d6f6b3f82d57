package provisioning

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kerf-autoscaler/kerf/pkg/pods"
)

// retriggerAfter is how often a pod that stays pending asks for a decision again: what was in its way may be gone.
const retriggerAfter = 10 * time.Second

// Trigger asks for a decision whenever a pod cannot be scheduled.
type Trigger struct {
	client  client.Client
	batcher *Batcher[types.UID]
}

// NewTrigger returns a trigger that feeds batcher.
func NewTrigger(client client.Client, batcher *Batcher[types.UID]) *Trigger {
	return &Trigger{client: client, batcher: batcher}
}

// Register adds the trigger to a manager.
func (t *Trigger) Register(mgr ctrl.Manager) error {
	provisionable := predicate.NewPredicateFuncs(func(object client.Object) bool {
		pod, ok := object.(*corev1.Pod)
		return ok && pods.IsProvisionable(pod)
	})
	return ctrl.NewControllerManagedBy(mgr).Named("provisioning.trigger").
		For(&corev1.Pod{}, builder.WithPredicates(provisionable)).
		WithOptions(controller.Options{MaxConcurrentReconciles: 10}).
		Complete(t)
}

// Reconcile triggers for one pod as long as it is pending.
func (t *Trigger) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	var pod corev1.Pod
	if err := t.client.Get(ctx, request.NamespacedName, &pod); err != nil {
		if client.IgnoreNotFound(err) == nil {
			return reconcile.Result{}, nil
		}
		return reconcile.Result{}, fmt.Errorf("getting pod: %w", err)
	}
	if !pods.IsProvisionable(&pod) {
		return reconcile.Result{}, nil
	}
	t.batcher.Trigger(pod.UID)
	return reconcile.Result{RequeueAfter: retriggerAfter}, nil
}
