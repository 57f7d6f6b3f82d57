package v1alpha5

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// NeverJoined reports whether it is on record that the time of the Machine's instance to join is over, or that the instance came to
// nothing by itself. One that was deleted or taken away before it joined tells nothing about the next.
func (m *Machine) NeverJoined() bool {
	registered := meta.FindStatusCondition(m.Status.Conditions, ConditionRegistered)
	return m.Status.NodeName == "" && registered != nil && registered.Reason == ReasonNeverJoined
}

// LaunchRefused reports whether the cloud has answered the Machine's launch for good with nothing, and not for lack of capacity.
func (m *Machine) LaunchRefused() bool {
	if m.Status.ProviderID != "" || m.Status.Launch == nil || !m.Status.Launch.Answered {
		return false
	}
	launched := meta.FindStatusCondition(m.Status.Conditions, ConditionLaunched)
	return launched != nil && launched.Status == metav1.ConditionFalse && launched.Reason != ReasonInsufficientCapacity
}
