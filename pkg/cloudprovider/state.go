package cloudprovider

import (
	"errors"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// IsEnding reports whether the cloud tells of a machine that its instance is on its way out. That is never taken back.
func IsEnding(machine *v1alpha5.Machine) bool {
	return ends(machine, v1alpha5.ReasonTerminating) || ends(machine, v1alpha5.ReasonTakenAway)
}

// IsTakenAway reports whether the cloud tells of a machine, or of the question for it, that its instance ends or has ended because
// somebody ended it or the cloud wanted it back. An instance of which the cloud does not say so may have failed by itself: what
// comes next in its place is then likely to fail, too.
func IsTakenAway(machine *v1alpha5.Machine, err error) bool {
	if target, ok := errors.AsType[*NotFoundError](err); ok {
		return target.TakenAway
	}
	return err == nil && ends(machine, v1alpha5.ReasonTakenAway)
}

// IsStopped reports whether the cloud tells of a machine that its instance is switched off, or is about to be. Its owner may
// switch it on again; until then no pod runs on it.
func IsStopped(machine *v1alpha5.Machine) bool { return ends(machine, v1alpha5.ReasonStopped) }

func ends(machine *v1alpha5.Machine, reason string) bool {
	condition := meta.FindStatusCondition(machine.Status.Conditions, v1alpha5.ConditionTerminated)
	return condition != nil && condition.Status == metav1.ConditionFalse && condition.Reason == reason
}
