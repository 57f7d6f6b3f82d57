package lifecycle

import (
	"context"
	"fmt"
	"time"

	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/journal"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

// liveness gives up on Machines that get no instance, and on instances that never join, so that their pods are served anew.
type liveness struct {
	client   client.Client
	settings Settings
	journal  journal.Journal
}

func (l *liveness) reconcile(ctx context.Context, machine *v1alpha5.Machine) (reconcile.Result, error) {
	conditions := machines.Conditions(machine)
	if conditions.IsTrue(v1alpha5.ConditionRegistered) {
		return reconcile.Result{}, nil
	}
	since, patience, what := machine.CreationTimestamp.Time, l.settings.LaunchTimeout, "no instance was launched for it"
	if conditions.IsTrue(v1alpha5.ConditionLaunched) {
		since = conditions.Get(v1alpha5.ConditionLaunched).LastTransitionTime.Time
		patience, what = l.settings.RegistrationTimeout, "its instance did not join the cluster"
	}
	if left := since.Add(patience).Sub(l.journal.Clock.Now()); left > 0 {
		return reconcile.Result{RequeueAfter: left + time.Millisecond}, nil
	}
	message := fmt.Sprintf("Giving up on machine %s: %s within %s; check the instance's system log, its subnet's routes and its role", machine.Name, what, patience)
	l.journal.Events.Publish(events.Event{Object: machine, Warning: true, Reason: events.ReasonNeverJoined, Message: message})
	ctrl.LoggerFrom(ctx).Info("giving up on machine", "machine", klog.KObj(machine), "reason", what, "timeout", patience, "providerID", machine.Status.ProviderID)
	if err := l.client.Delete(ctx, machine.DeepCopy(), client.Preconditions{UID: &machine.UID}); client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("deleting machine %s: %w", machine.Name, err)
	}
	return reconcile.Result{}, nil
}
