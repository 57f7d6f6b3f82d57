package termination

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

func TestAnInterruptedMachineSaysWhyItGoesAndIsDrainedBeforeItIsTakenAway(t *testing.T) {
	e := newEnd(t)
	machine, node := e.Ready(e.cloud)
	held := e.RunningPod(e.Namespace(), node.Name, keep("true"))
	t.Cleanup(func() { _ = e.Client.Delete(t.Context(), held, client.GracePeriodSeconds(0)) })
	workbench.Update(e.Bench, machine, func(m *v1alpha5.Machine) {
		m.Annotations = map[string]string{
			v1alpha5.InterruptedAnnotation:         v1alpha5.ReasonSpotInterrupted,
			v1alpha5.TerminationDeadlineAnnotation: e.Clock.Now().Add(110 * time.Second).UTC().Format(time.RFC3339),
		}
	})
	e.Delete(machine)
	e.Reconcile(e.controller, machine.Name)
	e.expect(t, machine, v1alpha5.ConditionDisrupting, metav1.ConditionTrue, "takes the spot instance away")
	e.expect(t, machine, v1alpha5.ConditionDrained, metav1.ConditionFalse, held.Name)
	if len(e.asked.deleted) > 0 {
		t.Fatalf("%v before there is need", e.asked.deleted)
	}
	// The pod has 30 seconds of its own, and five more are left.
	e.Clock.Step(76 * time.Second)
	e.Reconcile(e.controller, machine.Name)
	if len(e.asked.deleted) != 1 {
		t.Fatalf("deleted %v, want %s", e.asked.deleted, held.Name)
	}
	e.Clock.Step(35 * time.Second)
	e.Reconcile(e.controller, machine.Name)
	e.expect(t, machine, v1alpha5.ConditionDrained, metav1.ConditionTrue, "until its instance is taken away was over")
	if live := e.cloud.Instances(); len(live) != 1 || !live[0].ShuttingDown {
		t.Errorf("instances %+v", live)
	}
}

func TestAnAnnotationOfNoKnownReasonSaysNothing(t *testing.T) {
	e := newEnd(t)
	machine, _ := e.Ready(e.cloud)
	workbench.Update(e.Bench, machine, func(m *v1alpha5.Machine) {
		m.Annotations = map[string]string{v1alpha5.InterruptedAnnotation: "no reason at all", v1alpha5.TerminationDeadlineAnnotation: "soon"}
	})
	e.Delete(machine)
	e.Reconcile(e.controller, machine.Name)
	e.Reload(machine)
	if got := machines.Conditions(machine).Get(v1alpha5.ConditionDisrupting); got != nil {
		t.Errorf("condition %+v", got)
	}
	e.expect(t, machine, v1alpha5.ConditionDrained, metav1.ConditionUnknown, "")
}
