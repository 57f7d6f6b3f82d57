package v1alpha5

import "time"

// Values of InterruptedAnnotation, which are reasons of conditions and events as well.
const (
	ReasonSpotInterrupted        = "SpotInterrupted"
	ReasonReservationInterrupted = "CapacityReservationInstanceInterrupted"
	ReasonRebalance              = "SpotRebalanceRecommendation"
	ReasonInstanceStopping       = "InstanceStopping"
	ReasonInstanceTerminating    = "InstanceTerminating"
	ReasonInstanceUnhealthy      = "InstanceUnhealthy"
)

// InterruptionMessage says in words what a value of InterruptedAnnotation stands for; false of any other text.
func InterruptionMessage(reason string) (string, bool) {
	switch reason {
	case ReasonSpotInterrupted:
		return "EC2 takes the spot instance away", true
	case ReasonReservationInterrupted:
		return "the owner of the instance's capacity reservation takes it back", true
	case ReasonRebalance:
		return "EC2 says that the spot instance is likely to be taken away", true
	case ReasonInstanceStopping:
		return "the instance is stopped", true
	case ReasonInstanceTerminating:
		return "the instance is terminated", true
	case ReasonInstanceUnhealthy:
		return "AWS Health announces a change that the instance does not live through as it is", true
	default:
		return "", false
	}
}

// ReclaimTime returns until when the Node has to be drained because its instance is taken away then; zero when that was not announced.
func (m *Machine) ReclaimTime() time.Time {
	at, err := time.Parse(time.RFC3339, m.Annotations[TerminationDeadlineAnnotation])
	if err != nil {
		return time.Time{}
	}
	return at
}

// TerminationDeadline returns when the instance of a machine that is being deleted is terminated whatever runs on it: at the end of its
// grace period, or shortly before it is taken away; zero is never.
func (m *Machine) TerminationDeadline() time.Time {
	if m.DeletionTimestamp.IsZero() {
		return time.Time{}
	}
	reclaim := m.ReclaimTime()
	if m.Spec.TerminationGracePeriod == nil {
		return reclaim
	}
	if over := m.DeletionTimestamp.Add(m.Spec.TerminationGracePeriod.Duration); reclaim.IsZero() || over.Before(reclaim) {
		return over
	}
	return reclaim
}
