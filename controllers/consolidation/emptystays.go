package consolidation

import (
	"context"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

// whyEmptyStays puts into words why a machine stays that has been empty for long enough, "" for no reason. That pods are expected is over in
// a moment, one way or the other.
func whyEmptyStays(refusals []disruption.Refusal) string {
	if len(refusals) == 0 || refusals[0].Reason == disruption.ReasonNominated {
		return ""
	}
	return refusals[0].Message
}

// stays has a machine say why it stays although it is empty, once, and no more when why is "". What a pass has said of it goes first.
func (c *Controller) stays(ctx context.Context, machine *v1alpha5.Machine, why string) error {
	said := machines.Conditions(machine).Get(v1alpha5.ConditionDisruptable)
	if (said == nil) == (why == "") || said != nil && said.Reason != disruption.ReasonEmptyHeld {
		return nil
	}
	stored := machine.DeepCopy()
	clearEmptyHeld(machine)
	if why != "" {
		machines.Conditions(machine).False(v1alpha5.ConditionDisruptable, disruption.ReasonEmptyHeld, why)
		c.journal.Events.Publish(events.Event{
			Object: machine, Reason: events.ReasonDeprovisioningBlocked, Message: disruption.ReasonEmptyHeld + ": " + why,
		})
	}
	return machines.Write(ctx, c.client, stored, machine)
}

func clearEmptyHeld(machine *v1alpha5.Machine) {
	set := machines.Conditions(machine)
	if said := set.Get(v1alpha5.ConditionDisruptable); said != nil && said.Reason == disruption.ReasonEmptyHeld {
		set.Clear(v1alpha5.ConditionDisruptable)
	}
}
