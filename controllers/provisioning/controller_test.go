package provisioning

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/fake"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/pkg/state"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

// pass is a provisioning controller with the provisioner of one test; others of the package's server are out of its sight.
type pass struct {
	*workbench.Bench
	provisioner *v1alpha5.Provisioner
	provider    *fake.Provider
	cluster     *state.Cluster
	controller  *Controller
	settings    Settings
}

func newPass(t *testing.T, modifiers ...builders.ProvisionerModifier) *pass {
	t.Helper()
	b := workbench.New(t)
	p := &pass{Bench: b, provider: fake.New(fake.Options{Clock: b.Clock}), cluster: state.NewCluster()}
	p.provisioner = builders.Provisioner(b.Name("provisioner"), modifiers...)
	b.Create(p.provisioner)
	p.controller = p.with(b.Client)
	return p
}

// with returns the controller over another client that sees only the test's own provisioner and its machines.
func (p *pass) with(c client.WithWatch) *Controller {
	own := interceptor.NewClient(c, interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, o ...client.ListOption) error {
		if _, ok := list.(*v1alpha5.ProvisionerList); ok {
			o = append(o, client.MatchingFields{"metadata.name": p.provisioner.Name})
		}
		return c.List(ctx, list, o...)
	}})
	live := interceptor.NewClient(p.Client, interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, o ...client.ListOption) error {
		if _, ok := list.(*v1alpha5.MachineList); ok {
			o = append(o, client.MatchingLabels{v1alpha5.ProvisionerNameLabel: p.provisioner.Name})
		}
		return c.List(ctx, list, o...)
	}})
	batcher := NewBatcher[types.UID](p.Clock, time.Second, 10*time.Second)
	return NewController(World{Client: own, Live: live, Provider: p.provider, Cluster: p.cluster}, batcher, make(chan struct{}), p.Journal, p.settings)
}

// pending tells the cluster's model of pods that nothing can host, one CPU each.
func (p *pass) pending(names ...string) {
	for _, name := range names {
		p.cluster.UpdatePod(builders.Pod(builders.Name(name), builders.CPU("1")))
	}
}

func (p *pass) machines(t *testing.T) []v1alpha5.Machine {
	t.Helper()
	var list v1alpha5.MachineList
	if err := p.Client.List(t.Context(), &list, client.MatchingLabels{v1alpha5.ProvisionerNameLabel: p.provisioner.Name}); err != nil {
		t.Fatal(err)
	}
	return list.Items
}

func (p *pass) provision(t *testing.T) {
	t.Helper()
	if err := p.controller.Provision(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestPendingPodsBecomeMachines(t *testing.T) {
	p := newPass(t)
	p.pending("a", "b", "c")
	p.provision(t)
	list := p.machines(t)
	if len(list) == 0 {
		t.Fatal("there are pending pods and no machines")
	}
	for _, machine := range list {
		if len(machine.Finalizers) != 1 || machine.Spec.LaunchGroup == nil || int(machine.Spec.LaunchGroup.Size) > len(list) {
			t.Errorf("machine %s has finalizers %v and launch group %v", machine.Name, machine.Finalizers, machine.Spec.LaunchGroup)
		}
	}
	if p.Told.Count(events.ReasonNominated) != 3 || p.Told.Count(events.ReasonMachineCreated) != len(list) {
		t.Errorf("3 pods and %d machines, told: %q", len(list), p.Told.Lines())
	}
}

func TestTheSamePodsAreNotServedTwice(t *testing.T) {
	p := newPass(t)
	p.pending("a", "b", "c")
	p.provision(t)
	want := len(p.machines(t))
	p.provision(t) // no watch has shown the machines yet
	if got := len(p.machines(t)); got != want {
		t.Errorf("a second look at the same pods made %d machines of %d", got, want)
	}
}

func TestPodsAreExpectedOnTheirMachinesFromTheStart(t *testing.T) {
	p := newPass(t)
	p.pending("a")
	p.provision(t)
	for _, machine := range p.machines(t) {
		if !p.cluster.Nominated(machine.Name, p.Clock.Now()) {
			t.Errorf("no pods are expected on machine %s that was made for some", machine.Name)
		}
	}
}

func TestPodsGoToNodesThatHaveRoom(t *testing.T) {
	p := newPass(t)
	p.cluster.UpdateNode(builders.Node("roomy"))
	p.pending("a", "b")
	p.provision(t)
	if list := p.machines(t); len(list) != 0 {
		t.Errorf("%d machines were made while a node has room", len(list))
	}
	if !p.cluster.Nominated("roomy", p.Clock.Now().Add(nominationFor-time.Second)) || p.cluster.Nominated("roomy", p.Clock.Now().Add(nominationFor)) {
		t.Error("pods are not expected on the node for 20 s")
	}
	if !p.Told.Contains("Nominated", "node roomy") {
		t.Errorf("told: %q", p.Told.Lines())
	}
}

func TestAPodThatNothingCanHostIsToldOnceAnHour(t *testing.T) {
	p := newPass(t)
	p.cluster.UpdatePod(builders.Pod(builders.Name("huge"), builders.CPU("1000")))
	for range 5 {
		p.provision(t)
		p.Clock.Step(10 * time.Second)
	}
	if got := p.Told.Count(events.ReasonFailedScheduling); got != 1 || !p.Told.Contains("Warning", "cpu") {
		t.Errorf("it was told %d times: %q", got, p.Told.Lines())
	}
	if list := p.machines(t); len(list) != 0 {
		t.Errorf("%d machines were made for a pod that fits none", len(list))
	}
}

func TestAProvisionerThatCanBuyNothingIsNamedToItsPods(t *testing.T) {
	p := newPass(t)
	p.provider.Fail(fake.OperationInstanceTypes, cloudprovider.NewNotReadyError(errors.New("no subnet matches")))
	p.pending("a")
	p.provision(t)
	if !p.Told.Contains("Warning FailedScheduling", "provisioner "+p.provisioner.Name+" is left out", "no subnet matches") {
		t.Errorf("told: %q", p.Told.Lines())
	}
}

func TestAProvisionerThatAdmissionWouldRefuseBuysNothing(t *testing.T) {
	p := newPass(t, func(p *v1alpha5.Provisioner) {
		p.Spec.KubeletConfiguration = &v1alpha5.KubeletConfiguration{ClusterDNS: []string{"10.100.0.256"}}
	})
	p.pending("a")
	p.provision(t)
	if list := p.machines(t); len(list) != 0 || !p.Told.Contains("Warning FailedScheduling", "its spec is invalid", "clusterDNS") {
		t.Errorf("%d machines were made; told: %q", len(list), p.Told.Lines())
	}
}

func TestAProvisionerThatIsBeingDeletedBuysNothing(t *testing.T) {
	p := newPass(t, func(p *v1alpha5.Provisioner) { p.Finalizers = []string{"example.com/hold"} })
	p.Delete(p.provisioner)
	p.pending("a")
	p.provision(t)
	if list := p.machines(t); len(list) != 0 {
		t.Errorf("%d machines were made for a provisioner that goes", len(list))
	}
}

func TestAMachineThatCannotBeCreatedCountsForNothing(t *testing.T) {
	p := newPass(t)
	refused := errors.New("no quota")
	p.controller = p.with(interceptor.NewClient(p.Client, interceptor.Funcs{
		Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error { return refused },
	}))
	p.pending("a")
	if err := p.controller.Provision(t.Context()); !errors.Is(err, refused) {
		t.Errorf("got %v, want the refusal", err)
	}
	if entries := p.cluster.Snapshot(p.Clock.Now()).Entries; len(entries) != 0 {
		t.Errorf("%d machines are assumed, none was created", len(entries))
	}
}

func TestDefaultsOfAProvisionerAreNotWrittenToIt(t *testing.T) {
	p := newPass(t)
	p.pending("a")
	p.provision(t)
	p.Reload(p.provisioner)
	if len(p.provisioner.Spec.Requirements) != 0 {
		t.Errorf("the user's provisioner now requires %v", p.provisioner.Spec.Requirements)
	}
	for _, machine := range p.machines(t) {
		if machine.Labels[v1alpha5.CapacityTypeLabel] != v1alpha5.CapacityTypeOnDemand || machine.Labels[corev1.LabelArchStable] != "amd64" {
			t.Errorf("a machine of a provisioner that says nothing is labelled %v", machine.Labels)
		}
	}
}

// number reads a metric without labels.
func number(t *testing.T, metric prometheus.Collector) float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	if err := registry.Register(metric); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil || len(families) != 1 {
		t.Fatalf("%d families of metrics, %v", len(families), err)
	}
	read := families[0].GetMetric()[0]
	return read.GetGauge().GetValue() + read.GetCounter().GetValue()
}

func TestAPlanIsMeasured(t *testing.T) {
	p := newPass(t)
	p.pending("a", "b", "c")
	p.cluster.UpdatePod(builders.Pod(builders.Name("huge"), builders.CPU("1000")))
	p.provision(t)
	m := p.Journal.Metrics
	cost, bound := number(t, m.PlanCost), number(t, m.PlanLowerBound)
	if cost <= 0 || bound <= 0 || bound > cost {
		t.Errorf("a plan costs $%g/h, no plan less than $%g/h", cost, bound)
	}
	if got := number(t, m.UnplacedPods); got != 1 {
		t.Errorf("%g pods are unplaced, want 1", got)
	}
	if got := number(t, m.PlansCutShort); got != 0 {
		t.Errorf("%g plans were cut short", got)
	}
}

func TestAPlanThatIsCutShortIsCounted(t *testing.T) {
	p := newPass(t)
	for _, cut := range []bool{true, false, true} {
		p.controller.measure(&solver.Plan{CutShort: cut})
	}
	if got := number(t, p.Journal.Metrics.PlansCutShort); got != 2 {
		t.Errorf("%g plans are counted, 2 were cut short", got)
	}
}

func TestSettingsReachThePlan(t *testing.T) {
	p := newPass(t)
	p.settings = Settings{ExpendableBelow: 100, Solver: solver.Settings{NodeFee: 50}}
	p.controller = p.with(p.Client)
	p.pending("unimportant")
	p.cluster.UpdatePod(builders.Pod(builders.Name("important"), builders.CPU("1"), func(pod *corev1.Pod) { pod.Spec.Priority = new(int32(100)) }))
	p.provision(t)
	if p.Told.Count(events.ReasonNominated) != 1 {
		t.Errorf("machines are bought for pods below the cut-off, too: %q", p.Told.Lines())
	}
	if cost := number(t, p.Journal.Metrics.PlanCost); cost < 50 {
		t.Errorf("the plan costs $%g/h, of which a fee for the node is $50", cost)
	}
}

func TestAPodWhoseClaimIsMissingIsTold(t *testing.T) {
	p := newPass(t)
	p.cluster.UpdatePod(builders.Pod(builders.CPU("1"), builders.Claim("data")))
	p.provision(t)
	if !p.Told.Contains("Warning FailedScheduling", `claim "data"`, "does not exist") || len(p.machines(t)) != 0 {
		t.Errorf("%d machines were made; told: %q", len(p.machines(t)), p.Told.Lines())
	}
}

func TestATriggerAsksForAPodAsLongAsItIsPending(t *testing.T) {
	b := workbench.New(t)
	namespace := b.Namespace()
	batcher := NewBatcher[types.UID](b.Clock, time.Second, 10*time.Second)
	trigger := NewTrigger(b.Client, batcher)
	pending := builders.Pod(builders.Namespace(namespace), builders.Name("pending"))
	bound := builders.Pod(builders.Namespace(namespace), builders.Name("bound"), builders.OnNode("node"))
	b.Create(pending, bound)
	tests := map[string]struct {
		name      string
		wantAgain time.Duration
		wantKnown int
	}{
		"a pod that runs":           {"bound", 0, 0},
		"a pod that is gone":        {"gone", 0, 0},
		"a pod that nothing hosts":  {"pending", 10 * time.Second, 1},
		"the same pod another time": {"pending", 10 * time.Second, 1},
	}
	for _, name := range []string{"a pod that runs", "a pod that is gone", "a pod that nothing hosts", "the same pod another time"} {
		tc := tests[name]
		request := reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: tc.name}}
		result, err := trigger.Reconcile(t.Context(), request)
		if err != nil || result.RequeueAfter != tc.wantAgain || len(batcher.known) != tc.wantKnown {
			t.Errorf("%s: again after %s with %d tokens for a window (%v), want %s and %d", name, result.RequeueAfter, len(batcher.known), err, tc.wantAgain, tc.wantKnown)
		}
	}
}

func TestNothingIsDecidedBeforeTheStateIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow()
		synced, ended := make(chan struct{}), make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		batcher := NewBatcher[types.UID](w.clock, time.Second, 10*time.Second)
		controller := &Controller{batcher: batcher, synced: synced}
		batcher.Trigger("a")
		go func() { ended <- controller.Start(ctx) }()
		synctest.Wait()
		w.step(time.Hour)
		if len(batcher.arrived) != 1 {
			t.Error("a window was closed before the state was there")
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("a controller that never started ended with %v", err)
		}
	})
}
