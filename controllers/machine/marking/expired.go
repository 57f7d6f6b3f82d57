package marking

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

// expired sets Expired, by the time that the Provisioner grants machines now, not when the Machine was made. Of a Machine whose
// Provisioner is gone it says nothing new.
type expired struct {
	client client.Reader
	clock  clock.PassiveClock
}

func (e *expired) mark(ctx context.Context, machine *v1alpha5.Machine, provisioner *v1alpha5.Provisioner) (time.Duration, error) {
	if provisioner == nil {
		return 0, nil
	}
	ttl, ends := provisioner.TTLUntilExpired()
	if !ends {
		clearCondition(machine, v1alpha5.ConditionExpired)
		return 0, nil
	}
	born, err := e.born(ctx, machine)
	if err != nil {
		return 0, err
	}
	if left := born.Add(ttl).Sub(e.clock.Now()); left > 0 {
		clearCondition(machine, v1alpha5.ConditionExpired)
		return left, nil
	}
	machines.Conditions(machine).True(v1alpha5.ConditionExpired, v1alpha5.ReasonExpired, fmt.Sprintf(
		"it is there since %s, machines of Provisioner %s may live for %s", born.UTC().Format(time.RFC3339), provisioner.Name, ttl))
	return 0, nil
}

// born returns since when there is the Machine or its Node, whichever is older: a Machine may have been made for a Node that was there.
func (e *expired) born(ctx context.Context, machine *v1alpha5.Machine) (time.Time, error) {
	born := machine.CreationTimestamp.Time
	var nodes corev1.NodeList
	if err := e.client.List(ctx, &nodes, client.MatchingFields{machines.IndexNodeProviderID: machine.Status.ProviderID}, client.UnsafeDisableDeepCopy); err != nil {
		return born, fmt.Errorf("listing nodes with provider id %s: %w", machine.Status.ProviderID, err)
	}
	for i := range nodes.Items {
		if at := nodes.Items[i].CreationTimestamp.Time; at.Before(born) {
			born = at
		}
	}
	return born, nil
}

// clearCondition takes a condition off that is there. One that never was leaves the status as it is.
func clearCondition(machine *v1alpha5.Machine, conditionType string) {
	if conditions := machines.Conditions(machine); conditions.Get(conditionType) != nil {
		conditions.Clear(conditionType)
	}
}
