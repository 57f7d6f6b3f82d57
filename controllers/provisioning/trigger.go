package provisioning

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
)

// retriggerAfter is how often a pod that stays pending asks for a decision again: what was in its way may be gone.
const retriggerAfter = 10 * time.Second

// Trigger asks for a decision whenever a pod cannot be scheduled, when a Provisioner that could not help before can, and when a
// Machine goes that pods may have been waiting for.
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
		Watches(&v1alpha5.Provisioner{}, handler.Funcs{UpdateFunc: t.onProvisioner}).
		Watches(&v1alpha5.Machine{}, handler.Funcs{UpdateFunc: t.onMachine, DeleteFunc: t.onMachineGone}).
		WithOptions(controller.Options{MaxConcurrentReconciles: 10}).
		Complete(t)
}

// onProvisioner triggers when a Provisioner becomes ready, or is changed while it is: pods that were told no are looked at anew.
func (t *Trigger) onProvisioner(_ context.Context, e event.UpdateEvent, _ workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	before, ok := e.ObjectOld.(*v1alpha5.Provisioner)
	now, ok2 := e.ObjectNew.(*v1alpha5.Provisioner)
	if !ok || !ok2 {
		return
	}
	ready := meta.IsStatusConditionTrue(now.Status.Conditions, v1alpha5.ConditionReady)
	if was := meta.IsStatusConditionTrue(before.Status.Conditions, v1alpha5.ConditionReady); ready && (!was || before.Generation != now.Generation) {
		t.batcher.Wake(now.UID)
	}
}

// onMachine triggers when a Machine begins to go, and onMachineGone when it is gone: limits and pods are free for another. Those of one whose
// instance is taken away at a known time do not wait for what else goes.
func (t *Trigger) onMachine(_ context.Context, e event.UpdateEvent, _ workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	if e.ObjectOld.GetDeletionTimestamp().IsZero() && !e.ObjectNew.GetDeletionTimestamp().IsZero() {
		if machine, ok := e.ObjectNew.(*v1alpha5.Machine); ok && !machine.ReclaimTime().IsZero() {
			t.batcher.Hurry(machine.UID)
			return
		}
		t.batcher.Wake(e.ObjectNew.GetUID())
	}
}

func (t *Trigger) onMachineGone(_ context.Context, e event.DeleteEvent, _ workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	t.batcher.Wake(e.Object.GetUID())
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
