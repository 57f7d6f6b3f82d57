package lifecycle

import (
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/fake"
)

func TestARefusalForGoodIsAnAnswer(t *testing.T) {
	l := newLife(t)
	machine := l.group(1)[0]
	l.cloud.Fail(fake.OperationCreate, cloudprovider.NewRefusedError("Unauthorized", errors.New("the role may not run instances")))
	l.Reconcile(l.controller, machine.Name)
	l.Reconcile(l.controller, machine.Name)
	l.expect(t, machine, v1alpha5.ConditionLaunched, metav1.ConditionFalse, "Unauthorized")
	if !machine.Status.Launch.Answered || !machine.DeletionTimestamp.IsZero() {
		t.Errorf("answered %t, deleted at %s: the answer has to be on record before the machine goes", machine.Status.Launch.Answered, machine.DeletionTimestamp)
	}
	l.Reconcile(l.controller, machine.Name)
	if l.Reload(machine); machine.DeletionTimestamp.IsZero() || l.cloud.Calls(fake.OperationCreate) != 1 {
		t.Errorf("deleted at %s after %d calls", machine.DeletionTimestamp, l.cloud.Calls(fake.OperationCreate))
	}
	if !l.Told.Contains("Warning Unauthorized", "may not run instances") {
		t.Errorf("told: %q", l.Told.Lines())
	}
}

// orphaned returns machines of a launch group that has lost a member before it wrote its intent.
func (l *life) orphaned(gone bool) (left []*v1alpha5.Machine, lost *v1alpha5.Machine) {
	group := l.group(3)
	left, lost = group[:2], group[2]
	for _, machine := range left {
		l.Reconcile(l.controller, machine.Name)
	}
	l.Delete(lost)
	if gone {
		l.Release(lost)
	}
	return left, lost
}

func TestAGroupThatLostAMachineDoesNotWaitForIt(t *testing.T) {
	for name, gone := range map[string]bool{"it is going": false, "it is gone": true} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			left, _ := l.orphaned(gone)
			for _, machine := range left {
				if again := l.Reconcile(l.controller, machine.Name).RequeueAfter; again != formationPoll {
					t.Errorf("it looks again after %s", again)
				}
				if l.Reload(machine); !machine.DeletionTimestamp.IsZero() {
					t.Fatal("the machine goes before the lost one can have come to light")
				}
			}
			l.Clock.Step(groupPatience + time.Second)
			for _, machine := range left {
				l.Reconcile(l.controller, machine.Name)
				if l.Reload(machine); machine.DeletionTimestamp.IsZero() {
					t.Error("it waits for a machine that never writes its intent")
				}
			}
			if l.cloud.Calls(fake.OperationCreate) != 0 || !l.Told.Contains("Warning", "1 of the 3 machines") {
				t.Errorf("%d launches; told: %q", l.cloud.Calls(fake.OperationCreate), l.Told.Lines())
			}
		})
	}
}

func TestAGroupWaitsForAMachineThatIsOnlySlow(t *testing.T) {
	l := newLife(t)
	group := l.group(2)
	l.Reconcile(l.controller, group[0].Name)
	l.Clock.Step(groupPatience + time.Second)
	if again := l.Reconcile(l.controller, group[0].Name).RequeueAfter; again != latePoll {
		t.Errorf("it looks again after %s", again)
	}
	for range 2 {
		for _, machine := range group {
			l.Reconcile(l.controller, machine.Name)
		}
	}
	for _, machine := range group {
		l.Reconcile(l.controller, machine.Name)
		l.expect(t, machine, v1alpha5.ConditionLaunched, metav1.ConditionTrue, v1alpha5.ReasonLaunched)
	}
}
