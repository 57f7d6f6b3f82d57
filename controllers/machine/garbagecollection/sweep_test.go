package garbagecollection

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
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
		if _, ok := list.(*v1alpha5.MachineList); ok {
			o = append(o, client.HasLabels{s.provisioner})
		}
		return s.near(ctx, c, list, o...)
	}})
	return NewController(interceptor.NewClient(s.Client, interceptor.Funcs{List: s.near}), own, provider, s.Journal)
}

// near lists, and leaves out the nodes of other tests: instances of different clouds may have the same id, but for their zone.
func (s *broom) near(ctx context.Context, c client.WithWatch, list client.ObjectList, o ...client.ListOption) error {
	err := c.List(ctx, list, o...)
	if nodes, ok := list.(*corev1.NodeList); ok {
		nodes.Items = slices.DeleteFunc(nodes.Items, func(n corev1.Node) bool { return !strings.Contains(n.Spec.ProviderID, s.Zone) })
	}
	return err
}

// mine labels a machine as one of this test.
func (s *broom) mine(m *v1alpha5.Machine) {
	m.Labels[v1alpha5.ProvisionerNameLabel], m.Labels[s.provisioner] = s.provisioner, ""
}

// later sweeps once more, when it is time.
func (s *broom) later(t *testing.T) {
	t.Helper()
	s.Clock.Step(interval)
	s.sweep(t)
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

// settle sweeps for as long as the cloud may hide what it has.
func (s *broom) settle(t *testing.T) {
	t.Helper()
	s.sweep(t)
	for range int(unknownAge/interval) - 1 {
		s.Clock.Step(interval)
		s.sweep(t)
	}
	s.Clock.Step(interval)
}

// measured returns the value of the one gauge of a collector; 0 without one.
func measured(t *testing.T, collector prometheus.Collector) float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if len(families) == 0 {
		return 0
	}
	return families[0].GetMetric()[0].GetGauge().GetValue()
}

func TestAMachineWhoseInstanceIsGoneIsDeleted(t *testing.T) {
	s := newBroom(t)
	stays, _ := s.Ready(s.cloud, s.mine)
	machine := s.gone()
	s.settle(t)
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
	s.settle(t)
	s.sweep(t)
	if !s.isGoing(machine) {
		t.Error("a machine without instance and node stays")
	}
}

// What a provisioner makes next is likely to end like an instance that failed by itself, and not like one that was taken away.
func TestItIsOnRecordWhichInstancesEndedByThemselvesBeforeTheyJoined(t *testing.T) {
	for name, tc := range map[string]struct {
		end  func(s *broom, m *v1alpha5.Machine)
		want bool
	}{
		"by itself":  {func(s *broom, m *v1alpha5.Machine) { s.cloud.Break(m.Status.ProviderID) }, true},
		"taken away": {func(s *broom, m *v1alpha5.Machine) { _ = s.cloud.Delete(t.Context(), m) }, false},
		"not known":  {func(s *broom, m *v1alpha5.Machine) { s.cloud.Vanish(m.Status.ProviderID) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newBroom(t)
			young := s.Launched(s.cloud, s.mine)
			old, node := s.Ready(s.cloud, s.mine)
			for _, m := range []*v1alpha5.Machine{young, old} {
				tc.end(s, m)
			}
			workbench.Update(s.Bench, node, func(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionUnknown })
			s.settle(t)
			s.sweep(t)
			if !s.isGoing(young) || !s.isGoing(old) {
				t.Fatalf("the one that had not joined goes: %t, the other: %t", s.isGoing(young), s.isGoing(old))
			}
			for m, want := range map[*v1alpha5.Machine]bool{young: tc.want, old: false} {
				registered := machines.Conditions(m).Get(v1alpha5.ConditionRegistered)
				if got := registered != nil && registered.Reason == v1alpha5.ReasonNeverJoined; got != want {
					t.Errorf("of machine %s, node %q, it is on record that it failed: %t, want %t", m.Name, m.Status.NodeName, got, want)
				}
			}
		})
	}
}

func TestAMachineWhoseNodeIsReadyStays(t *testing.T) {
	s := newBroom(t)
	machine, _ := s.Ready(s.cloud, s.mine)
	s.cloud.Vanish(machine.Status.ProviderID)
	s.settle(t)
	s.sweep(t)
	if s.isGoing(machine) {
		t.Error("the node says that the instance lives, and the machine was deleted")
	}
}

// An instance is not shown everywhere the moment it is made. How long ago that was is told by this process's own clock alone: that
// of the replica that launched it may be minutes behind.
func TestAnInstanceThatTheCloudDoesNotKnowIsGivenTimeToComeToLight(t *testing.T) {
	s := newBroom(t)
	machine := s.Launched(s.cloud, s.mine, func(m *v1alpha5.Machine) {
		m.Status.Launch.Time = metav1.NewTime(s.Clock.Now().Add(-time.Hour))
	})
	s.cloud.Vanish(machine.Status.ProviderID)
	for range int(unknownAge / interval) {
		s.sweep(t)
		if s.isGoing(machine) {
			t.Fatal("a machine was deleted whose instance the cloud may not show yet")
		}
		s.Clock.Step(interval)
	}
	s.sweep(t)
	if !s.isGoing(machine) {
		t.Error("the cloud has not known the instance for as long as it may hide one, and the machine stays")
	}
}

func TestWhatTheListLeavesOutIsAskedForByID(t *testing.T) {
	s := newBroom(t)
	machine := s.Launched(s.cloud, s.mine)
	s.controller = s.with(&forgetful{s.cloud})
	s.settle(t)
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
	paused := func() float64 {
		return measured(t, s.Journal.Metrics.DeletionPaused)
	}
	other := s.Launched(s.cloud, s.mine, func(m *v1alpha5.Machine) { m.Labels[v1alpha5.ProvisionerNameLabel] = "another" })
	s.settle(t)
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
	if got := paused(); got != 4 {
		t.Errorf("%g machines are measured as held, want 4", got)
	}
	if !noted(list[0]) || noted(other) {
		t.Errorf("it is on record: %t, and for a machine of another provisioner: %t", noted(list[0]), noted(other))
	}
	// The user says that it was on purpose, for one of them.
	s.Delete(list[0])
	s.sweep(t)
	if noted(list[1]) || paused() != 0 {
		t.Errorf("it is still on record when deletion goes on, or measured: %g", paused())
	}
	if s.Told.Count(events.ReasonDeletionResumed) != 3 {
		t.Errorf("told: %q", s.Told.Lines())
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
	s.settle(t)
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
	machine := s.gone()
	s.settle(t)
	var ids []string
	for range 3 {
		id, err := s.cloud.AddOrphan(s.provisioner)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	protected := errors.New("the instance is protected")
	s.controller.provider = &protecting{s.cloud, s.cloud.Instances()[0].ProviderID, protected}
	for range 2 {
		if err := s.controller.Sweep(t.Context()); err != nil && !errors.Is(err, protected) {
			t.Fatal(err)
		}
		s.Clock.Step(interval)
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

func (p *protecting) Delete(ctx context.Context, machine *v1alpha5.Machine, all ...cloudprovider.Agreement) error {
	if machine.Status.ProviderID == p.id {
		return p.err
	}
	return p.Provider.Delete(ctx, machine, all...)
}

// A wrong answer that comes bit by bit is no truer than one that comes at once.
func TestMachinesThatLookGoneOneAfterTheOtherCountTogether(t *testing.T) {
	s := newBroom(t)
	var list []*v1alpha5.Machine
	for range 2 {
		for range 2 {
			list = append(list, s.gone())
		}
		s.settle(t)
		s.sweep(t)
	}
	if going := []bool{s.isGoing(list[0]), s.isGoing(list[1]), s.isGoing(list[2]), s.isGoing(list[3])}; !slices.Equal(going, []bool{true, true, false, false}) {
		t.Errorf("of four machines that look gone, two and two, go: %v; want the first two", going)
	}
	for range int(beliefCounts / interval) {
		s.later(t)
	}
	if !s.isGoing(list[2]) || !s.isGoing(list[3]) {
		t.Error("the first two no longer count, and the others stay")
	}
}

func TestAMachineWhoseInstanceWasStoppedIsReplacedOnceItsNodeIsSilent(t *testing.T) {
	s := newBroom(t)
	machine, node := s.Ready(s.cloud, s.mine)
	s.cloud.Stop(machine.Status.ProviderID)
	s.sweep(t)
	if s.isGoing(machine) {
		t.Fatal("the node says that it is ready, and its machine was deleted")
	}
	workbench.Update(s.Bench, node, func(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionUnknown })
	s.sweep(t)
	if !s.isGoing(machine) || !s.Told.Contains("Warning "+events.ReasonInstanceStopped, machine.Status.ProviderID) {
		t.Errorf("the machine goes: %t; told: %q", s.isGoing(machine), s.Told.Lines())
	}
}

// The address of an instance that is gone, and with it the name of its Node, may be another's by now.
func TestAMachineWhoseInstanceHasEndedGoesThoughItsNodeIsReady(t *testing.T) {
	s := newBroom(t)
	s.controller = s.with(&telling{s.cloud})
	machine, _ := s.Ready(s.cloud, s.mine)
	s.cloud.Vanish(machine.Status.ProviderID)
	s.sweep(t)
	if !s.isGoing(machine) {
		t.Error("the cloud says that the instance was terminated, and its machine stays")
	}
}

func TestAMachineWhoseInstanceShutsDownGoesAtOnce(t *testing.T) {
	s := newBroom(t)
	s.cloud = s.Cloud(time.Minute)
	s.controller = s.with(s.cloud)
	machine, _ := s.Ready(s.cloud, s.mine)
	if err := s.cloud.Delete(t.Context(), machine); err != nil { // by hand
		t.Fatal(err)
	}
	s.sweep(t)
	if !s.isGoing(machine) || !s.Told.Contains("Warning "+events.ReasonInstanceGone, "not by kerf") {
		t.Errorf("the machine goes: %t; told: %q", s.isGoing(machine), s.Told.Lines())
	}
}

// The list of machines that a sweep goes by may be a moment old.
func TestAMachineIsDeletedOnlyAsItIsNow(t *testing.T) {
	s := newBroom(t)
	s.controller = s.with(&telling{s.cloud})
	machine := s.gone()
	old := s.controller.live
	s.controller.live = interceptor.NewClient(s.Client, interceptor.Funcs{
		List: func(ctx context.Context, _ client.WithWatch, list client.ObjectList, o ...client.ListOption) error {
			return old.List(ctx, list, o...)
		},
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, o ...client.GetOption) error {
			err := c.Get(ctx, key, object, o...)
			if there, ok := object.(*v1alpha5.Machine); ok {
				there.Status.ProviderID = "fake:///elsewhere/i-another"
			}
			return err
		},
	})
	s.sweep(t)
	if s.isGoing(machine) {
		t.Error("a machine was deleted that has another instance by now")
	}
	s.controller.live = old
	s.sweep(t)
	if !s.isGoing(machine) {
		t.Error("the machine stays though its instance has ended")
	}
}

func TestANodeWithoutMachineAndInstanceIsDeleted(t *testing.T) {
	s := newBroom(t)
	s.controller = s.with(&telling{s.cloud})
	stray := s.Node("fake:///"+s.Zone+"/i-0", builders.Managed(s.provisioner), func(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionUnknown })
	foreign := s.Node("fake:///"+s.Zone+"/i-1", func(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionUnknown })
	s.sweep(t)
	if s.Reload(foreign); !foreign.DeletionTimestamp.IsZero() {
		t.Error("a node of somebody else was deleted")
	}
	if !s.Gone(stray) {
		if s.Reload(stray); stray.DeletionTimestamp.IsZero() {
			t.Error("the node stays that has neither machine nor instance")
		}
	}
}

func TestANodeWhoseInstanceTheCloudDoesNotKnowIsGivenTime(t *testing.T) {
	s := newBroom(t)
	stray := s.Node("fake:///"+s.Zone+"/i-0", builders.Managed(s.provisioner), func(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionUnknown })
	s.settle(t)
	if s.Gone(stray) {
		t.Fatal("the node was deleted before the cloud had its time")
	}
	s.sweep(t)
	if !s.Gone(stray) {
		t.Error("the node stays that has neither machine nor instance")
	}
}

func TestACloudThatCannotBeListedEndsNothing(t *testing.T) {
	s := newBroom(t)
	machine := s.gone()
	s.settle(t)
	broken := errors.New("connection reset")
	s.cloud.Fail(fake.OperationList, broken)
	if err := s.controller.Sweep(t.Context()); !errors.Is(err, broken) {
		t.Errorf("got %v, want the cloud's error", err)
	}
	if s.isGoing(machine) {
		t.Error("a machine goes without a look at the cloud")
	}
}

func TestSweepsComeEveryHalfMinute(t *testing.T) {
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
			clock.Step(interval)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the sweeps ended with %v", err)
		}
	})
}
