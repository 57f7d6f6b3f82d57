package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/fake"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

// witness is a cloud that looks at what is stored at the moment it is asked for an instance.
type witness struct {
	*fake.Provider
	see func(asked *v1alpha5.Machine)
}

func (w *witness) Create(ctx context.Context, machine *v1alpha5.Machine) (*v1alpha5.Machine, error) {
	w.see(machine)
	return w.Provider.Create(ctx, machine)
}

func TestTheIntentIsStoredBeforeTheCloudIsAsked(t *testing.T) {
	l := newLife(t)
	machine := l.group(1, func(m *v1alpha5.Machine) { m.Finalizers = nil })[0]
	asked := 0
	controller := l.with(l.Client, &witness{l.cloud, func(m *v1alpha5.Machine) {
		asked++
		stored := &v1alpha5.Machine{ObjectMeta: metav1.ObjectMeta{Name: machine.Name}}
		l.Reload(stored)
		if stored.Status.Launch == nil || m.Status.Launch == nil || stored.Status.Launch.Token != m.Status.Launch.Token {
			t.Errorf("the cloud is asked with %v while %v is stored", m.Status.Launch, stored.Status.Launch)
		}
		if len(stored.Finalizers) != 1 || stored.Finalizers[0] != v1alpha5.TerminationFinalizer {
			t.Errorf("the cloud is asked for a machine with finalizers %v", stored.Finalizers)
		}
	}})
	l.Reconcile(controller, machine.Name)
	if asked != 0 {
		t.Error("the reconcile that writes the intent asks the cloud, too")
	}
	l.expect(t, machine, v1alpha5.ConditionLaunched, metav1.ConditionUnknown, v1alpha5.ReasonAwaitingAnswer)
	l.Reconcile(controller, machine.Name)
	if asked != 1 {
		t.Errorf("the cloud was asked %d times, want once", asked)
	}
}

func TestALaunchedMachineSaysWhatItGot(t *testing.T) {
	l := newLife(t)
	machine := l.launched(func(m *v1alpha5.Machine) { m.Labels["team"] = "a" })
	l.expect(t, machine, v1alpha5.ConditionLaunched, metav1.ConditionTrue, v1alpha5.ReasonLaunched)
	l.expect(t, machine, v1alpha5.ConditionReady, metav1.ConditionUnknown, "NotReady")
	instance := l.cloud.Instances()[0]
	if machine.Status.ProviderID != instance.ProviderID || !machine.Status.Launch.Answered || machine.Status.Capacity.Cpu().Value() != 2 || machine.Status.Allocatable.Cpu().IsZero() {
		t.Errorf("the status is %+v", machine.Status)
	}
	for label, want := range map[string]string{
		"team": "a", "node.kubernetes.io/instance-type": "m5.large", "topology.kubernetes.io/zone": l.Zone,
		v1alpha5.CapacityTypeLabel: "spot", v1alpha5.ProvisionerNameLabel: "default",
	} {
		if machine.Labels[label] != want {
			t.Errorf("label %s is %q, want %q", label, machine.Labels[label], want)
		}
	}
	if machine.Annotations[v1alpha5.PriceAnnotation] != fmt.Sprint(instance.Price) {
		t.Errorf("the price is %q, want %g", machine.Annotations[v1alpha5.PriceAnnotation], instance.Price)
	}
	if !l.Told.Contains("Normal Launched", "spot m5.large in "+l.Zone) {
		t.Errorf("told: %q", l.Told.Lines())
	}
	before := machine.ResourceVersion
	l.Reconcile(l.controller, machine.Name)
	if l.Reload(machine); machine.ResourceVersion != before || l.cloud.Calls(fake.OperationCreate) != 1 {
		t.Errorf("with nothing to do it writes, or asks the cloud: %d times in all", l.cloud.Calls(fake.OperationCreate))
	}
}

func TestAGroupOfThreeIsOneLaunch(t *testing.T) {
	l := newLife(t)
	group := l.group(3)
	for range 3 {
		for _, machine := range group {
			l.Reconcile(l.controller, machine.Name)
		}
	}
	ids := map[string]bool{}
	for _, machine := range group {
		l.expect(t, machine, v1alpha5.ConditionLaunched, metav1.ConditionTrue, v1alpha5.ReasonLaunched)
		ids[machine.Status.ProviderID] = true
	}
	if len(ids) != 3 || l.cloud.Launches() != 1 || len(l.cloud.Instances()) != 3 {
		t.Errorf("%d machines' instances, %d launches and %d instances, want 3, 1 and 3", len(ids), l.cloud.Launches(), len(l.cloud.Instances()))
	}
}

func TestAMachineWaitsForItsGroupAndThenLaunchesAlone(t *testing.T) {
	l := newLife(t)
	machine := l.group(1, func(m *v1alpha5.Machine) { m.Spec.LaunchGroup.Size = 2 })[0]
	if again := l.Reconcile(l.controller, machine.Name).RequeueAfter; again != formationPoll {
		t.Errorf("it looks again after %s", again)
	}
	l.expect(t, machine, v1alpha5.ConditionLaunched, metav1.ConditionUnknown, v1alpha5.ReasonAwaitingGroup)
	l.Clock.Step(groupPatience + 2*time.Second)
	l.Reconcile(l.controller, machine.Name)
	l.Reconcile(l.controller, machine.Name)
	l.expect(t, machine, v1alpha5.ConditionLaunched, metav1.ConditionTrue, v1alpha5.ReasonLaunched)
	if len(l.cloud.Instances()) != 1 {
		t.Errorf("there are %d instances for one machine", len(l.cloud.Instances()))
	}
}

func TestMachinesOfALargeGroupLookAtItLessOften(t *testing.T) {
	l := newLife(t)
	machine := l.group(1, func(m *v1alpha5.Machine) { m.Spec.LaunchGroup.Size = 1000 })[0]
	if again := l.Reconcile(l.controller, machine.Name).RequeueAfter; again != 2500*time.Millisecond {
		t.Errorf("it looks again after %s", again)
	}
}

func TestALateMachineLaunchesAlone(t *testing.T) {
	l := newLife(t)
	first := l.group(1, func(m *v1alpha5.Machine) { m.Spec.LaunchGroup.Size = 2 })[0]
	l.Clock.Step(groupPatience + 2*time.Second)
	l.Reconcile(l.controller, first.Name)
	second := first.DeepCopy()
	second.Name, second.ResourceVersion, second.Status = l.Name("machine"), "", v1alpha5.MachineStatus{}
	l.Create(second)
	for range 4 {
		l.Reconcile(l.controller, first.Name)
		l.Reconcile(l.controller, second.Name)
	}
	for _, machine := range []*v1alpha5.Machine{first, second} {
		l.expect(t, machine, v1alpha5.ConditionLaunched, metav1.ConditionTrue, v1alpha5.ReasonLaunched)
	}
	if first.Status.ProviderID == second.Status.ProviderID || len(l.cloud.Instances()) != 2 {
		t.Errorf("%s and %s of %d instances", first.Status.ProviderID, second.Status.ProviderID, len(l.cloud.Instances()))
	}
}

func TestALostAnswerIsAskedForAgain(t *testing.T) {
	l := newLife(t)
	machine := l.group(1)[0]
	l.cloud.LoseAnswers(1)
	l.Reconcile(l.controller, machine.Name)
	if _, err := l.TryReconcile(l.controller, machine.Name); err == nil {
		t.Fatal("the answer was lost without an error")
	}
	l.expect(t, machine, v1alpha5.ConditionLaunched, metav1.ConditionUnknown, v1alpha5.ReasonLaunchFailed)
	l.Reconcile(l.with(l.Client, l.cloud), machine.Name) // a restart in between
	l.expect(t, machine, v1alpha5.ConditionLaunched, metav1.ConditionTrue, v1alpha5.ReasonLaunched)
	if len(l.cloud.Instances()) != 1 {
		t.Errorf("there are %d instances for one machine", len(l.cloud.Instances()))
	}
}

func TestAnAnswerThatCannotBeWrittenIsAskedForAgain(t *testing.T) {
	tests := map[string]interceptor.Funcs{
		"the status": {SubResourcePatch: func(context.Context, client.Client, string, client.Object, client.Patch, ...client.SubResourcePatchOption) error {
			return errors.New("the API server is gone")
		}},
		"the labels": {Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			return errors.New("the API server is gone")
		}},
	}
	for name, funcs := range tests {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			machine := l.group(1)[0]
			l.Reconcile(l.controller, machine.Name)
			if _, err := l.TryReconcile(l.with(interceptor.NewClient(l.Client, funcs), l.cloud), machine.Name); err == nil {
				t.Fatal("the answer was not written and nobody is told")
			}
			if l.Reload(machine); machine.Status.ProviderID != "" {
				t.Fatal("the answer was written")
			}
			l.Reconcile(l.controller, machine.Name)
			l.expect(t, machine, v1alpha5.ConditionLaunched, metav1.ConditionTrue, v1alpha5.ReasonLaunched)
			if len(l.cloud.Instances()) != 1 {
				t.Errorf("there are %d instances for one machine", len(l.cloud.Instances()))
			}
		})
	}
}

// meanwhile returns a client that lets somebody else change an object right before it patches it.
func meanwhile(c client.WithWatch, change func()) client.WithWatch {
	once := func() {
		if change != nil {
			change()
		}
		change = nil
	}
	return interceptor.NewClient(c, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, o ...client.PatchOption) error {
			once()
			return c.Patch(ctx, object, patch, o...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, name string, object client.Object, patch client.Patch, o ...client.SubResourcePatchOption) error {
			once()
			return c.SubResource(name).Patch(ctx, object, patch, o...)
		},
	})
}

func TestAConflictIsTriedAgainSoonAndOverwritesNothing(t *testing.T) {
	l := newLife(t)
	machine := l.group(1)[0]
	other := &v1alpha5.Launch{Group: "other", Attempt: 1, Size: 1, Token: "theirs", RequestHash: "x", Time: metav1.Now()}
	c := meanwhile(l.Client, func() {
		workbench.Update(l.Bench, machine.DeepCopy(), func(m *v1alpha5.Machine) { m.Status.Launch = other })
	})
	if got := l.Reconcile(l.with(c, l.cloud), machine.Name); got.RequeueAfter != machines.ConflictRetry {
		t.Errorf("after a conflict it comes back after %s", got.RequeueAfter)
	}
	if l.Reload(machine); machine.Status.Launch.Token != "theirs" {
		t.Errorf("an intent of somebody else was overwritten by %v", machine.Status.Launch)
	}
	if l.cloud.Calls(fake.OperationCreate) != 0 {
		t.Error("the cloud was asked although the intent could not be written")
	}
}

func TestOthersFinalizersStay(t *testing.T) {
	l := newLife(t)
	machine := l.group(1, func(m *v1alpha5.Machine) { m.Finalizers = nil })[0]
	c := meanwhile(l.Client, func() {
		workbench.Update(l.Bench, machine.DeepCopy(), func(m *v1alpha5.Machine) { m.Finalizers = []string{"example.com/theirs"} })
	})
	controller := l.with(c, l.cloud)
	for range 3 {
		if _, err := l.TryReconcile(controller, machine.Name); err != nil {
			t.Fatal(err)
		}
	}
	if l.Reload(machine); strings.Join(machine.Finalizers, " ") != "example.com/theirs "+v1alpha5.TerminationFinalizer {
		t.Errorf("finalizers are %v, want somebody's and kerf's", machine.Finalizers)
	}
}

func TestAMachineWithoutCapacityGoes(t *testing.T) {
	l := newLife(t)
	l.cloud.Exhaust()
	machine := l.launched()
	l.expect(t, machine, v1alpha5.ConditionLaunched, metav1.ConditionFalse, v1alpha5.ReasonInsufficientCapacity)
	if !machine.Status.Launch.Answered || !machine.DeletionTimestamp.IsZero() {
		t.Errorf("the answer has to be on record (%t) before the machine goes", machine.Status.Launch.Answered)
	}
	l.Reconcile(l.controller, machine.Name)
	if l.Reload(machine); machine.DeletionTimestamp.IsZero() {
		t.Error("a machine that can get no instance stays")
	}
	if l.Told.Count(events.ReasonInsufficientCapacity) != 1 {
		t.Errorf("told: %q", l.Told.Lines())
	}
}

func TestOfAGroupOnlyThoseWithoutCapacityGo(t *testing.T) {
	l := newLife(t)
	l.cloud.Exhaust()
	l.cloud.SetCapacity(fake.Offering{InstanceType: "m5.large", Zone: l.Zone, CapacityType: "spot"}, 2)
	group := l.group(3)
	for range 5 {
		for _, machine := range group {
			l.Reconcile(l.controller, machine.Name)
		}
	}
	launched, going := 0, 0
	for _, machine := range group {
		l.Reload(machine)
		switch {
		case machine.Status.ProviderID != "" && machine.DeletionTimestamp.IsZero():
			launched++
		case machine.Status.ProviderID == "" && !machine.DeletionTimestamp.IsZero():
			going++
		}
	}
	if launched != 2 || going != 1 {
		t.Errorf("%d are launched and %d go, want 2 and 1", launched, going)
	}
}

// The machine that got nothing may be the first to learn of it, and is gone before the others have looked for their group.
func TestAGroupIsServedThoughTheOneWithoutCapacityIsTheFastest(t *testing.T) {
	l := newLife(t)
	l.cloud.Exhaust()
	l.cloud.SetCapacity(fake.Offering{InstanceType: "m5.large", Zone: l.Zone, CapacityType: "spot"}, 2)
	group := l.group(3)
	for _, machine := range group {
		l.Reconcile(l.controller, machine.Name)
	}
	var last *v1alpha5.Machine
	for _, machine := range group {
		if l.Reload(machine); machine.Status.Launch.Index == 2 {
			last = machine
		}
	}
	for range 5 { // it asks, records the answer, goes, and is gone
		l.Reconcile(l.controller, last.Name)
		if l.Reload(last); !last.DeletionTimestamp.IsZero() {
			l.Release(last)
			break
		}
	}
	for range 2 {
		for _, machine := range group {
			l.Reconcile(l.controller, machine.Name)
		}
	}
	for _, machine := range group {
		if machine == last {
			continue
		}
		l.expect(t, machine, v1alpha5.ConditionLaunched, metav1.ConditionTrue, v1alpha5.ReasonLaunched)
	}
	l.Reconcile(l.controller, last.Name)
	if !l.Gone(last) {
		if l.Reload(last); last.DeletionTimestamp.IsZero() {
			t.Error("all others are served, and the one without capacity stays")
		}
	}
}

func TestARefusedLaunchIsToldAndTriedAgain(t *testing.T) {
	tests := map[string]struct {
		err        error
		wantReason string
	}{
		"the template is not ready": {cloudprovider.NewNotReadyError(errors.New("no subnet matches")), v1alpha5.ReasonTemplateNotReady},
		"the cloud gives a reason":  {cloudprovider.NewCreateError("Unauthorized", errors.New("no")), "Unauthorized"},
		"the cloud gives no reason": {errors.New("connection reset"), v1alpha5.ReasonLaunchFailed},
		"a wrapped refusal":         {fmt.Errorf("asking: %w", cloudprovider.NewCreateError("Throttled", errors.New("no"))), "Throttled"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			machine := l.group(1)[0]
			l.cloud.Fail(fake.OperationCreate, tc.err)
			l.Reconcile(l.controller, machine.Name)
			for range 3 {
				if _, err := l.TryReconcile(l.controller, machine.Name); !errors.Is(err, tc.err) {
					t.Errorf("got %v, want the refusal, so that it is tried again", err)
				}
			}
			l.expect(t, machine, v1alpha5.ConditionLaunched, metav1.ConditionUnknown, tc.wantReason)
			if l.Told.Count(events.ReasonLaunchFailed)+l.Told.Count(events.ReasonProviderNotReady) != 1 || !l.Told.Contains("Warning", tc.wantReason, tc.err.Error()) {
				t.Errorf("told: %q", l.Told.Lines())
			}
			l.cloud.Fail(fake.OperationCreate, nil)
			l.Reconcile(l.controller, machine.Name)
			l.expect(t, machine, v1alpha5.ConditionLaunched, metav1.ConditionTrue, v1alpha5.ReasonLaunched)
		})
	}
}

func TestAMachineThatIsBeingDeletedIsLeftAlone(t *testing.T) {
	l := newLife(t)
	machine := l.group(1)[0]
	l.Delete(machine)
	l.Reload(machine)
	before := machine.ResourceVersion
	l.Reconcile(l.controller, machine.Name)
	if l.Reload(machine); machine.ResourceVersion != before || l.cloud.Calls(fake.OperationCreate) != 0 {
		t.Error("the lifecycle goes on with a machine that is being deleted")
	}
}

// Such a machine has all the instance that it will have.
func TestAMachineThatWasMadeToEndAnOrphanIsNotLaunched(t *testing.T) {
	l := newLife(t)
	machine := l.group(1, func(m *v1alpha5.Machine) {
		m.Annotations = map[string]string{v1alpha5.OrphanAnnotation: "fake:///zone/i-1"}
	})[0]
	for range 3 {
		l.Reconcile(l.controller, machine.Name)
	}
	if l.Reload(machine); machine.Status.Launch != nil || l.cloud.Launches() != 0 {
		t.Errorf("intent %+v, %d launches", machine.Status.Launch, l.cloud.Launches())
	}
}
