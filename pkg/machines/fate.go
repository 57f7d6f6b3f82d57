package machines

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// NeverJoined reports whether it is on record that the time of the machine's instance to join is over, or that the instance came to
// nothing by itself. One that was deleted or taken away before it joined tells nothing about the next.
func NeverJoined(machine *v1alpha5.Machine) bool {
	registered := Conditions(machine).Get(v1alpha5.ConditionRegistered)
	return machine.Status.NodeName == "" && registered != nil && registered.Reason == v1alpha5.ReasonNeverJoined
}

// Refused reports whether the cloud has answered the machine's launch for good with nothing, and not for lack of capacity.
func Refused(machine *v1alpha5.Machine) bool {
	if machine.Status.ProviderID != "" || machine.Status.Launch == nil || !machine.Status.Launch.Answered {
		return false
	}
	launched := Conditions(machine).Get(v1alpha5.ConditionLaunched)
	return launched != nil && launched.Status == metav1.ConditionFalse && launched.Reason != v1alpha5.ReasonInsufficientCapacity
}
