package lifecycle

import (
	"errors"
	"testing"
	"time"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/fake"
	"github.com/kerf-autoscaler/kerf/pkg/events"
)

// slack is the most that the API server's stamps, in whole seconds, and its clock differ from the test's.
const slack = 5 * time.Second

func TestAMachineThatGetsNoInstanceIsGivenUp(t *testing.T) {
	l := newLife(t)
	machine := l.group(1)[0]
	l.cloud.Fail(fake.OperationCreate, errors.New("no"))
	l.Reconcile(l.controller, machine.Name)
	l.Clock.Step(5*time.Minute - slack)
	_, err := l.TryReconcile(l.controller, machine.Name)
	if l.Reload(machine); err == nil || !machine.DeletionTimestamp.IsZero() {
		t.Fatalf("before its time it is deleted at %s (%v)", machine.DeletionTimestamp, err)
	}
	l.Clock.Step(2 * slack)
	_, _ = l.TryReconcile(l.controller, machine.Name) // the cloud still says no, the machine goes all the same
	if l.Reload(machine); machine.DeletionTimestamp.IsZero() {
		t.Error("after five minutes without an instance the machine is still there")
	}
	if !l.Told.Contains("Warning "+events.ReasonNeverJoined, machine.Name, "5m") {
		t.Errorf("told: %q", l.Told.Lines())
	}
}

func TestAnInstanceThatNeverJoinsIsGivenUp(t *testing.T) {
	l := newLife(t)
	machine := l.launched()
	l.Clock.Step(15*time.Minute - slack)
	again := l.Reconcile(l.controller, machine.Name).RequeueAfter
	if l.Reload(machine); !machine.DeletionTimestamp.IsZero() || again <= 0 || again > 2*slack {
		t.Fatalf("before its time it is deleted at %s, or looked at again after %s", machine.DeletionTimestamp, again)
	}
	l.Clock.Step(again + slack)
	l.Reconcile(l.controller, machine.Name)
	if l.Reload(machine); machine.DeletionTimestamp.IsZero() {
		t.Error("after fifteen minutes the machine whose instance never joined is still there")
	}
	if !l.Told.Contains("Warning "+events.ReasonNeverJoined, machine.Name, "15m", "did not join") {
		t.Errorf("told: %q", l.Told.Lines())
	}
}

func TestTheTimeToJoinCountsFromTheLaunch(t *testing.T) {
	l := newLife(t)
	machine := l.group(1)[0]
	l.Clock.Step(4 * time.Minute)
	l.Reconcile(l.controller, machine.Name)
	l.Reconcile(l.controller, machine.Name)
	l.Clock.Step(5 * time.Minute)
	l.Reconcile(l.controller, machine.Name)
	if l.Reload(machine); !machine.DeletionTimestamp.IsZero() {
		t.Error("the time to launch was held against a machine that has its instance")
	}
}

func TestAMachineThatJoinedIsNotGivenUp(t *testing.T) {
	l := newLife(t)
	machine, _ := l.registered(tainted)
	l.Clock.Step(24 * time.Hour)
	if again := l.Reconcile(l.controller, machine.Name).RequeueAfter; again != 0 {
		t.Errorf("it is looked at again after %s", again)
	}
	if l.Reload(machine); !machine.DeletionTimestamp.IsZero() {
		t.Error("a machine that joined and is not ready was deleted")
	}
}

func TestATwinOfTheSameNameIsNotDeleted(t *testing.T) {
	l := newLife(t)
	machine := l.launched()
	stale := machine.DeepCopy()
	l.Delete(machine)
	l.Release(machine)
	twin := &v1alpha5.Machine{ObjectMeta: stale.ObjectMeta, Spec: stale.Spec}
	twin.ResourceVersion = ""
	l.Create(twin)
	step := &liveness{client: l.Client, settings: Settings{LaunchTimeout: time.Minute, RegistrationTimeout: time.Minute}, journal: l.Journal}
	l.Clock.Step(time.Hour)
	if _, err := step.reconcile(t.Context(), stale); err == nil {
		t.Error("deleting the machine that is gone went well although another has its name")
	}
	if l.Reload(twin); !twin.DeletionTimestamp.IsZero() {
		t.Error("a machine was deleted for another of its name")
	}
}
