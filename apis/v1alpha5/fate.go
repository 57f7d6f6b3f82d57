package v1alpha5

import "k8s.io/apimachinery/pkg/api/meta"

// NeverJoined reports whether it is on record that the time of the Machine's instance to join is over, or that the instance came to
// nothing by itself. One that was deleted or taken away before it joined tells nothing about the next.
func (m *Machine) NeverJoined() bool {
	registered := meta.FindStatusCondition(m.Status.Conditions, ConditionRegistered)
	return m.Status.NodeName == "" && registered != nil && registered.Reason == ReasonNeverJoined
}
