package termination

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

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
	// window is how long the cloud may take to show an instance that it has launched.
	window time.Duration
	clock  clock.PassiveClock
}

func (i *instanceStep) reconcile(ctx context.Context, machine *v1alpha5.Machine, _ []corev1.Node) (bool, time.Duration, error) {
	conditions := machines.Conditions(machine)
	if conditions.IsTrue(v1alpha5.ConditionTerminated) {
		return true, 0, nil
	}
	if machine.Status.ProviderID == "" {
		return i.search(ctx, machine)
	}
	err := i.provider.Delete(ctx, machine)
	switch {
	case cloudprovider.IsNotFound(err):
		conditions.True(v1alpha5.ConditionTerminated, v1alpha5.ReasonTerminated, "")
		return true, 0, nil
	case err != nil:
		conditions.Unknown(v1alpha5.ConditionTerminated, v1alpha5.ReasonTerminating, err.Error())
		return false, 0, fmt.Errorf("terminating instance %s: %w", machine.Status.ProviderID, err)
	default:
		conditions.Unknown(v1alpha5.ConditionTerminated, v1alpha5.ReasonTerminating, "waiting for instance "+machine.Status.ProviderID+" to be gone")
		return false, terminationPoll, nil
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
	claimed, err := i.claimed(ctx)
	if err != nil {
		return false, 0, err
	}
	if id := choose(intent, found, claimed); id != "" {
		machine.Status.ProviderID = id
		return false, time.Millisecond, nil
	}
	conditions := machines.Conditions(machine)
	conditions.Unknown(v1alpha5.ConditionTerminated, v1alpha5.ReasonAwaitingAnswer, "making sure that no instance was launched for it")
	if left := intent.Time.Add(i.window).Sub(i.clock.Now()); left > 0 {
		return false, min(left, searchPoll), nil
	}
	return true, 0, nil
}

// choose returns the provider id of the instance at the machine's place in its request or, where another Machine has that,
// of any that nobody has; "" when there is none. The others of the request may live on: each has its own place.
func choose(intent *v1alpha5.Launch, found []*v1alpha5.Machine, claimed map[string]bool) string {
	var ids []string
	for _, candidate := range found {
		if launch := candidate.Status.Launch; launch != nil && launch.Group == intent.Group && launch.Attempt == intent.Attempt {
			ids = append(ids, candidate.Status.ProviderID)
		}
	}
	slices.SortFunc(ids, func(a, b string) int { return cmp.Or(cmp.Compare(path.Base(a), path.Base(b)), cmp.Compare(a, b)) })
	if place := int(intent.Index); place < len(ids) && !claimed[ids[place]] {
		return ids[place]
	}
	if free := slices.IndexFunc(ids, func(id string) bool { return !claimed[id] }); free >= 0 {
		return ids[free]
	}
	return ""
}

// claimed returns the provider ids that Machines have, read past the cache.
func (i *instanceStep) claimed(ctx context.Context) (map[string]bool, error) {
	var list v1alpha5.MachineList
	if err := i.live.List(ctx, &list); err != nil {
		return nil, fmt.Errorf("listing machines: %w", err)
	}
	out := make(map[string]bool, len(list.Items))
	for j := range list.Items {
		out[list.Items[j].Status.ProviderID] = true
	}
	return out, nil
}
