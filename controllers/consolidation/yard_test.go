package consolidation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/fake"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/pkg/state"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

// yard is a provisioner whose machines are there to be moved around, and the market that it buys at: what is made there becomes a node when
// the test says so.
type yard struct {
	*workbench.Bench
	t           *testing.T
	cloud       *fake.Provider
	types       cloudprovider.InstanceTypes
	provisioner *v1alpha5.Provisioner
	namespace   string
	controller  *Controller
	settings    Settings
	// edition grows with each decision on pods that others make.
	edition int64
	// sold counts machines that were bought; trouble is what comes of the next purchase.
	sold    int
	trouble error
	// beforehand is done before anything is made.
	beforehand func(order disruption.Order)
	// lost says that what is bought next is made, and the answer is lost.
	lost bool
}

func consolidating(p *v1alpha5.Provisioner) {
	p.Spec.Consolidation = &v1alpha5.Consolidation{Enabled: new(true)}
	p.Spec.Disruption = &v1alpha5.Disruption{Budgets: []v1alpha5.Budget{{Nodes: new("100%")}}}
}

func newYard(t *testing.T, modifiers ...builders.ProvisionerModifier) *yard {
	t.Helper()
	b := workbench.New(t)
	y := &yard{
		Bench: b, t: t, namespace: b.Namespace(), settings: Settings{
			ReplacementPatience: 20 * time.Minute, SettleFor: time.Minute, SteerNewPods: true, Disruption: disruption.Settings{LineageRest: time.Second},
		},
		types: fake.Make(
			fake.Shape{Name: "m5.large", CPU: 2, MemoryGiB: 8, Pods: 29, Price: 0.096, Zones: []string{b.Zone}},
			fake.Shape{Name: "m5.4xlarge", CPU: 16, MemoryGiB: 64, Pods: 110, Price: 0.768, Zones: []string{b.Zone}},
		),
	}
	y.cloud = fake.New(fake.Options{Clock: b.Clock, InstanceTypes: y.types})
	y.provisioner = builders.Provisioner(b.Name("yard"), append([]builders.ProvisionerModifier{consolidating, onDemand}, modifiers...)...)
	b.Create(y.provisioner)
	y.restart()
	return y
}

func onDemand(p *v1alpha5.Provisioner) {
	builders.Requirement(v1alpha5.CapacityTypeLabel, corev1.NodeSelectorOpIn, v1alpha5.CapacityTypeOnDemand)(p)
}

// restart begins a new process, which knows nothing of the one before.
func (y *yard) restart() {
	y.controller = NewController(World{Client: y.Client, Live: y.Client, Nominations: expected{}, Market: y}, y.settings, y.Journal)
}

// machine adds a machine of a type that is ready, with pods of one workload that ask for cpu each.
func (y *yard) machine(instanceType string, cpu ...string) *v1alpha5.Machine {
	y.t.Helper()
	machine, _ := y.ready(instanceType)
	for i, request := range cpu {
		y.RunningPod(y.namespace, machine.Status.NodeName, builders.CPU(request), builders.OwnedBy("apps/v1", "ReplicaSet", fmt.Sprintf("%s-%d", machine.Name, i)))
	}
	return machine
}

func (y *yard) ready(instanceType string) (*v1alpha5.Machine, *corev1.Node) {
	y.t.Helper()
	in := func(key, value string) corev1.NodeSelectorRequirement {
		return corev1.NodeSelectorRequirement{Key: key, Operator: corev1.NodeSelectorOpIn, Values: []string{value}}
	}
	machine, node := y.Ready(y.cloud, func(m *v1alpha5.Machine) {
		m.Labels = y.labels(instanceType)
		m.Spec.Requirements = []corev1.NodeSelectorRequirement{
			in(v1alpha5.CapacityTypeLabel, v1alpha5.CapacityTypeOnDemand), in(corev1.LabelTopologyZone, y.Zone), in(corev1.LabelInstanceTypeStable, instanceType),
		}
	})
	y.settle(node, instanceType)
	return machine, node
}

func (y *yard) labels(instanceType string) map[string]string {
	return map[string]string{
		v1alpha5.ProvisionerNameLabel: y.provisioner.Name, corev1.LabelInstanceTypeStable: instanceType,
		corev1.LabelTopologyZone: y.Zone, v1alpha5.CapacityTypeLabel: v1alpha5.CapacityTypeOnDemand,
	}
}

// settle gives a node what its type has, and its labels.
func (y *yard) settle(node *corev1.Node, instanceType string) {
	at := slices.IndexFunc(y.types, func(t *cloudprovider.InstanceType) bool { return t.Name == instanceType })
	workbench.Update(y.Bench, node, func(n *corev1.Node) {
		builders.NodeLabels(y.labels(instanceType))(n)
		n.Status.Capacity, n.Status.Allocatable = y.types[at].Capacity, y.types[at].Allocatable()
	})
}

// join makes a machine that was bought a node that is ready.
func (y *yard) join(name string) *v1alpha5.Machine {
	y.t.Helper()
	machine := &v1alpha5.Machine{ObjectMeta: metav1.ObjectMeta{Name: name}}
	y.Reload(machine)
	instanceType := machine.Labels[corev1.LabelInstanceTypeStable]
	node := y.Node("aws:///"+y.Zone+"/i-"+name, builders.Managed(y.provisioner.Name))
	y.settle(node, instanceType)
	workbench.Update(y.Bench, machine, func(m *v1alpha5.Machine) {
		m.Status.ProviderID, m.Status.NodeName = node.Spec.ProviderID, node.Name
		m.Status.Capacity, m.Status.Allocatable = node.Status.Capacity, node.Status.Allocatable
		for _, condition := range []string{v1alpha5.ConditionLaunched, v1alpha5.ConditionRegistered, v1alpha5.ConditionInitialized} {
			machines.Conditions(m).True(condition, "Done", "")
		}
	})
	return machine
}

// Survey is a look at this yard alone.
func (y *yard) Survey(ctx context.Context) (problem.Facts, int64, error) {
	cluster := state.NewCluster()
	var nodes corev1.NodeList
	var list v1alpha5.MachineList
	var pods corev1.PodList
	own := client.MatchingLabels{v1alpha5.ProvisionerNameLabel: y.provisioner.Name}
	if err := errors.Join(y.Client.List(ctx, &nodes, own), y.Client.List(ctx, &list, own), y.Client.List(ctx, &pods, client.InNamespace(y.namespace))); err != nil {
		return problem.Facts{}, 0, err
	}
	for i := range nodes.Items {
		cluster.UpdateNode(&nodes.Items[i])
	}
	for i := range list.Items {
		cluster.UpdateMachine(&list.Items[i])
	}
	for i := range pods.Items {
		cluster.UpdatePod(&pods.Items[i])
	}
	y.Reload(y.provisioner)
	return problem.Facts{
		Snapshot: cluster.Snapshot(y.Clock.Now()), ExpendableBelow: problem.DefaultExpendableBelow,
		Offers: problem.Offers{y.provisioner.Name: problem.NewOffer(y.provisioner, y.types)},
	}, y.edition, nil
}

func (y *yard) Edition() int64 { return y.edition }

func (y *yard) Foresee(ctx context.Context) (solver.Plan, error) {
	facts, _, err := y.Survey(ctx)
	if err != nil {
		return solver.Plan{}, err
	}
	return solver.Solve(ctx, problem.Build(facts)), nil
}

func (y *yard) Buy(_ context.Context, edition int64, order disruption.Order) (bool, error) {
	if y.beforehand != nil {
		y.beforehand(order)
	}
	if edition != y.edition {
		return false, nil
	}
	if y.trouble != nil {
		return false, y.trouble
	}
	for i := range order.Machines {
		y.Create(y.Machine(func(m *v1alpha5.Machine) {
			m.Name, m.Labels = order.Names[i], y.labels(order.Machines[i].InstanceTypes[0])
			m.Annotations = map[string]string{v1alpha5.ReplacesAnnotation: order.For}
		}))
		y.sold++
	}
	if y.lost {
		return false, errors.New("the answer is lost")
	}
	return true, nil
}

// pass lets some time go by and has it decided on all machines.
func (y *yard) pass(after time.Duration) {
	y.t.Helper()
	if err := y.controller.pass.run(y.t.Context()); err != nil {
		y.t.Fatal(err)
	}
	y.Clock.Step(after)
	if err := y.controller.pass.run(y.t.Context()); err != nil && !errors.Is(err, y.trouble) && !y.lost {
		y.t.Fatal(err)
	}
}

// drive has the machines looked at for as long as something comes of it.
func (y *yard) drive(list ...*v1alpha5.Machine) {
	y.t.Helper()
	for range 3 {
		for _, machine := range list {
			y.Reconcile(y.controller, machine.Name)
		}
		y.Clock.Step(2 * taintSettles)
	}
}

// record returns what is recorded on a machine, nil for nothing.
func (y *yard) record(machine *v1alpha5.Machine) *v1alpha5.DisruptionRecord {
	y.Reload(machine)
	return machine.Status.Disruption
}

func (y *yard) going(machine *v1alpha5.Machine) bool {
	y.Reload(machine)
	return !machine.DeletionTimestamp.IsZero()
}

func (y *yard) tainted(machine *v1alpha5.Machine) bool {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: machine.Status.NodeName}}
	y.Reload(node)
	return slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Key == v1alpha5.DisruptedTaintKey })
}

// stays fails unless a machine is as it was before anything was decided, and says why.
func (y *yard) stays(machine *v1alpha5.Machine, reason string) {
	y.t.Helper()
	if record := y.record(machine); record != nil || y.going(machine) || y.tainted(machine) {
		y.t.Errorf("on record: %v; going: %t; tainted: %t", record, y.going(machine), y.tainted(machine))
	}
	if got := machines.Conditions(machine).Get(v1alpha5.ConditionDisrupting); got == nil || got.Status != metav1.ConditionFalse || got.Reason != reason {
		y.t.Errorf("Disrupting is %v, want the reason %s", got, reason)
	}
}
