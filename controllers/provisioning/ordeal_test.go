package provisioning

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	clientfake "sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/fake"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/journal"
	"github.com/kerf-autoscaler/kerf/pkg/metrics"
	"github.com/kerf-autoscaler/kerf/pkg/state"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

const (
	// ordealPass is how often the pods of an ordeal ask for a decision while something happens.
	ordealPass = 20 * time.Second
	// bootTime is how long an instance takes to join, endTime to end.
	bootTime, endTime = 40 * time.Second, 30 * time.Second
)

// ordeal is kerf's planning over days in which machines come to nothing. Time is simulated; the life of a machine is what the test
// says that becomes of it.
type ordeal struct {
	t       *testing.T
	clock   *clocktesting.FakeClock
	kube    client.WithWatch
	cluster *state.Cluster
	kerf    *Controller
	told    *workbench.Told

	// machines maps name -> Machine that is there, nodes maps name -> Node, pods maps name -> Pod.
	machines map[string]*v1alpha5.Machine
	nodes    map[string]*corev1.Node
	pods     map[string]*corev1.Pod
	made     []time.Time
	count    int
	stirred  time.Time // when something last came or went
	// slot is held by whoever makes an object: a decision makes several Machines at a time.
	slot chan struct{}
	// live lets a machine with an instance age.
	live func(o *ordeal, m *v1alpha5.Machine, age time.Duration)
}

func newOrdeal(t *testing.T, live func(*ordeal, *v1alpha5.Machine, time.Duration), provisioners ...*v1alpha5.Provisioner) *ordeal {
	t.Helper()
	o := &ordeal{
		t: t, clock: clocktesting.NewFakeClock(time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)), told: &workbench.Told{}, live: live,
		slot: make(chan struct{}, 1), machines: map[string]*v1alpha5.Machine{}, nodes: map[string]*corev1.Node{}, pods: map[string]*corev1.Pod{},
	}
	o.kube = clientfake.NewClientBuilder().WithScheme(schemeOf(t)).WithStatusSubresource(&v1alpha5.Provisioner{}).
		WithInterceptorFuncs(interceptor.Funcs{Create: o.create}).Build()
	for _, p := range provisioners {
		if err := o.kube.Create(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	o.restart()
	return o
}

// schemeOf has the kinds that decisions are made on.
func schemeOf(t *testing.T) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{awsv1alpha1.AddToScheme, v1alpha5.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return scheme
}

// restart begins kerf anew: what it knows is what the API server has.
func (o *ordeal) restart() {
	o.t.Helper()
	o.cluster = state.NewCluster()
	for _, m := range o.machines {
		o.cluster.UpdateMachine(m)
	}
	for _, n := range o.nodes {
		o.cluster.UpdateNode(n)
	}
	for _, p := range o.pods {
		o.cluster.UpdatePod(p)
	}
	recorded, err := metrics.New(prometheus.NewRegistry())
	if err != nil {
		o.t.Fatal(err)
	}
	o.kerf = NewController(World{Client: o.kube, Live: o.kube, Provider: fake.New(fake.Options{Clock: o.clock}), Cluster: o.cluster},
		NewBatcher[types.UID](o.clock, time.Second, 10*time.Second), make(chan struct{}),
		journal.Journal{Events: events.NewRecorder(o.told, o.clock), Metrics: recorded, Clock: o.clock}, Settings{ExpendableBelow: -10})
}

// create stamps objects by the clock of the ordeal.
func (o *ordeal) create(ctx context.Context, c client.WithWatch, object client.Object, opts ...client.CreateOption) error {
	object.SetCreationTimestamp(metav1.NewTime(o.clock.Now()))
	machine, ok := object.(*v1alpha5.Machine)
	if !ok {
		return c.Create(ctx, object, opts...)
	}
	o.slot <- struct{}{}
	defer func() { <-o.slot }()
	o.count++
	machine.Name, machine.UID = fmt.Sprintf("machine-%03d", o.count), types.UID(fmt.Sprintf("uid-%03d", o.count))
	o.made, o.stirred = append(o.made, o.clock.Now()), o.clock.Now()
	o.machines[machine.Name] = machine.DeepCopy()
	return nil
}

// want makes a pod, or replaces it, that no node can host yet.
func (o *ordeal) want(name string, modifiers ...builders.PodModifier) {
	o.t.Helper()
	o.count++
	pod := builders.Pod(append([]builders.PodModifier{builders.Name(name), builders.OwnedBy("apps/v1", "ReplicaSet", name)}, modifiers...)...)
	pod.UID, pod.CreationTimestamp = types.UID(fmt.Sprintf("%s-%d", name, o.count)), metav1.NewTime(o.clock.Now())
	if old := o.pods[name]; old != nil {
		o.cluster.DeletePod(old.UID)
	}
	o.pods[name], o.stirred = pod, o.clock.Now()
	o.cluster.UpdatePod(pod)
}

// run lets time pass in steps.
func (o *ordeal) run(d time.Duration) {
	o.t.Helper()
	for end := o.clock.Now().Add(d); o.clock.Now().Before(end); {
		for _, name := range slices.Sorted(maps.Keys(o.machines)) {
			m := o.machines[name].DeepCopy()
			age := o.clock.Since(m.CreationTimestamp.Time)
			switch {
			case m.DeletionTimestamp != nil && o.clock.Since(m.DeletionTimestamp.Time) >= endTime:
				o.end(m)
				continue
			case m.Status.ProviderID == "":
				m.Status.ProviderID = "aws:///us-east-1a/i-" + m.Name
				o.state(m, v1alpha5.ConditionLaunched, metav1.ConditionTrue, v1alpha5.ReasonLaunched)
			case m.DeletionTimestamp == nil:
				o.live(o, m, age)
			}
			o.machines[name] = m
			o.cluster.UpdateMachine(m)
		}
		if err := o.kerf.Provision(o.t.Context()); err != nil {
			o.t.Fatal(err)
		}
		o.clock.Step(min(o.pace(), end.Sub(o.clock.Now())))
	}
}

// pace is how long it is to the next pass: some minutes after pods and machines last came or went, only waits come to their end.
func (o *ordeal) pace() time.Duration {
	if o.clock.Since(o.stirred) > 3*time.Minute {
		return 3 * ordealPass
	}
	return ordealPass
}

// state sets a condition at the time of the ordeal.
func (o *ordeal) state(m *v1alpha5.Machine, condition string, status metav1.ConditionStatus, reason string) {
	m.Status.Conditions = slices.DeleteFunc(m.Status.Conditions, func(c metav1.Condition) bool { return c.Type == condition })
	m.Status.Conditions = append(m.Status.Conditions, metav1.Condition{
		Type: condition, Status: status, Reason: reason, LastTransitionTime: metav1.NewTime(o.clock.Now()),
	})
}

// join makes the machine a node that is ready for pods.
func (o *ordeal) join(m *v1alpha5.Machine, modifiers ...builders.NodeModifier) {
	labels := map[string]string{v1alpha5.InitializedLabel: "true", v1alpha5.ProvisionerNameLabel: m.ProvisionerName()}
	m.Status.NodeName = "node-" + m.Name
	node := builders.Node(m.Status.NodeName, append([]builders.NodeModifier{
		builders.ProviderID(m.Status.ProviderID), builders.NodeLabels(labels), builders.Allocatable("2", "4Gi", 29),
	}, modifiers...)...)
	o.nodes[node.Name] = node
	o.cluster.UpdateNode(node)
	o.state(m, v1alpha5.ConditionRegistered, metav1.ConditionTrue, v1alpha5.ReasonRegistered)
	if node.Labels[v1alpha5.InitializedLabel] == "true" {
		o.state(m, v1alpha5.ConditionInitialized, metav1.ConditionTrue, v1alpha5.ReasonInitialized)
	}
}

// bind has a pod run on the machine's node.
func (o *ordeal) bind(m *v1alpha5.Machine, name string) {
	pod := o.pods[name].DeepCopy()
	pod.Spec.NodeName, pod.Status.Conditions = m.Status.NodeName, nil
	o.pods[name] = pod
	o.cluster.UpdatePod(pod)
}

func (o *ordeal) remove(m *v1alpha5.Machine) { m.DeletionTimestamp = &metav1.Time{Time: o.clock.Now()} }

func (o *ordeal) end(m *v1alpha5.Machine) {
	o.stirred = o.clock.Now()
	delete(o.machines, m.Name)
	delete(o.nodes, m.Status.NodeName)
	o.cluster.DeleteNode(m.Status.NodeName)
	o.cluster.DeleteMachine(m.Name)
}

// rows are those of the provisioner p.
func (o *ordeal) rows() rows {
	o.t.Helper()
	var p v1alpha5.Provisioner
	if err := o.kube.Get(o.t.Context(), client.ObjectKey{Name: "p"}, &p); err != nil {
		o.t.Fatal(err)
	}
	return p.Status.FruitlessLaunches
}

// neverJoins is given up after the time that an instance has to join.
func neverJoins(o *ordeal, m *v1alpha5.Machine, age time.Duration) {
	if age >= 15*time.Minute {
		o.state(m, v1alpha5.ConditionRegistered, metav1.ConditionFalse, v1alpha5.ReasonNeverJoined)
		o.remove(m)
	}
}

// joinsAs becomes a node of some kind, once, to which no pod comes.
func joinsAs(modifiers ...builders.NodeModifier) func(*ordeal, *v1alpha5.Machine, time.Duration) {
	return func(o *ordeal, m *v1alpha5.Machine, age time.Duration) {
		if age >= bootTime && m.Status.NodeName == "" {
			o.join(m, modifiers...)
		}
	}
}

// serves becomes a node that the pod runs on.
func serves(pod string) func(*ordeal, *v1alpha5.Machine, time.Duration) {
	return func(o *ordeal, m *v1alpha5.Machine, age time.Duration) {
		if age >= bootTime && m.Status.NodeName == "" {
			o.join(m)
			o.bind(m, pod)
		}
	}
}
