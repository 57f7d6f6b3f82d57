package termination

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

const (
	// terminationPoll is how often the cloud is asked whether a terminated instance is gone.
	terminationPoll = 2 * time.Second
	// searchPoll is how often the cloud is asked for an instance that may or may not have been launched.
	searchPoll = 10 * time.Second
)

// instanceStep terminates the Machine's instance and waits until the cloud no longer knows it.
type instanceStep struct {
	live     client.Reader
	provider cloudprovider.Provider
	drain    *drainStep
	// window is how long the cloud may take to show an instance that it has launched.
	window time.Duration
	seen   *machines.Sightings
	clock  clock.PassiveClock
}

// errOccupied says that a Node has come meanwhile, or pods to one.
var errOccupied = errors.New("its node has joined meanwhile, or pods have come to it")

func (i *instanceStep) reconcile(ctx context.Context, machine *v1alpha5.Machine, nodes []corev1.Node) (bool, time.Duration, error) {
	conditions := machines.Conditions(machine)
	if conditions.IsTrue(v1alpha5.ConditionTerminated) {
		return true, 0, nil
	}
	if machine.Status.ProviderID == "" {
		return i.search(ctx, machine)
	}
	err := i.provider.Delete(ctx, machine, i.undisturbed(machine, nodes))
	switch {
	case errors.Is(err, errOccupied): // what was drained before was nothing, or not all
		conditions.Clear(v1alpha5.ConditionDrained)
		conditions.Clear(v1alpha5.ConditionVolumesDetached)
		return false, time.Millisecond, nil
	case cloudprovider.IsNotFound(err):
		conditions.True(v1alpha5.ConditionTerminated, v1alpha5.ReasonTerminated, "")
		return true, 0, nil
	case err != nil:
		conditions.Unknown(v1alpha5.ConditionTerminated, v1alpha5.ReasonTerminationFailed, err.Error())
		return false, 0, fmt.Errorf("terminating instance %s: %w", machine.Status.ProviderID, err)
	default:
		conditions.Unknown(v1alpha5.ConditionTerminated, v1alpha5.ReasonTerminating, "waiting for instance "+machine.Status.ProviderID+" to be gone")
		return false, terminationPoll, nil
	}
}

// undisturbed asks whether a Machine without a Node has none still, after whatever EC2 or volumes had the end of its instance wait for, and
// whether nothing has come to those that are drained: the API server accepts pods for tainted nodes, and schedulers may not have seen the
// taint. What comes after this last look ends with the instance before its kubelet has run it.
func (i *instanceStep) undisturbed(machine *v1alpha5.Machine, seen []corev1.Node) cloudprovider.Agreement {
	return func(ctx context.Context) error {
		if len(seen) > 0 {
			return i.drain.confirm(ctx, machine, seen)
		}
		nodes, err := machines.LiveNodes(ctx, i.live, machine)
		if err == nil && slices.ContainsFunc(nodes, unheld) {
			err = errOccupied
		}
		return err
	}
}

// search finds the instance of a Machine whose launch was asked for and not answered on record. That no instance is on record
// proves nothing: the Machine is let go only when the cloud has shown none for the whole window in which it could come to light.
func (i *instanceStep) search(ctx context.Context, machine *v1alpha5.Machine) (bool, time.Duration, error) {
	intent := machine.Status.Launch
	if intent == nil || intent.Answered {
		return true, 0, nil
	}
	found, err := i.provider.List(ctx)
	if err != nil {
		return false, 0, fmt.Errorf("looking for the instance of machine %s: %w", machine.Name, err)
	}
	var others v1alpha5.MachineList
	found = slices.DeleteFunc(found, func(candidate *v1alpha5.Machine) bool { return !ofRequest(candidate, intent) })
	if len(found) > 0 { // else there is nothing that others might claim
		if err := i.live.List(ctx, &others); err != nil {
			return false, 0, fmt.Errorf("listing machines: %w", err)
		}
	}
	id, disputed := choose(machine, found, others.Items)
	conditions := machines.Conditions(machine)
	if id != "" {
		// It may have joined by now, and pods come to its node: what was drained before was nothing.
		machine.Status.ProviderID = id
		conditions.Clear(v1alpha5.ConditionDrained)
		conditions.Clear(v1alpha5.ConditionVolumesDetached)
		return false, time.Millisecond, nil
	}
	if disputed {
		conditions.Unknown(v1alpha5.ConditionTerminated, v1alpha5.ReasonAwaitingAnswer, "waiting until the other machines of its request have their instances")
		return false, searchPoll, nil
	}
	conditions.Unknown(v1alpha5.ConditionTerminated, v1alpha5.ReasonAwaitingAnswer, "making sure that no instance was launched for it")
	// The request may have been repeated for as long as the Machine was not being deleted, which it is by now.
	since := i.seen.Since(machine, "its search", machine.DeletionTimestamp.Time)
	if left := since.Add(i.window).Sub(i.clock.Now()); left > 0 {
		return false, min(left, searchPoll), nil
	}
	return true, 0, nil
}

// choose returns the provider id of the Machine's instance among those of its request; "" when none can be its own. Others of
// the request may live on, each by its own place in it. Places count only while all that was asked for is there to be counted:
// an instance that is not shown, yet or any more, shifts those behind it. Without them a free instance is the Machine's when
// nobody else may still come for it; as long as somebody may, it is disputed.
func choose(machine *v1alpha5.Machine, found []*v1alpha5.Machine, others []v1alpha5.Machine) (id string, disputed bool) {
	intent := machine.Status.Launch
	var ids []string
	for _, candidate := range found {
		if ofRequest(candidate, intent) {
			ids = append(ids, candidate.Status.ProviderID)
		}
	}
	slices.SortFunc(ids, func(a, b string) int {
		return cmp.Or(cmp.Compare(machines.InstanceID(a), machines.InstanceID(b)), cmp.Compare(a, b))
	})
	claimed := map[string]bool{}
	for i := range others {
		if launch := others[i].Status.Launch; launch != nil && launch.Token == intent.Token {
			claimed[machines.InstanceID(others[i].Status.ProviderID)] = true
		}
	}
	if place := int(intent.Index); len(ids) == int(intent.Size) && place < len(ids) && !claimed[machines.InstanceID(ids[place])] {
		return ids[place], false
	}
	free := slices.IndexFunc(ids, func(id string) bool { return !claimed[machines.InstanceID(id)] })
	if free < 0 {
		return "", false
	}
	if slices.ContainsFunc(others, func(other v1alpha5.Machine) bool { return comesBefore(&other, machine) }) {
		return "", true
	}
	return ids[free], false
}

// ofRequest reports whether an instance was launched for a request.
func ofRequest(candidate *v1alpha5.Machine, intent *v1alpha5.Launch) bool {
	launch := candidate.Status.Launch
	return launch != nil && launch.Group == intent.Group && launch.Attempt == intent.Attempt
}

// comesBefore reports whether another Machine of the same request has the first claim to its free instances: one that stays and
// has yet to get its answer, or one that goes, too, and looks for its instance before this one.
func comesBefore(other, machine *v1alpha5.Machine) bool {
	theirs, ours := other.Status.Launch, machine.Status.Launch
	if theirs == nil || theirs.Token != ours.Token || theirs.Answered || other.Status.ProviderID != "" || other.UID == machine.UID {
		return false
	}
	if other.DeletionTimestamp.IsZero() {
		return true
	}
	return theirs.Index < ours.Index && controllerutil.ContainsFinalizer(other, v1alpha5.TerminationFinalizer)
}
