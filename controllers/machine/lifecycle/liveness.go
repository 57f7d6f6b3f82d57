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

const (
	// vanishedPatience is how long a Node that is gone may take to come back, as when it was deleted by mistake and its kubelet
	// is started again.
	vanishedPatience = time.Minute
	// joinedRecheck is how soon a machine is looked at again whose Node is there, but not seen.
	joinedRecheck = 5 * time.Second
	// initializationPatience is how long a Node may take to be ready for pods before somebody is told.
	initializationPatience = 15 * time.Minute
	// settlingMargin is how much longer than the cloud may hide an instance a Machine is kept that asked for one: the calls that
	// find it take their time.
	settlingMargin = 30 * time.Second
)

// liveness gives up on Machines that get no instance, on instances that never join and on those whose Node is gone, so that
// their pods are served anew.
type liveness struct {
	client   client.Client
	live     client.Reader
	settings Settings
	seen     *machines.Sightings
	journal  journal.Journal
}

// What begins in the life of a machine, and is given only so much time from then on.
const (
	beganLife, beganGroup, beganIntent      = "its life", "its launch group", "its intent"
	beganJoining, beganSetup, beganVanished = "to join", "to be ready", "to be without its node"
)

func (l *liveness) reconcile(ctx context.Context, machine *v1alpha5.Machine) (reconcile.Result, error) {
	conditions := machines.Conditions(machine)
	switch {
	case conditions.IsTrue(v1alpha5.ConditionInitialized):
		return reconcile.Result{}, nil
	case conditions.IsTrue(v1alpha5.ConditionRegistered):
		return l.initializing(machine), nil
	case machine.Status.NodeName != "":
		return l.vanished(ctx, machine)
	case conditions.IsTrue(v1alpha5.ConditionLaunched):
		return l.joining(ctx, machine)
	}
	launched := conditions.Get(v1alpha5.ConditionLaunched)
	if launched != nil && launched.Reason == v1alpha5.ReasonCloudUnavailable {
		return reconcile.Result{}, nil // another one would get no instance either, and this one may have one
	}
	began := l.seen.Since(machine, beganLife, machine.CreationTimestamp.Time)
	due := began.Add(l.settings.LaunchTimeout)
	if intent := machine.Status.Launch; intent != nil {
		// What was asked for may come to light until then, and to this Machine it is of more use than to its end.
		if settled := l.seen.Since(machine, beganIntent, intent.Time.Time).Add(l.settings.VisibilityWindow + settlingMargin); settled.After(due) {
			due = settled
		}
	}
	why := "its launch was not answered"
	if launched != nil && launched.Message != "" {
		why = launched.Message
	}
	return l.giveUp(ctx, machine, due, events.ReasonLaunchFailed, fmt.Sprintf("no instance was launched for it within %s: %s",
		due.Sub(began).Round(time.Second), why))
}

// joining gives up on a machine whose instance does not join. That it has failed by itself is written before it is deleted: one that
// somebody else deletes before its time says nothing about those that come after it.
func (l *liveness) joining(ctx context.Context, machine *v1alpha5.Machine) (reconcile.Result, error) {
	conditions := machines.Conditions(machine)
	due := l.seen.Since(machine, beganJoining, conditions.Get(v1alpha5.ConditionLaunched).LastTransitionTime.Time).Add(l.settings.RegistrationTimeout)
	why := fmt.Sprintf("its instance did not join the cluster within %s; check the instance's system log, its subnet's routes and its role", l.settings.RegistrationTimeout)
	if !due.After(l.journal.Clock.Now()) && !machine.NeverJoined() {
		// A watch that lags may not show a Node that has been taking pods for minutes.
		if nodes, err := machines.LiveNodes(ctx, l.live, machine); err != nil || len(nodes) > 0 {
			return reconcile.Result{RequeueAfter: joinedRecheck}, err
		}
		conditions.False(v1alpha5.ConditionRegistered, v1alpha5.ReasonNeverJoined, why)
		return reconcile.Result{RequeueAfter: time.Millisecond}, nil
	}
	return l.giveUp(ctx, machine, due, events.ReasonNeverJoined, why)
}

// initializing tells, once, of a Node that joined and does not become ready for pods. It may be mended in place, so it stays.
func (l *liveness) initializing(machine *v1alpha5.Machine) reconcile.Result {
	conditions := machines.Conditions(machine)
	due := l.seen.Since(machine, beganSetup, conditions.Get(v1alpha5.ConditionRegistered).LastTransitionTime.Time).Add(initializationPatience)
	if left := due.Sub(l.journal.Clock.Now()); left > 0 {
		return reconcile.Result{RequeueAfter: left + time.Millisecond}
	}
	if condition := conditions.Get(v1alpha5.ConditionInitialized); condition != nil {
		l.journal.Events.Publish(events.Event{Object: machine, Warning: true, Reason: condition.Reason, Message: fmt.Sprintf(
			"Node %s is not ready for pods %s after it joined: %s", machine.Status.NodeName, initializationPatience, condition.Message)})
	}
	return reconcile.Result{}
}

// vanished gives up on a Machine whose Node is gone: no pod can come to its instance any more.
func (l *liveness) vanished(ctx context.Context, machine *v1alpha5.Machine) (reconcile.Result, error) {
	condition := machines.Conditions(machine).Get(v1alpha5.ConditionRegistered)
	if condition == nil || condition.Reason != v1alpha5.ReasonNodeNotFound {
		return reconcile.Result{}, nil
	}
	node, err := machines.LiveNode(ctx, l.live, machine)
	if err != nil || node != nil {
		return reconcile.Result{}, err
	}
	due := l.seen.Since(machine, beganVanished, condition.LastTransitionTime.Time).Add(vanishedPatience)
	return l.giveUp(ctx, machine, due, v1alpha5.ReasonNodeNotFound, fmt.Sprintf(
		"node %s is gone and did not come back within %s", machine.Status.NodeName, vanishedPatience))
}

// giveUp deletes a Machine once its time is due, and tells why.
func (l *liveness) giveUp(ctx context.Context, machine *v1alpha5.Machine, due time.Time, reason, why string) (reconcile.Result, error) {
	if left := due.Sub(l.journal.Clock.Now()); left > 0 {
		return reconcile.Result{RequeueAfter: left + time.Millisecond}, nil
	}
	l.journal.Events.Publish(events.Event{Object: machine, Warning: true, Reason: reason, Message: "Giving up on machine " + machine.Name + ": " + why})
	ctrl.LoggerFrom(ctx).Info("giving up on machine", "machine", klog.KObj(machine), "reason", reason, "why", why, "providerID", machine.Status.ProviderID)
	if err := l.client.Delete(ctx, machine.DeepCopy(), client.Preconditions{UID: &machine.UID}); client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("deleting machine %s: %w", machine.Name, err)
	}
	return reconcile.Result{}, nil
}
