package termination

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/fake"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

func TestAMachineThatNeverAskedForAnInstanceGoesAtOnce(t *testing.T) {
	e := newEnd(t)
	machine := e.Machine()
	e.Create(machine)
	e.Delete(machine)
	e.Reconcile(e.controller, machine.Name)
	if !e.Gone(machine) || e.cloud.Calls(fake.OperationList) != 0 {
		t.Errorf("gone %t after %d searches", e.Gone(machine), e.cloud.Calls(fake.OperationList))
	}
}

func TestAMachineWhoseAnswerWasNothingGoesAtOnce(t *testing.T) {
	e := newEnd(t)
	machine := e.Intended(func(m *v1alpha5.Machine) { m.Status.Launch.Answered = true })
	e.Delete(machine)
	e.Reconcile(e.controller, machine.Name)
	if !e.Gone(machine) {
		t.Error("a machine that got nothing is still there")
	}
}

func TestAnInstanceWhoseAnswerWasLostIsFoundAndTerminated(t *testing.T) {
	e := newEnd(t)
	machine := e.Intended()
	e.cloud.LoseAnswers(1)
	if _, err := e.cloud.Create(t.Context(), machine); err == nil {
		t.Fatal("the answer was not lost")
	}
	e.Delete(machine)
	if again := e.Reconcile(e.controller, machine.Name).RequeueAfter; again > time.Second {
		t.Errorf("what was found is terminated after %s", again)
	}
	if e.Reload(machine); machine.Status.ProviderID != e.cloud.Instances()[0].ProviderID {
		t.Fatalf("the machine's instance is %q, want the one that its request made", machine.Status.ProviderID)
	}
	e.Reconcile(e.controller, machine.Name)
	e.Clock.Step(time.Minute)
	e.Reconcile(e.controller, machine.Name)
	if !e.Gone(machine) || len(e.cloud.Instances()) != 0 {
		t.Errorf("machine gone %t, instances %v", e.Gone(machine), e.cloud.Instances())
	}
}

func TestAMachineWithoutAnswerIsHeldAsLongAsAnInstanceMayAppear(t *testing.T) {
	e := newEnd(t)
	machine := e.Intended()
	e.Delete(machine)
	for range 11 {
		if again := e.Reconcile(e.controller, machine.Name).RequeueAfter; again <= 0 || again > 10*time.Second {
			t.Fatalf("the search goes on after %s", again)
		}
		e.Clock.Step(10 * time.Second)
	}
	e.expect(t, machine, v1alpha5.ConditionTerminated, metav1.ConditionUnknown, "making sure")
	e.Clock.Step(11 * time.Second)
	e.Reconcile(e.controller, machine.Name)
	if !e.Gone(machine) {
		t.Error("the window is over and no instance came to light, but the machine is there")
	}
}

// The clock of this process may be minutes away from that of the API server, which stamped the deletion, and from that of the replica
// which wrote the intent.
func TestAClockThatIsAheadEndsNoSearchEarly(t *testing.T) {
	e := newEnd(t)
	machine := e.Intended()
	e.Delete(machine)
	e.Clock.Step(time.Hour)
	e.Reconcile(e.controller, machine.Name)
	if e.Gone(machine) {
		t.Fatal("what a machine asked for a moment ago is believed not to come")
	}
	e.Clock.Step(window - time.Second)
	e.Reconcile(e.controller, machine.Name)
	if e.Gone(machine) {
		t.Fatal("the search ended before its window did")
	}
	e.Clock.Step(time.Second)
	if e.Reconcile(e.controller, machine.Name); !e.Gone(machine) {
		t.Error("the search never ends")
	}
}

func TestANewLeaderSearchesForTheWholeWindow(t *testing.T) {
	e := newEnd(t)
	machine := e.Intended()
	e.Delete(machine)
	e.Reconcile(e.controller, machine.Name)
	e.Clock.Step(window + time.Second)
	next := e.with(e.Client, e.asked)
	e.Reconcile(next, machine.Name)
	if e.Gone(machine) {
		t.Fatal("it took the word of a clock that may not be its own")
	}
	e.Clock.Step(window)
	if e.Reconcile(next, machine.Name); !e.Gone(machine) {
		t.Error("the search goes on for ever")
	}
}

func TestAnInstanceThatAppearsLateIsFound(t *testing.T) {
	e := newEnd(t)
	machine := e.Intended()
	e.Delete(machine)
	e.Reconcile(e.controller, machine.Name)
	e.Clock.Step(window - 10*time.Second)
	if _, err := e.cloud.Create(t.Context(), machine); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		e.Reconcile(e.controller, machine.Name)
		e.Clock.Step(time.Minute)
	}
	if !e.Gone(machine) || len(e.cloud.Instances()) != 0 {
		t.Errorf("machine gone %t, instances %v", e.Gone(machine), e.cloud.Instances())
	}
}

func TestASearchThatFailsHoldsTheMachine(t *testing.T) {
	e := newEnd(t)
	machine := e.Intended()
	e.Delete(machine)
	broken := errors.New("connection reset")
	e.cloud.Fail(fake.OperationList, broken)
	e.Clock.Step(time.Hour)
	if _, err := e.TryReconcile(e.controller, machine.Name); !errors.Is(err, broken) {
		t.Errorf("got %v, want the cloud's error", err)
	}
	if e.Gone(machine) {
		t.Error("the machine was let go without a look at the cloud")
	}
}

func TestInstancesOfOthersAreNotTaken(t *testing.T) {
	e := newEnd(t)
	other := e.Launched(e.cloud)
	machine := e.Intended()
	if _, err := e.cloud.AddOrphan("default"); err != nil {
		t.Fatal(err)
	}
	e.cloud.AddForeign()
	e.Delete(machine)
	e.Reconcile(e.controller, machine.Name)
	if e.Reload(machine); machine.Status.ProviderID != "" {
		t.Errorf("the machine took %s; %s is another machine's, the rest nobody's of its request", machine.Status.ProviderID, other.Status.ProviderID)
	}
}

// request returns machines of one request that the cloud has served and whose answers were lost, by their place in it.
func request(t *testing.T, e *end, size int) []*v1alpha5.Machine {
	t.Helper()
	group := e.Name("group")
	out := make([]*v1alpha5.Machine, size)
	for i := range out {
		out[i] = e.Intended(func(m *v1alpha5.Machine) {
			m.Status.Launch.Group, m.Status.Launch.Token = group, group
			m.Status.Launch.Size, m.Status.Launch.Index = int32(size), int32(i)
		})
	}
	e.cloud.LoseAnswers(1)
	if _, err := e.cloud.Create(t.Context(), out[0]); err == nil {
		t.Fatal("the answer was not lost")
	}
	return out
}

func TestTheInstanceOfAMachineThatStaysIsNotTerminatedForOneThatGoes(t *testing.T) {
	for going := range 2 {
		e := newEnd(t)
		group := request(t, e, 2)
		stays := group[1-going]
		e.Delete(group[going])
		for range 2 {
			e.Reconcile(e.controller, group[going].Name)
		}
		answer, err := e.cloud.Create(t.Context(), stays)
		if err != nil {
			t.Fatal(err)
		}
		for _, instance := range e.cloud.Instances() {
			if instance.ProviderID == answer.Status.ProviderID && instance.ShuttingDown {
				t.Errorf("machine %d goes, and the instance of the other is shutting down", going)
			}
		}
	}
}

func TestTwoMachinesOfOneRequestEndWithBothInstances(t *testing.T) {
	e := newEnd(t)
	group := request(t, e, 2)
	for _, machine := range group {
		e.Delete(machine)
	}
	for range 5 {
		for _, machine := range group {
			e.Reconcile(e.controller, machine.Name)
		}
		e.Clock.Step(time.Minute)
	}
	if !e.Gone(group[0]) || !e.Gone(group[1]) || len(e.cloud.Instances()) != 0 {
		t.Errorf("gone: %t and %t, instances %v", e.Gone(group[0]), e.Gone(group[1]), e.cloud.Instances())
	}
}

// What the cache remembers of a machine, or of another of its name, must not fill in what the machine itself does not say.
func TestAMachineEndsAsItIsAndNotAsItIsRemembered(t *testing.T) {
	e := newEnd(t)
	machine := e.Intended()
	e.Delete(machine)
	e.Reload(machine)
	remembered := machine.DeepCopy()
	remembered.Status.ProviderID, remembered.Status.Launch.Answered = "fake:///elsewhere/i-0", true
	lagging := interceptor.NewClient(e.Client, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, o ...client.GetOption) error {
			if there, ok := object.(*v1alpha5.Machine); ok {
				remembered.DeepCopyInto(there)
				return nil
			}
			return c.Get(ctx, key, object, o...)
		},
	})
	if again := e.Reconcile(e.with(lagging, e.asked), machine.Name).RequeueAfter; again <= 0 {
		t.Errorf("it is looked at again after %s, though its instance is still to be looked for", again)
	}
	if e.Gone(machine) {
		t.Error("a machine that may have an instance was let go")
	}
}

// Once an instance of the request is gone, or is not shown yet, places no longer tell whose the others are.
func TestWithAnInstanceMissingNoneIsTakenFromTheMachinesThatStay(t *testing.T) {
	for missing := range 3 {
		e := newEnd(t)
		group := request(t, e, 3)
		ids := e.cloud.Instances()
		e.cloud.Vanish(ids[missing].ProviderID)
		going := group[1]
		e.Delete(going)
		e.Clock.Step(2 * window)
		for range 2 {
			e.Reconcile(e.controller, going.Name)
		}
		if e.Reload(going); going.Status.ProviderID != "" || len(going.Finalizers) == 0 {
			t.Fatalf("instance %d is missing: the machine took %s, or was let go with finalizers %v", missing, going.Status.ProviderID, going.Finalizers)
		}
		// The others get their answers, and what is left is nobody else's.
		for _, i := range []int{0, 2} {
			workbench.Update(e.Bench, group[i], func(m *v1alpha5.Machine) {
				m.Status.ProviderID, m.Status.Launch.Answered = ids[i].ProviderID, true
			})
		}
		for range 4 {
			e.Reconcile(e.controller, going.Name)
			e.Clock.Step(window)
		}
		if !e.Gone(going) {
			t.Errorf("instance %d is missing: the machine is still there", missing)
		}
		for _, instance := range e.cloud.Instances() {
			if (instance.ProviderID == ids[1].ProviderID) || instance.ShuttingDown {
				t.Errorf("instance %d is missing: left is %s", missing, instance.ProviderID)
			}
		}
	}
}

func TestMachinesThatGoTogetherShareOutWhatIsLeft(t *testing.T) {
	e := newEnd(t)
	group := request(t, e, 3)
	e.cloud.Vanish(e.cloud.Instances()[0].ProviderID)
	for _, machine := range group {
		e.Delete(machine)
	}
	for range 8 {
		for i := range group { // the last by its place is the first to look
			e.Reconcile(e.controller, group[len(group)-1-i].Name)
		}
		e.Clock.Step(time.Minute)
	}
	for i, machine := range group {
		if !e.Gone(machine) {
			t.Errorf("machine %d is still there", i)
		}
	}
	if left := e.cloud.Instances(); len(left) != 0 {
		t.Errorf("%d instances are left", len(left))
	}
}

func TestASearchLastsFromTheLastMomentThatTheRequestCanHaveBeenRepeated(t *testing.T) {
	e := newEnd(t)
	machine := e.Intended(func(m *v1alpha5.Machine) { m.Status.Launch.Time = metav1.NewTime(e.Clock.Now().Add(-time.Hour)) })
	e.Delete(machine)
	e.Reconcile(e.controller, machine.Name)
	e.Clock.Step(window - 10*time.Second)
	e.Reconcile(e.controller, machine.Name)
	if e.Gone(machine) {
		t.Fatal("it was let go although its request may have been repeated until it was deleted")
	}
	e.Clock.Step(20 * time.Second)
	e.Reconcile(e.controller, machine.Name)
	if !e.Gone(machine) {
		t.Error("the window is over and the machine is there")
	}
}

// slow is a cloud in which something happens while it is asked to end an instance.
type slow struct {
	*fake.Provider
	meanwhile func()
}

func (s *slow) Delete(ctx context.Context, machine *v1alpha5.Machine, all ...cloudprovider.Agreement) error {
	s.meanwhile()
	return s.Provider.Delete(ctx, machine, all...)
}

// Watches may show the node only later.
func TestANodeThatJoinsWhileTheEndOfItsInstanceWaitsIsDrained(t *testing.T) {
	e := newEnd(t)
	machine := e.Launched(e.cloud)
	e.Delete(machine)
	var node *corev1.Node
	cloud := &slow{e.cloud, func() {
		if node == nil {
			node = e.Node(machine.Status.ProviderID)
			e.RunningPod(e.Namespace(), node.Name)
		}
	}}
	blind := interceptor.NewClient(e.Client, interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, o ...client.ListOption) error {
		if _, ok := list.(*corev1.NodeList); ok {
			return nil
		}
		return c.List(ctx, list, o...)
	}})
	controller := NewController(blind, e.Client, cloud, e.asked, Settings{VisibilityWindow: window}, e.Journal)
	for range 4 {
		e.Reconcile(controller, machine.Name)
		e.settle()
	}
	if left := e.cloud.Instances(); len(e.asked.names) == 0 || len(left) != 1 || left[0].ShuttingDown {
		t.Errorf("evicted %v, instances %v", e.asked.names, left)
	}
	e.expect(t, machine, v1alpha5.ConditionDrained, metav1.ConditionUnknown, "waiting for")
}

func TestAnInstanceThatComesToLightLateIsDrainedOfThePodsThatCameToItsNode(t *testing.T) {
	e := newEnd(t)
	machine := e.Intended()
	e.Delete(machine)
	e.Reconcile(e.controller, machine.Name) // it has no node yet, and nothing to drain
	e.expect(t, machine, v1alpha5.ConditionDrained, metav1.ConditionTrue, "")
	e.cloud.LoseAnswers(1)
	if _, err := e.cloud.Create(t.Context(), machine); err == nil {
		t.Fatal("the answer was not lost")
	}
	node := e.Node(e.cloud.Instances()[0].ProviderID)
	e.RunningPod(e.Namespace(), node.Name)
	for range 4 {
		e.Reconcile(e.controller, machine.Name)
		e.settle()
	}
	if len(e.asked.names) == 0 || e.cloud.Calls(fake.OperationDelete) != 0 {
		t.Errorf("evicted %v; its instance was terminated %d times before it was drained", e.asked.names, e.cloud.Calls(fake.OperationDelete))
	}
}
