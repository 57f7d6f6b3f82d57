package marking

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

// expect fails unless Empty is as wanted and, where a time is given, counts from there.
func expect(t *testing.T, b *workbench.Bench, machine *v1alpha5.Machine, status metav1.ConditionStatus, since time.Time) {
	t.Helper()
	b.Reload(machine)
	got := machines.Conditions(machine).Get(v1alpha5.ConditionEmpty)
	if got == nil || got.Status != status {
		t.Fatalf("Empty is %v, want %s", got, status)
	}
	// Whole seconds are kept, and never fewer than have passed.
	at := machine.Status.LastPodEventTime.Time
	if at.Before(since) || at.Sub(since) >= time.Second {
		t.Errorf("Empty is %s since %s, want within the second after %s", status, at, since)
	}
}

func TestANodeEmptiesAndFills(t *testing.T) {
	b := workbench.New(t)
	cloud := b.Cloud(0)
	controller := NewController(b.Client, cloud, b.Journal)
	machine, node := b.Ready(cloud)
	namespace := b.Namespace()
	look := func() { b.Reconcile(controller, machine.Name) }

	look()
	start := b.Clock.Now()
	expect(t, b, machine, metav1.ConditionTrue, start)

	b.Clock.Step(10 * time.Second)
	look()
	expect(t, b, machine, metav1.ConditionTrue, start)

	pod := b.RunningPod(namespace, node.Name)
	b.RunningPod(namespace, node.Name, builders.OwnedBy("apps/v1", "DaemonSet", "ds"))
	b.Clock.Step(10 * time.Second)
	look()
	expect(t, b, machine, metav1.ConditionFalse, b.Clock.Now())

	filled := b.Clock.Now()
	b.RunningPod(namespace, "elsewhere")
	b.Clock.Step(10 * time.Second)
	look()
	expect(t, b, machine, metav1.ConditionFalse, filled)

	b.Delete(pod) // it is told to go, and runs until its grace period is over
	look()
	expect(t, b, machine, metav1.ConditionFalse, filled)

	b.Delete(pod, client.GracePeriodSeconds(0))
	b.Clock.Step(10 * time.Second)
	look()
	expect(t, b, machine, metav1.ConditionTrue, b.Clock.Now())
}

func TestAPodThatEndedKeepsNoNode(t *testing.T) {
	b := workbench.New(t)
	cloud := b.Cloud(0)
	machine, node := b.Ready(cloud)
	b.RunningPod(b.Namespace(), node.Name, func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded })
	b.Reconcile(NewController(b.Client, cloud, b.Journal), machine.Name)
	expect(t, b, machine, metav1.ConditionTrue, b.Clock.Now())
}

func TestAMachineThatIsNotReadyOrGoesIsNotMarked(t *testing.T) {
	b := workbench.New(t)
	cloud := b.Cloud(0)
	controller := NewController(b.Client, cloud, b.Journal)
	launched := b.Launched(cloud)
	going, _ := b.Ready(cloud)
	b.Delete(going)
	for _, machine := range []*v1alpha5.Machine{launched, going} {
		b.Reconcile(controller, machine.Name)
		if b.Reload(machine); machines.Conditions(machine).Get(v1alpha5.ConditionEmpty) != nil {
			t.Errorf("machine %s is marked", machine.Name)
		}
	}
	b.Reconcile(controller, b.Name("gone"))
}

func TestNothingIsWrittenWhenNothingChanged(t *testing.T) {
	b := workbench.New(t)
	cloud := b.Cloud(0)
	machine, _ := b.Ready(cloud)
	controller := NewController(b.Client, cloud, b.Journal)
	b.Reconcile(controller, machine.Name)
	b.Reload(machine)
	before := machine.ResourceVersion
	b.Clock.Step(time.Hour)
	b.Reconcile(controller, machine.Name)
	if b.Reload(machine); machine.ResourceVersion != before {
		t.Error("a look that found nothing new was written")
	}
}

func TestAConflictIsTriedAgainSoonAndOverwritesNothing(t *testing.T) {
	b := workbench.New(t)
	cloud := b.Cloud(0)
	machine, _ := b.Ready(cloud)
	c := interceptor.NewClient(b.Client, interceptor.Funcs{
		SubResourcePatch: func(ctx context.Context, c client.Client, name string, object client.Object, patch client.Patch, o ...client.SubResourcePatchOption) error {
			workbench.Update(b, machine, func(m *v1alpha5.Machine) {
				machines.Conditions(m).True(v1alpha5.ConditionDisrupting, "Theirs", "")
			})
			return c.SubResource(name).Patch(ctx, object, patch, o...)
		},
	})
	if again := b.Reconcile(NewController(c, cloud, b.Journal), machine.Name).RequeueAfter; again != machines.ConflictRetry {
		t.Errorf("after a conflict it comes back after %s", again)
	}
	if b.Reload(machine); !machines.Conditions(machine).IsTrue(v1alpha5.ConditionDisrupting) {
		t.Error("what somebody else wrote is gone")
	}
}
