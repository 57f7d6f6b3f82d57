package termination

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

// interruptionStep shows why a machine goes whose instance the cloud ends. Whoever was told has written it into an annotation, together
// with the deadline and before the deletion: the condition is others' until then. Nothing waits for this step.
type interruptionStep struct{}

func (interruptionStep) reconcile(_ context.Context, machine *v1alpha5.Machine, _ []corev1.Node) (bool, time.Duration, error) {
	reason := machine.Annotations[v1alpha5.InterruptedAnnotation]
	if message, ok := v1alpha5.InterruptionMessage(reason); ok {
		machines.Conditions(machine).True(v1alpha5.ConditionDisrupting, reason, message)
	}
	return true, 0, nil
}
