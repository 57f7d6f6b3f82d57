package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/fake"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

// slack is the most that the API server's stamps, in whole seconds, and its clock differ from the test's.
const slack = 5 * time.Second

func TestAMachineThatGetsNoInstanceIsGivenUp(t *testing.T) {
	l := newLife(t)
	machine := l.group(1)[0]
	l.cloud.Fail(fake.OperationCreate, errors.New("the role lacks a right"))
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
	if !l.Told.Contains("Warning "+events.ReasonLaunchFailed, "Giving up on machine "+machine.Name, "5m", "the role lacks a right") {
		t.Errorf("told: %q", l.Told.Lines())
	}
}

// Another machine would get no instance either, and what this one has asked for may have been made.
func TestAMachineIsNotGivenUpWhileTheCloudDoesNotAnswer(t *testing.T) {
	l := newLife(t)
	machine := l.group(1)[0]
	l.Reconcile(l.controller, machine.Name)
	for i := range 10 { // twice its time
		l.cloud.Fail(fake.OperationCreate, cloudprovider.NewUnavailableError(fmt.Errorf("no answer, %d", i)))
		if again := l.Reconcile(l.controller, machine.Name).RequeueAfter; again != machines.OutageRetry {
			t.Fatalf("it is tried again after %s", again)
		}
		l.Clock.Step(time.Minute)
	}
	l.expect(t, machine, v1alpha5.ConditionLaunched, metav1.ConditionUnknown, v1alpha5.ReasonCloudUnavailable)
	if !machine.DeletionTimestamp.IsZero() || l.Told.Count(events.ReasonLaunchFailed) != 1 {
		t.Errorf("it is deleted at %s; told: %q", machine.DeletionTimestamp, l.Told.Lines())
	}
	l.cloud.Fail(fake.OperationCreate, nil)
	l.Reconcile(l.controller, machine.Name)
	l.expect(t, machine, v1alpha5.ConditionLaunched, metav1.ConditionTrue, v1alpha5.ReasonLaunched)
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
	l.expect(t, machine, v1alpha5.ConditionRegistered, metav1.ConditionFalse, v1alpha5.ReasonNeverJoined)
	if !machine.DeletionTimestamp.IsZero() {
		t.Error("it was deleted before it was on record that it failed by itself")
	}
	l.Reconcile(l.controller, machine.Name)
	l.expect(t, machine, v1alpha5.ConditionRegistered, metav1.ConditionFalse, v1alpha5.ReasonNeverJoined)
	if machine.DeletionTimestamp.IsZero() {
		t.Error("after fifteen minutes the machine whose instance never joined is still there")
	}
	if !l.Told.Contains("Warning "+events.ReasonNeverJoined, machine.Name, "15m", "did not join") {
		t.Errorf("told: %q", l.Told.Lines())
	}
}

// A watch that lags does not show it.
func TestAnInstanceThatHasJoinedIsNotGivenUpThoughItsNodeIsNotSeen(t *testing.T) {
	l := newLife(t)
	machine := l.launched()
	l.Node(machine.Status.ProviderID)
	blind := interceptor.NewClient(l.Client, interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, o ...client.ListOption) error {
		if _, ok := list.(*corev1.NodeList); ok {
			return nil
		}
		return c.List(ctx, list, o...)
	}})
	l.Clock.Step(16 * time.Minute)
	for range 3 {
		l.Reconcile(l.with(blind, l.cloud), machine.Name)
	}
	l.expect(t, machine, v1alpha5.ConditionRegistered, metav1.ConditionUnknown, v1alpha5.ReasonNodeNotFound)
	if !machine.DeletionTimestamp.IsZero() {
		t.Error("a machine whose node has joined is given up")
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

func TestAMachineThatJoinedIsNotGivenUpButTold(t *testing.T) {
	l := newLife(t)
	machine, _ := l.registered(tainted)
	again := l.Reconcile(l.controller, machine.Name).RequeueAfter
	if again <= 14*time.Minute || again > 15*time.Minute+slack || l.Told.Count(v1alpha5.ReasonStartupTaints) != 0 {
		t.Errorf("it is looked at again after %s; told: %q", again, l.Told.Lines())
	}
	l.Clock.Step(again + slack)
	for range 3 {
		if again := l.Reconcile(l.controller, machine.Name).RequeueAfter; again != 0 {
			t.Errorf("it is looked at again after %s", again)
		}
	}
	if l.Told.Count(v1alpha5.ReasonStartupTaints) != 1 || !l.Told.Contains("Warning", machine.Status.NodeName, "15m", "is still there") {
		t.Errorf("told: %q", l.Told.Lines())
	}
	l.Clock.Step(24 * time.Hour)
	l.Reconcile(l.controller, machine.Name)
	if l.Reload(machine); !machine.DeletionTimestamp.IsZero() {
		t.Error("a machine that joined and is not ready was deleted")
	}
}

// lose takes a machine's node away as if nobody had pinned it.
func (l *life) lose(node *corev1.Node) {
	l.Release(node)
	l.Delete(node)
}

func TestAMachineWhoseNodeVanishedIsGivenUp(t *testing.T) {
	l := newLife(t)
	machine, node := l.registered()
	l.expect(t, machine, v1alpha5.ConditionReady, metav1.ConditionTrue, v1alpha5.ConditionReady)
	l.lose(node)
	again := l.Reconcile(l.controller, machine.Name).RequeueAfter
	l.expect(t, machine, v1alpha5.ConditionRegistered, metav1.ConditionFalse, v1alpha5.ReasonNodeNotFound)
	if !machine.DeletionTimestamp.IsZero() || again <= 0 || again > time.Minute+slack {
		t.Fatalf("deleted at %s, or looked at again after %s", machine.DeletionTimestamp, again)
	}
	l.Clock.Step(again + slack)
	l.Reconcile(l.controller, machine.Name)
	if l.Reload(machine); machine.DeletionTimestamp.IsZero() {
		t.Error("a machine whose node is gone stays")
	}
	if !l.Told.Contains("Warning "+v1alpha5.ReasonNodeNotFound, machine.Name, node.Name) {
		t.Errorf("told: %q", l.Told.Lines())
	}
}

func TestANodeThatComesBackInTimeKeepsItsMachine(t *testing.T) {
	for name, as := range map[string]func(*corev1.Node, string){
		"by its name":       func(n *corev1.Node, old string) { n.Name = old },
		"by another's name": func(*corev1.Node, string) {},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			machine, node := l.registered()
			l.lose(node)
			l.Reconcile(l.controller, machine.Name)
			back := l.join(machine, func(n *corev1.Node) { as(n, node.Name) })
			l.Clock.Step(time.Hour)
			l.Reconcile(l.controller, machine.Name)
			l.expect(t, machine, v1alpha5.ConditionReady, metav1.ConditionTrue, v1alpha5.ConditionReady)
			if l.Reload(back); machine.Status.NodeName != back.Name || back.Labels[v1alpha5.InitializedLabel] != "true" || len(back.Finalizers) != 1 {
				t.Errorf("the machine is node %s; labels %v, finalizers %v", machine.Status.NodeName, back.Labels, back.Finalizers)
			}
		})
	}
}

func TestANodeThatCameAsAnotherAtOnceIsMadeReady(t *testing.T) {
	l := newLife(t)
	machine, node := l.registered()
	l.lose(node)
	back := l.join(machine)
	l.Reconcile(l.controller, machine.Name)
	if l.Reload(back); back.Labels[v1alpha5.InitializedLabel] != "true" || back.Labels[v1alpha5.RegisteredLabel] != "true" {
		t.Errorf("labels %v", back.Labels)
	}
}

func TestANodeThatTheCacheDoesNotShowIsNotGone(t *testing.T) {
	l := newLife(t)
	machine, _ := l.registered()
	blind := interceptor.NewClient(l.Client, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, o ...client.ListOption) error {
			if _, ok := list.(*corev1.NodeList); ok {
				return nil
			}
			return c.List(ctx, list, o...)
		},
	})
	l.Reconcile(l.with(blind, l.cloud), machine.Name)
	l.expect(t, machine, v1alpha5.ConditionReady, metav1.ConditionTrue, v1alpha5.ConditionReady)
}

func TestAMachineThatAskedIsKeptForAsLongAsItsInstanceMayAppear(t *testing.T) {
	l := newLife(t)
	machine := l.Machine(func(m *v1alpha5.Machine) { m.Spec.LaunchGroup = &v1alpha5.LaunchGroup{Name: l.Name("group"), Size: 2} })
	l.Create(machine)
	l.cloud.Fail(fake.OperationCreate, errors.New("the answer was lost"))
	l.Reconcile(l.controller, machine.Name) // waits for another machine
	l.Clock.Step(4 * time.Minute)
	l.Reconcile(l.controller, machine.Name) // writes the intent
	l.Clock.Step(2*time.Minute + settlingMargin - slack)
	_, _ = l.TryReconcile(l.controller, machine.Name)
	if l.Reload(machine); !machine.DeletionTimestamp.IsZero() {
		t.Fatal("given up while the cloud may still show what it made")
	}
	l.Clock.Step(2 * slack)
	_, _ = l.TryReconcile(l.controller, machine.Name)
	if l.Reload(machine); machine.DeletionTimestamp.IsZero() {
		t.Error("never given up")
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
	step := &liveness{
		client: l.Client, live: l.Client, settings: Settings{LaunchTimeout: time.Minute, RegistrationTimeout: time.Minute},
		seen: machines.NewSightings(l.Clock), journal: l.Journal,
	}
	for range 2 { // the second time it is noted that its time is over
		if _, err := step.reconcile(t.Context(), stale); err != nil {
			t.Fatal(err)
		}
		l.Clock.Step(time.Hour)
	}
	if _, err := step.reconcile(t.Context(), stale); err == nil {
		t.Error("deleting the machine that is gone went well although another has its name")
	}
	if l.Reload(twin); !twin.DeletionTimestamp.IsZero() {
		t.Error("a machine was deleted for another of its name")
	}
}
