// Package marking sets the conditions that make a Machine a candidate for removal. It states facts and removes nothing.
package marking

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
)

// Controller marks Machines whose Node is empty.
type Controller struct {
	client  client.Client
	clock   clock.PassiveClock
	settler *machines.Settler
}

// NewController returns a controller.
func NewController(client client.Client, clock clock.PassiveClock) *Controller {
	return &Controller{client: client, clock: clock, settler: machines.NewSettler()}
}

// +kubebuilder:rbac:groups=karpenter.sh,resources=machines,verbs=list;watch
// +kubebuilder:rbac:groups=karpenter.sh,resources=machines/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=nodes;pods,verbs=list;watch

// Register adds the controller to a manager.
func (c *Controller) Register(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).Named("machine.marking").
		For(&v1alpha5.Machine{}, builder.WithPredicates(machines.Woken())).
		Watches(&corev1.Node{}, machines.EnqueueForNode(mgr.GetClient()), builder.WithPredicates(machines.NodeWoken())).
		Watches(&corev1.Pod{}, machines.EnqueueForPod(mgr.GetClient())).
		WithOptions(controller.Options{MaxConcurrentReconciles: 10}).
		Complete(c)
}

// Reconcile states whether one Machine's Node is empty.
func (c *Controller) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	machine := &v1alpha5.Machine{}
	if err := c.client.Get(ctx, request.NamespacedName, machine); err != nil {
		c.settler.Gone(request)
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	conditions := machines.Conditions(machine)
	if !machine.DeletionTimestamp.IsZero() || !conditions.IsTrue(v1alpha5.ConditionInitialized) {
		return c.settler.Settle(request, reconcile.Result{})
	}
	onNode, err := machines.Pods(ctx, c.client, machine.Status.NodeName)
	if err != nil {
		return reconcile.Result{}, err
	}
	stored := machine.DeepCopy()
	c.mark(machine, onNode)
	return c.settler.Settle(request, reconcile.Result{}, machines.Write(ctx, c.client, stored, machine))
}

// mark sets Empty. Its transition is when the Node emptied: the time to removal counts from there.
func (c *Controller) mark(machine *v1alpha5.Machine, onNode []*corev1.Pod) {
	conditions := machines.Conditions(machine)
	workload := 0
	for _, pod := range onNode {
		if pods.IsReschedulable(pod) {
			workload++
		}
	}
	changed := false
	if workload == 0 {
		changed = conditions.True(v1alpha5.ConditionEmpty, v1alpha5.ReasonEmpty, "no pods but those of DaemonSets")
	} else {
		changed = conditions.False(v1alpha5.ConditionEmpty, v1alpha5.ReasonNotEmpty, "")
	}
	if changed {
		// The API keeps whole seconds: rounded up, no node goes before it was empty for as long as was asked.
		now := metav1.NewTime(c.clock.Now().Add(time.Second - time.Nanosecond).Truncate(time.Second))
		machine.Status.LastPodEventTime = &now
	}
}
