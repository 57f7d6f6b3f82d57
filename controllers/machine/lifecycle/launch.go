package lifecycle

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/journal"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

// formationPoll is how often a machine looks whether its launch group has formed. The last member to write its intent goes on
// at once; the others learn of it by this. Each look goes through the whole group, so machines of large groups look less often:
// formationPollOfEach for every member, so that all of them together look no more than 400 times a second.
const (
	formationPoll       = 250 * time.Millisecond
	formationPollOfEach = 2500 * time.Microsecond
)

// latePoll is the same for a group that takes longer than its machines should.
const latePoll = 2 * time.Second

// launch gets an instance for a Machine. The intent is written before the cloud is asked, so that whoever comes after a crash
// repeats the same request and is given the same instances.
type launch struct {
	client   client.Client
	live     client.Reader
	provider cloudprovider.Provider
	settings Settings
	seen     *machines.Sightings
	journal  journal.Journal
}

func (l *launch) reconcile(ctx context.Context, machine *v1alpha5.Machine) (reconcile.Result, error) {
	conditions := machines.Conditions(machine)
	if machine.Status.ProviderID != "" {
		return reconcile.Result{}, nil
	}
	members, err := l.members(ctx, machine)
	switch {
	case err != nil:
		return reconcile.Result{}, err
	case machine.Status.Launch == nil:
		return l.intend(ctx, machine, members)
	case machine.Status.Launch.Answered && awaited(machine, members):
		return reconcile.Result{RequeueAfter: pollOf(machine)}, nil
	case machine.Status.Launch.Answered:
		return reconcile.Result{}, l.dropUnanswerable(ctx, machine)
	}
	switch formationOf(machine, members) {
	case formed:
		return reconcile.Result{}, l.create(ctx, machine)
	case broken:
		intent := machine.Status.Launch
		return reconcile.Result{}, l.writeIntent(ctx, machine, alone(machine, intent.Attempt+1, intent.RequestHash, l.settings.ClusterUID, l.journal.Clock.Now()))
	default:
		conditions.Unknown(v1alpha5.ConditionLaunched, v1alpha5.ReasonAwaitingGroup, "waiting for the intents of its launch group")
		return l.await(ctx, machine, members)
	}
}

// await lets a machine wait for the intents of its launch group, and drops it when one will never come: a machine of the group
// is gone. Whether that one wrote its intent before, and the request was sent by another, cannot be told any more. So the
// machine is not regrouped but deleted, and its end looks for what the request may have made.
func (l *launch) await(ctx context.Context, machine *v1alpha5.Machine, members []v1alpha5.Machine) (reconcile.Result, error) {
	intent, group := machine.Status.Launch, machine.Spec.LaunchGroup.Name
	if l.journal.Clock.Since(l.seen.Since(machine, beganIntent, intent.Time.Time)) <= patience(intent.Size) {
		return reconcile.Result{RequeueAfter: pollOf(machine)}, nil
	}
	if able(members, group) < int(intent.Size) { // or the cache lags
		var list v1alpha5.MachineList
		if err := l.live.List(ctx, &list); err != nil {
			return reconcile.Result{}, fmt.Errorf("listing machines: %w", err)
		}
		if gone := int(intent.Size) - able(list.Items, group); gone > 0 {
			return reconcile.Result{}, l.drop(ctx, machine, v1alpha5.ReasonAwaitingGroup, fmt.Sprintf(
				"%d of the %d machines that were to be launched together are gone; its pods are decided on anew", gone, intent.Size))
		}
	}
	return reconcile.Result{RequeueAfter: latePoll}, nil
}

// pollOf returns how often a machine looks at its group while that forms.
func pollOf(machine *v1alpha5.Machine) time.Duration {
	if machine.Spec.LaunchGroup == nil {
		return formationPoll
	}
	return max(formationPoll, time.Duration(machine.Spec.LaunchGroup.Size)*formationPollOfEach)
}

// able returns how many machines of a launch group have written an intent, or still may.
func able(list []v1alpha5.Machine, group string) int {
	return lo.CountBy(list, func(m v1alpha5.Machine) bool {
		return m.Spec.LaunchGroup != nil && m.Spec.LaunchGroup.Name == group && (m.Status.Launch != nil || m.DeletionTimestamp.IsZero())
	})
}

// intend writes the first intent once it is settled which machines launch together.
func (l *launch) intend(ctx context.Context, machine *v1alpha5.Machine, members []v1alpha5.Machine) (reconcile.Result, error) {
	now := l.journal.Clock.Now()
	waited := now.Sub(l.seen.Since(machine, beganGroup, latest(machine, members)))
	intent, err := newIntent(machine, members, l.settings.ClusterUID, now, waited)
	if err != nil {
		return reconcile.Result{}, err
	}
	if intent == nil {
		machines.Conditions(machine).Unknown(v1alpha5.ConditionLaunched, v1alpha5.ReasonAwaitingGroup, "waiting for the machines of its launch group")
		return reconcile.Result{RequeueAfter: pollOf(machine)}, nil
	}
	return reconcile.Result{}, l.writeIntent(ctx, machine, intent)
}

// writeIntent puts the intent into the status, whose writing wakes the machine again: the cloud is asked only by a reconcile
// that finds the intent written. A machine for which too little is left to choose from is dropped instead.
func (l *launch) writeIntent(ctx context.Context, machine *v1alpha5.Machine, intent *v1alpha5.Launch) error {
	if dropped, err := l.choose(ctx, machine); dropped || err != nil {
		return err
	}
	machine.Status.Launch = intent
	machines.Conditions(machine).Unknown(v1alpha5.ConditionLaunched, v1alpha5.ReasonAwaitingAnswer, "asking for an instance")
	return nil
}

// members returns the machines of the launch group as the cache has them, not copies: they are only read, and each member of a
// group of a thousand asks for the thousand.
func (l *launch) members(ctx context.Context, machine *v1alpha5.Machine) ([]v1alpha5.Machine, error) {
	if machine.Spec.LaunchGroup == nil {
		return nil, nil
	}
	var list v1alpha5.MachineList
	name := machine.Spec.LaunchGroup.Name
	if err := l.client.List(ctx, &list, client.MatchingFields{machines.IndexMachineLaunchGroup: name}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing machines of launch group %s: %w", name, err)
	}
	return list.Items, nil
}

func (l *launch) create(ctx context.Context, machine *v1alpha5.Machine) error {
	conditions := machines.Conditions(machine)
	before := conditions.Get(v1alpha5.ConditionLaunched).DeepCopy()
	created, err := l.provider.Create(ctx, machine)
	switch {
	case err == nil:
		adoptInstance(machine, created)
		return nil
	case cloudprovider.IsInsufficientCapacity(err):
		machine.Status.Launch.Answered = true
		conditions.False(v1alpha5.ConditionLaunched, v1alpha5.ReasonInsufficientCapacity, err.Error())
		return nil
	case cloudprovider.IsAnswered(err):
		machine.Status.Launch.Answered = true
		conditions.False(v1alpha5.ConditionLaunched, cloudprovider.CreateReason(err, v1alpha5.ReasonLaunchFailed), err.Error())
		return nil
	case cloudprovider.IsUnavailable(err):
		if before == nil || before.Reason != v1alpha5.ReasonCloudUnavailable { // what it says differs from call to call
			conditions.Unknown(v1alpha5.ConditionLaunched, v1alpha5.ReasonCloudUnavailable, err.Error())
		}
	case cloudprovider.IsNotReady(err):
		conditions.Unknown(v1alpha5.ConditionLaunched, v1alpha5.ReasonTemplateNotReady, err.Error())
	default:
		conditions.Unknown(v1alpha5.ConditionLaunched, cloudprovider.CreateReason(err, v1alpha5.ReasonLaunchFailed), err.Error())
	}
	reason := conditions.Get(v1alpha5.ConditionLaunched).Reason
	l.journal.Metrics.LaunchFailures.WithLabelValues(machine.ProvisionerName(), reason).Inc()
	if before == nil || before.Reason != reason { // told once, however the cloud words it the next time
		told := events.ReasonLaunchFailed
		if cloudprovider.IsNotReady(err) {
			told = events.ReasonProviderNotReady
		}
		l.journal.Events.Publish(events.Event{Object: machine, Warning: true, Reason: told, Message: reason + ": " + err.Error()})
	}
	return fmt.Errorf("launching machine %s: %w", machine.Name, err)
}

// adoptInstance takes over what the cloud knows of the instance. The Machine's own labels win over the cloud's.
func adoptInstance(machine, created *v1alpha5.Machine) {
	machine.Status.ProviderID = created.Status.ProviderID
	machine.Status.Capacity, machine.Status.Allocatable = created.Status.Capacity, created.Status.Allocatable
	machine.Status.Launch.Answered = true
	labels := maps.Clone(created.Labels)
	maps.Copy(labels, machine.Labels)
	machine.Labels = labels
	annotations := maps.Clone(machine.Annotations)
	if annotations == nil {
		annotations = map[string]string{}
	}
	maps.Copy(annotations, created.Annotations)
	machine.Annotations = annotations
	machines.Conditions(machine).True(v1alpha5.ConditionLaunched, v1alpha5.ReasonLaunched, instanceOf(machine))
}

// instanceOf names the instance that a Machine has got.
func instanceOf(machine *v1alpha5.Machine) string {
	return fmt.Sprintf("%s %s in %s as %s", machine.Labels[v1alpha5.CapacityTypeLabel], machine.Labels[corev1.LabelInstanceTypeStable],
		machine.Labels[corev1.LabelTopologyZone], machine.Status.ProviderID)
}

// awaited reports whether others have still to get the answer to the machine's request. They tell that it may be sent by
// seeing all its machines, so none of those may go before.
func awaited(machine *v1alpha5.Machine, members []v1alpha5.Machine) bool {
	return slices.ContainsFunc(members, func(other v1alpha5.Machine) bool {
		launch := other.Status.Launch
		return launch != nil && launch.Token == machine.Status.Launch.Token && !launch.Answered && other.DeletionTimestamp.IsZero()
	})
}

// dropUnanswerable deletes a Machine that will never have an instance, so that its pods are decided on again at once. The
// answer is on record: only then is it certain that nothing has to be looked for when the Machine ends.
func (l *launch) dropUnanswerable(ctx context.Context, machine *v1alpha5.Machine) error {
	reason, message := v1alpha5.ReasonInsufficientCapacity, "the cloud had no capacity for it"
	if condition := machines.Conditions(machine).Get(v1alpha5.ConditionLaunched); condition != nil && condition.Message != "" {
		reason, message = condition.Reason, condition.Message
	}
	l.journal.Metrics.LaunchFailures.WithLabelValues(machine.ProvisionerName(), reason).Inc()
	return l.drop(ctx, machine, reason, message)
}

// drop deletes a Machine and tells why.
func (l *launch) drop(ctx context.Context, machine *v1alpha5.Machine, reason, message string) error {
	told := reason
	if reason == v1alpha5.ReasonInsufficientCapacity {
		told = events.ReasonInsufficientCapacity
	}
	l.journal.Events.Publish(events.Event{Object: machine, Warning: true, Reason: told, Message: message})
	ctrl.LoggerFrom(ctx).Info("dropping machine that gets no instance", "machine", klog.KObj(machine), "reason", reason, "why", message)
	if err := l.client.Delete(ctx, machine.DeepCopy(), client.Preconditions{UID: &machine.UID}); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting machine %s that gets no instance: %w", machine.Name, err)
	}
	return nil
}
