package interruption

import (
	"time"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/messages"
)

const (
	// notice is how long EC2 leaves an instance from the warning on.
	notice = 2 * time.Minute
	// margin is how long before that the drain has to be over, so that the instance can be terminated in order.
	margin = 10 * time.Second
	// staleAfter is the age from which on a message tells of the past, however long the queue has kept it: what it announced has shown by
	// then, also to those who compare EC2 with the cluster.
	staleAfter = 10 * time.Minute
	// announcedFor is the same of changes that are announced days before, as long as they are not over.
	announcedFor = 14 * 24 * time.Hour
)

// stale reports whether a message is too old to go by, or what it announces is over.
func stale(message *messages.Message, now time.Time) bool {
	if !message.Over.IsZero() && now.After(message.Over) {
		return true
	}
	most := staleAfter
	if message.Kind == messages.ScheduledChange {
		most = announcedFor
	}
	return now.Sub(message.Time) > most
}

// decision is what is to be done about a Machine.
type decision struct {
	// reason of the event, which is also what the Machine remembers; "" when there is nothing to say.
	reason string
	// mark says that its offering is short.
	mark bool
	// remove says that the Machine goes, and later that it does once nothing keeps it: its drift is due then.
	remove, later bool
	// deadline is until when it has to be drained; zero is what it was before.
	deadline time.Time
}

// nothing is the decision on what is known already.
func (d decision) nothing() bool { return d == decision{} }

// lasts reports whether the Machine has to remember the decision.
func (d decision) lasts() bool { return d.remove || d.later || d.mark || !d.deadline.IsZero() }

// decide says what a message means to a Machine as it is now. What was done before is not done again: the Machine tells.
func decide(message *messages.Message, machine *v1alpha5.Machine, replaceOnRebalance bool, now time.Time) decision {
	if spotOnly(message.Kind) && machine.Labels[v1alpha5.CapacityTypeLabel] != v1alpha5.CapacityTypeSpot {
		return decision{} // nobody takes back what was not lent
	}
	reason := reasonOf(message.Kind)
	told, leaving := machine.Annotations[v1alpha5.InterruptedAnnotation] == reason, !machine.DeletionTimestamp.IsZero()
	switch message.Kind {
	case messages.SpotInterrupted, messages.ReservationInterrupted:
		d := decision{reason: reason, mark: short(message, now) && !told, remove: !leaving}
		if by := deadline(message.Time, now); machine.ReclaimTime().IsZero() || by.Before(machine.ReclaimTime()) {
			d.deadline = by
		}
		if leaving && !d.mark && d.deadline.IsZero() {
			return decision{}
		}
		return d
	case messages.Rebalance:
		switch {
		case leaving:
			return decision{}
		case !replaceOnRebalance:
			return decision{reason: reason}
		}
		return decision{reason: reason, remove: true}
	case messages.Stopping, messages.Terminating, messages.ScheduledChange:
		if leaving { // kerf's own terminations are told of as well
			return decision{}
		}
		return decision{reason: reason, remove: true}
	default:
		return decision{}
	}
}

// short reports whether a message says that EC2 has too little of an offering now. That it was short when it took an instance back some
// minutes ago, as the message of a queue tells that nobody has read for a while, says nothing any more.
func short(message *messages.Message, now time.Time) bool {
	return message.Kind == messages.SpotInterrupted && now.Sub(message.Time) < notice
}

// spotOnly reports whether messages of a kind are about spot instances alone.
func spotOnly(kind messages.Kind) bool {
	return kind == messages.SpotInterrupted || kind == messages.Rebalance
}

// deadline returns until when a Node has to be drained of which a warning came at a time, in whole seconds. A clock that tells another
// time than ours by more than a warning is worth is not believed: then the time of receipt counts.
func deadline(warned, now time.Time) time.Time {
	if age := now.Sub(warned); age < 0 || age >= notice-margin {
		warned = now
	}
	return warned.Add(notice - margin).Truncate(time.Second)
}

// reasonOf returns what events and Machines call a kind.
func reasonOf(kind messages.Kind) string {
	switch kind {
	case messages.SpotInterrupted:
		return v1alpha5.ReasonSpotInterrupted
	case messages.ReservationInterrupted:
		return v1alpha5.ReasonReservationInterrupted
	case messages.Rebalance:
		return v1alpha5.ReasonRebalance
	case messages.Stopping:
		return v1alpha5.ReasonInstanceStopping
	case messages.Terminating:
		return v1alpha5.ReasonInstanceTerminating
	case messages.ScheduledChange:
		return v1alpha5.ReasonInstanceUnhealthy
	default:
		return ""
	}
}
