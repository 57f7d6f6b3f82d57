package marking

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
)

// empty sets Empty, of Machines that are ready for pods. Its transition is when the Node emptied: the time to removal counts from
// there.
type empty struct {
	client client.Reader
	clock  clock.PassiveClock
}

func (e *empty) mark(ctx context.Context, machine *v1alpha5.Machine, _ *v1alpha5.Provisioner) (time.Duration, error) {
	conditions := machines.Conditions(machine)
	if !conditions.IsTrue(v1alpha5.ConditionInitialized) {
		return 0, nil
	}
	onNode, err := machines.Pods(ctx, e.client, machine.Status.NodeName)
	if err != nil {
		return 0, err
	}
	workload := 0
	for _, pod := range onNode {
		if pods.IsReschedulable(pod) {
			workload++
		}
	}
	changed := false
	if workload == 0 {
		changed = conditions.True(v1alpha5.ConditionEmpty, v1alpha5.ReasonEmpty, "no pods but those of DaemonSets")
	} else {
		changed = conditions.False(v1alpha5.ConditionEmpty, v1alpha5.ReasonNotEmpty, "")
	}
	if changed {
		// The API keeps whole seconds: rounded up, no node goes before it was empty for as long as was asked.
		now := metav1.NewTime(e.clock.Now().Add(time.Second - time.Nanosecond).Truncate(time.Second))
		machine.Status.LastPodEventTime = &now
	}
	return 0, nil
}
