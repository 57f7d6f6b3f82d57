package consolidation

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// pauses lets pass that disruption is paused or goes on, and that it is paused as kerf starts.
func pauses() predicate.Predicate {
	pausing := func(object client.Object) bool {
		namespace, ok := object.(*corev1.Namespace)
		return ok && namespace.Name == metav1.NamespaceSystem && isPaused(namespace)
	}
	return predicate.Funcs{
		CreateFunc:  func(e event.CreateEvent) bool { return pausing(e.Object) },
		UpdateFunc:  func(e event.UpdateEvent) bool { return pausing(e.ObjectOld) != pausing(e.ObjectNew) },
		DeleteFunc:  func(event.DeleteEvent) bool { return false },
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
}

// everything maps a pause, or its end, to all Machines.
func (c *Controller) everything(ctx context.Context, object client.Object) []reconcile.Request {
	if namespace, ok := object.(*corev1.Namespace); ok {
		ctrl.LoggerFrom(ctx).Info("disruption is paused, or goes on", "annotation", v1alpha5.PauseDisruptionAnnotation, "paused", isPaused(namespace))
	}
	return c.requests(ctx)
}
