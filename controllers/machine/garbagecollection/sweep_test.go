package garbagecollection

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/fake"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/journal"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

// broom sweeps one cloud and the machines of one test; those of other tests have instances in other clouds.
type broom struct {
	*workbench.Bench
	cloud       *fake.Provider
	provisioner string
	controller  *Controller
}

func newBroom(t *testing.T) *broom {
	t.Helper()
	b := workbench.New(t)
	s := &broom{Bench: b, cloud: b.Cloud(0), provisioner: b.Name("provisioner")}
	s.controller = s.with(s.cloud)
	return s
}

func (s *broom) with(provider cloudprovider.Provider) *Controller {
	own := interceptor.NewClient(s.Client, interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, o ...client.ListOption) error {
		return c.List(ctx, list, append(o, client.HasLabels{s.provisioner})...)
	}})
	return NewController(s.Client, own, provider, s.Journal)
}

// mine labels a machine as one of this test.
func (s *broom) mine(m *v1alpha5.Machine) {
	m.Labels[v1alpha5.ProvisionerNameLabel], m.Labels[s.provisioner] = s.provisioner, ""
}

func (s *broom) sweep(t *testing.T) {
	t.Helper()
	if err := s.controller.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// gone creates a machine whose instance was terminated by hand and whose node has noticed.
func (s *broom) gone() *v1alpha5.Machine {
	machine, node := s.Ready(s.cloud, s.mine)
	s.vanish(machine, node)
	return machine
}

func (s *broom) vanish(machine *v1alpha5.Machine, node *corev1.Node) {
	s.cloud.Vanish(machine.Status.ProviderID)
	workbench.Update(s.Bench, node, func(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionUnknown })
}

func (s *broom) isGoing(machine *v1alpha5.Machine) bool {
	s.Reload(machine)
	return !machine.DeletionTimestamp.IsZero()
}

func (s *broom) live(providerID string) bool {
	for _, i := range s.cloud.Instances() {
		if i.ProviderID == providerID {
			return true
		}
	}
	return false
}

// settle lets what was launched be old enough to count as missing.
func (s *broom) settle() { s.Clock.Step(10 * time.Minute) }

func TestAnOrphanEndsWithTheSecondSweepThatSeesIt(t *testing.T) {
	s := newBroom(t)
	owned := s.Launched(s.cloud, s.mine)
	awaited := s.Intended(s.mine)
	s.cloud.LoseAnswers(1)
	if _, err := s.cloud.Create(t.Context(), awaited); err == nil {
		t.Fatal("the answer was not lost")
	}
	foreign := s.cloud.AddForeign()
	orphan, err := s.cloud.AddOrphan(s.provisioner)
	if err != nil {
		t.Fatal(err)
	}
	s.sweep(t)
	if !s.live(orphan) {
		t.Fatal("the first sweep ended an instance whose machine may be on its way")
	}
	s.sweep(t)
	if s.live(orphan) {
		t.Error("the orphan lives after the second sweep")
	}
	s.sweep(t)
	if !s.live(owned.Status.ProviderID) || !s.live(foreign) || len(s.cloud.Instances()) != 3 {
		t.Errorf("what has an owner, awaits its answer or belongs to others was ended; left are %v", s.cloud.Instances())
	}
}

func TestAnInstanceThatFoundItsOwnerIsNoSuspectAnyMore(t *testing.T) {
	s := newBroom(t)
	orphan, err := s.cloud.AddOrphan(s.provisioner)
	if err != nil {
		t.Fatal(err)
	}
	s.sweep(t)
	machine := s.Machine(s.mine, builders.LaunchedAs(orphan, "2", "8Gi", 29))
	s.Create(machine)
	s.sweep(t)
	s.Delete(machine)
	s.Release(machine)
	s.sweep(t)
	if !s.live(orphan) {
		t.Error("an instance that had an owner in the last sweep was ended by the first that finds it without")
	}
}

func TestAMachineWhoseInstanceIsGoneIsDeleted(t *testing.T) {
	s := newBroom(t)
	stays, _ := s.Ready(s.cloud, s.mine)
	machine := s.gone()
	s.settle()
	s.sweep(t)
	if !s.isGoing(machine) || s.isGoing(stays) {
		t.Errorf("the machine without instance goes: %t, the other: %t", s.isGoing(machine), s.isGoing(stays))
	}
	if !s.Told.Contains("Warning "+events.ReasonInstanceGone, machine.Status.ProviderID) {
		t.Errorf("told: %q", s.Told.Lines())
	}
}

func TestAMachineWhoseNodeIsGoneTooIsDeleted(t *testing.T) {
	s := newBroom(t)
	machine := s.Launched(s.cloud, s.mine)
	s.cloud.Vanish(machine.Status.ProviderID)
	s.settle()
	s.sweep(t)
	if !s.isGoing(machine) {
		t.Error("a machine without instance and node stays")
	}
}

func TestAMachineWhoseNodeIsReadyStays(t *testing.T) {
	s := newBroom(t)
	machine, _ := s.Ready(s.cloud, s.mine)
	s.cloud.Vanish(machine.Status.ProviderID)
	s.settle()
	s.sweep(t)
	if s.isGoing(machine) {
		t.Error("the node says that the instance lives, and the machine was deleted")
	}
}

// An instance is not shown everywhere the moment it is made.
func TestAMachineThatWasJustLaunchedStays(t *testing.T) {
	s := newBroom(t)
	machine := s.Launched(s.cloud, s.mine)
	s.cloud.Vanish(machine.Status.ProviderID)
	s.sweep(t)
	if s.isGoing(machine) {
		t.Error("a machine was deleted whose instance the cloud may not show yet")
	}
}

func TestWhatTheListLeavesOutIsAskedForByID(t *testing.T) {
	s := newBroom(t)
	machine := s.Launched(s.cloud, s.mine)
	s.controller = s.with(&forgetful{s.cloud})
	s.settle()
	s.sweep(t)
	if s.isGoing(machine) {
		t.Error("the list left out an instance that is there, and its machine was deleted")
	}
	s.cloud.Fail(fake.OperationGet, errors.New("throttled"))
	if err := s.controller.Sweep(t.Context()); err == nil || s.isGoing(machine) {
		t.Errorf("the cloud does not say whether the instance lives (%v), and its machine goes: %t", err, s.isGoing(machine))
	}
}

// forgetful is a cloud whose list is empty.
type forgetful struct{ *fake.Provider }

func (f *forgetful) List(context.Context) ([]*v1alpha5.Machine, error) { return nil, nil }

func TestWhenTooManyLookGoneNothingIsDeleted(t *testing.T) {
	s := newBroom(t)
	var list []*v1alpha5.Machine
	for range 4 {
		list = append(list, s.gone())
	}
	other := s.Launched(s.cloud, s.mine, func(m *v1alpha5.Machine) { m.Labels[v1alpha5.ProvisionerNameLabel] = "another" })
	s.settle()
	for range 2 {
		s.sweep(t)
	}
	for _, machine := range list {
		if s.isGoing(machine) {
			t.Errorf("machine %s goes though 4 of 4 look gone at once", machine.Name)
		}
	}
	if s.Told.Count(events.ReasonDeletionPaused) != 4 || !s.Told.Contains("Warning", "4 of 4 machines of provisioner "+s.provisioner) {
		t.Errorf("told: %q", s.Told.Lines())
	}
	noted := func(machine *v1alpha5.Machine) bool {
		s.Reload(machine)
		condition := machines.Conditions(machine).Get(v1alpha5.ConditionTerminated)
		return condition != nil && condition.Status == metav1.ConditionUnknown && condition.Reason == events.ReasonDeletionPaused
	}
	if !noted(list[0]) || noted(other) {
		t.Errorf("it is on record: %t, and for a machine of another provisioner: %t", noted(list[0]), noted(other))
	}
	// The user says that it was on purpose, for one of them.
	s.Delete(list[0])
	s.sweep(t)
	if noted(list[1]) {
		t.Error("it is still on record when deletion goes on")
	}
	for _, machine := range list {
		if !s.isGoing(machine) {
			t.Errorf("machine %s stays though only 3 look gone", machine.Name)
		}
	}
}

// telling is a cloud that says of instances that are gone how they ended.
type telling struct{ *fake.Provider }

func (p *telling) Get(ctx context.Context, providerID string) (*v1alpha5.Machine, error) {
	machine, err := p.Provider.Get(ctx, providerID)
	if cloudprovider.IsNotFound(err) {
		return nil, cloudprovider.NewTerminatedError(err)
	}
	return machine, err
}

func TestWhatTheCloudSaysHasEndedIsBelievedHoweverManyThereAre(t *testing.T) {
	s := newBroom(t)
	s.controller = s.with(&telling{s.cloud})
	var list []*v1alpha5.Machine
	for range 5 {
		list = append(list, s.gone())
	}
	s.settle()
	s.sweep(t)
	for _, machine := range list {
		if !s.isGoing(machine) {
			t.Errorf("machine %s stays though the cloud says that its instance was terminated", machine.Name)
		}
	}
	if s.Told.Count(events.ReasonDeletionPaused) != 0 {
		t.Errorf("told: %q", s.Told.Lines())
	}
}

func TestOneOrphanThatCannotBeEndedDoesNotHoldTheOthers(t *testing.T) {
	s := newBroom(t)
	var ids []string
	for range 3 {
		id, err := s.cloud.AddOrphan(s.provisioner)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	machine := s.gone()
	s.settle()
	protected := errors.New("the instance is protected")
	s.controller = s.with(&protecting{s.cloud, s.cloud.Instances()[0].ProviderID, protected})
	for range 2 {
		if err := s.controller.Sweep(t.Context()); err != nil && !errors.Is(err, protected) {
			t.Fatal(err)
		}
	}
	left := 0
	for _, id := range ids {
		if s.live(id) {
			left++
		}
	}
	if left != 1 || !s.isGoing(machine) {
		t.Errorf("%d orphans are left, and the machine whose instance is gone goes: %t", left, s.isGoing(machine))
	}
}

// protecting is a cloud that refuses to terminate one instance.
type protecting struct {
	*fake.Provider
	id  string
	err error
}

func (p *protecting) Delete(ctx context.Context, machine *v1alpha5.Machine) error {
	if machine.Status.ProviderID == p.id {
		return p.err
	}
	return p.Provider.Delete(ctx, machine)
}

func TestACloudThatCannotBeListedEndsNothing(t *testing.T) {
	s := newBroom(t)
	machine := s.gone()
	s.settle()
	broken := errors.New("connection reset")
	s.cloud.Fail(fake.OperationList, broken)
	if err := s.controller.Sweep(t.Context()); !errors.Is(err, broken) {
		t.Errorf("got %v, want the cloud's error", err)
	}
	if s.isGoing(machine) {
		t.Error("a machine goes without a look at the cloud")
	}
}

func TestSweepsComeEveryMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := clocktesting.NewFakeClock(time.Unix(0, 0))
		cloud := fake.New(fake.Options{Clock: clock})
		broken := errors.New("not today") // so that no API server is asked
		cloud.Fail(fake.OperationList, broken)
		controller := NewController(nil, nil, cloud, journal.Journal{Clock: clock})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- controller.Start(ctx) }()
		for want := 1; want <= 4; want++ {
			synctest.Wait()
			if got := cloud.Calls(fake.OperationList); got != want {
				t.Errorf("%d sweeps, want %d", got, want)
			}
			clock.Step(time.Minute)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the sweeps ended with %v", err)
		}
	})
}
