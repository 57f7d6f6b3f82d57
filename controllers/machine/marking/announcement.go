package marking

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/journal"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

// announce tells, once it is written, what has become true of a Machine, or true for another reason.
func announce(stored, machine *v1alpha5.Machine, journal journal.Journal) {
	if is := became(stored, machine, v1alpha5.ConditionExpired); is != nil {
		journal.Events.Publish(events.Event{Object: machine, Reason: events.ReasonExpired, Message: is.Message})
	}
	if is := became(stored, machine, v1alpha5.ConditionDrifted); is != nil {
		journal.Events.Publish(events.Event{Object: machine, Reason: events.ReasonDrifted, Message: is.Reason + ": " + is.Message})
		journal.Metrics.MachinesDrifted.WithLabelValues(machine.ProvisionerName(), is.Reason).Inc()
	}
}

// became returns a condition that is true and was not, or not for this reason; nil where nothing became so.
func became(stored, machine *v1alpha5.Machine, conditionType string) *metav1.Condition {
	was, is := machines.Conditions(stored).Get(conditionType), machines.Conditions(machine).Get(conditionType)
	if is == nil || is.Status != metav1.ConditionTrue || was != nil && was.Status == is.Status && was.Reason == is.Reason {
		return nil
	}
	return is
}
