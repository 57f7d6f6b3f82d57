package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/ami"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/subnet"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/journal"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/metrics"
	"github.com/kerf-autoscaler/kerf/pkg/operator"
	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

// How long instances take to boot and to end.
const bootTakes, shutdownTakes = 20 * time.Second, 30 * time.Second

// account is a simulated AWS account that clusters of one name share. Time is the test's.
type account struct {
	t     *testing.T
	clock *clocktesting.FakeClock
	sim   *awssim.Server
	fault atomic.Pointer[awssim.Hook] // stands before every call while it is set
	// patience is how long clients wait for an answer: real time, in which that of the test stands still.
	patience atomic.Int64
}

func openAccount(t *testing.T) *account {
	t.Helper()
	// The API server in memory dates deletions by the real time.
	a := &account{t: t, clock: clocktesting.NewFakeClock(time.Now())}
	a.patience.Store(int64(time.Minute))
	described, err := awssim.DefaultWorld("us-east-1", stormCluster)
	if err != nil {
		t.Fatal(err)
	}
	described.Clock, described.ShutdownDelay, described.BootDelay = a.clock, shutdownTakes, bootTakes
	a.sim, err = awssim.Start(awssim.Config{World: described, Faults: []awssim.Hook{fewTypes, func(ctx context.Context, r *wire.Request, next awssim.Handler) (*wire.Response, error) {
		if fault := a.fault.Load(); fault != nil {
			return (*fault)(ctx, r, next)
		}
		return next(ctx, r)
	}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.sim.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// inject puts a fault before every call; nil lifts it.
func (a *account) inject(fault awssim.Hook) {
	if fault == nil {
		a.fault.Store(nil)
		return
	}
	a.fault.Store(&fault)
}

// RoundTrip waits no longer than the account's patience.
func (a *account) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), time.Duration(a.patience.Load()))
	response, err := http.DefaultTransport.RoundTrip(r.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	context.AfterFunc(r.Context(), cancel) // the body is still to be read
	return response, nil
}

// tenant is a cluster of the account, with a clock of its own: that of its kerf.
type tenant struct {
	*account
	uid      string
	clock    *clocktesting.FakeClock
	kube     client.WithWatch
	provider *aws.Provider
	told     *workbench.Told
	journal  journal.Journal
	made     int
	mu       sync.Mutex
}

// join adds a cluster whose kerf's clock is off by so much.
func (a *account) join(uid string, off time.Duration) *tenant {
	a.t.Helper()
	recorded, err := metrics.New(prometheus.NewRegistry())
	if err != nil {
		a.t.Fatal(err)
	}
	c := &tenant{account: a, uid: uid, clock: clocktesting.NewFakeClock(a.clock.Now().Add(off)), told: &workbench.Told{}}
	c.journal = journal.Journal{Events: events.NewRecorder(c.told, c.clock), Metrics: recorded, Clock: c.clock}
	c.kube = c.server()
	cfg, err := config.LoadDefaultConfig(a.t.Context(), config.WithRegion("us-east-1"), config.WithBaseEndpoint(a.sim.URL()),
		config.WithSharedConfigFiles(nil), config.WithSharedCredentialsFiles(nil),
		// What the SDK waits between attempts is real time.
		config.WithRetryMaxAttempts(1),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(world.DefaultAccessKeyID, "unchecked", "")))
	if err != nil {
		a.t.Fatal(err)
	}
	cfg.HTTPClient = &http.Client{Transport: a}
	c.provider, err = aws.New(cfg, c.kube, aws.Settings{
		ClusterName: stormCluster, ClusterUID: uid, VMMemoryOverheadPercent: 0.075, DefaultInstanceProfile: "nodes", IsolatedVPC: true,
		APIShare: 100, // the buckets fill in real time
	}, c.clock)
	if err != nil {
		a.t.Fatal(err)
	}
	for _, task := range c.provider.Tasks() {
		if err := task.Run(a.t.Context()); err != nil {
			a.t.Fatalf("%s: %v", task.Name, err)
		}
	}
	c.makeTemplate()
	return c
}

// server is an API server in memory, with kerf's indexes. It gives out UIDs and dates by the account's clock.
func (c *tenant) server() client.WithWatch {
	c.t.Helper()
	scheme, err := operator.NewScheme()
	if err != nil {
		c.t.Fatal(err)
	}
	onNode := func(o client.Object) []string { return []string{o.(*corev1.Pod).Spec.NodeName} }
	return fake.NewClientBuilder().WithScheme(scheme).
		WithStatusSubresource(&awsv1alpha1.AWSNodeTemplate{}, &v1alpha5.Machine{}).
		WithIndex(&corev1.Pod{}, machines.IndexPodNodeName, onNode).WithIndex(&corev1.Pod{}, "spec.nodeName", onNode).
		WithIndex(&storagev1.VolumeAttachment{}, machines.IndexAttachmentNodeName, func(client.Object) []string { return nil }).
		WithIndex(&corev1.Node{}, machines.IndexNodeProviderID, func(o client.Object) []string {
			return []string{o.(*corev1.Node).Spec.ProviderID}
		}).
		WithIndex(&v1alpha5.Machine{}, machines.IndexMachineProviderID, func(o client.Object) []string {
			return []string{o.(*v1alpha5.Machine).Status.ProviderID}
		}).
		WithIndex(&v1alpha5.Machine{}, machines.IndexMachineLaunchGroup, func(o client.Object) []string {
			if group := o.(*v1alpha5.Machine).Spec.LaunchGroup; group != nil {
				return []string{group.Name}
			}
			return nil
		}).
		WithInterceptorFuncs(newRecall(func(ctx context.Context, k client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			c.mu.Lock()
			c.made++
			o.SetUID(types.UID(c.uid + "-" + strconv.Itoa(c.made)))
			c.mu.Unlock()
			o.SetCreationTimestamp(metav1.NewTime(c.account.clock.Now()))
			return k.Create(ctx, o, opts...)
		})).Build()
}

func (c *tenant) makeTemplate() {
	c.t.Helper()
	d := c.provider.Discovery()
	subnets, err := d.Subnets.Find(c.t.Context(), map[string]string{"karpenter.sh/discovery": stormCluster})
	if err != nil {
		c.t.Fatal(err)
	}
	family, err := ami.FamilyFor("", 32)
	if err != nil {
		c.t.Fatal(err)
	}
	images, err := d.Images.Find(c.t.Context(), family, "1.32")
	if err != nil {
		c.t.Fatal(err)
	}
	template := &awsv1alpha1.AWSNodeTemplate{ObjectMeta: metav1.ObjectMeta{Name: "default", Generation: 1}}
	c.create(template)
	template.Status = awsv1alpha1.AWSNodeTemplateStatus{
		Subnets: subnet.Order(nil, subnets), AMIs: images, AMIFamily: family.Name, ObservedGeneration: template.Generation,
		SecurityGroups: []awsv1alpha1.SecurityGroup{{ID: c.sim.World().SecurityGroups()[0].ID}},
		Conditions:     []metav1.Condition{{Type: v1alpha5.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha5.ReasonReady, ObservedGeneration: template.Generation}},
	}
	if err := c.kube.Status().Update(c.t.Context(), template); err != nil {
		c.t.Fatal(err)
	}
}

// create creates objects, each with the status that it has.
func (c *tenant) create(objects ...client.Object) {
	c.t.Helper()
	for _, object := range objects {
		if machine, ok := object.(*v1alpha5.Machine); ok {
			status := machine.Status.DeepCopy()
			defer func() { // the server takes the status apart from the rest
				machine.Status = *status
				if err := c.kube.Status().Update(c.t.Context(), machine); err != nil {
					c.t.Fatal(err)
				}
			}()
		}
		if err := c.kube.Create(c.t.Context(), object); err != nil {
			c.t.Fatal(err)
		}
	}
}

// group returns the machines of a launch group, not created.
func (c *tenant) group(name string, size int) []*v1alpha5.Machine {
	out := make([]*v1alpha5.Machine, 0, size)
	for i := range size {
		out = append(out, builders.Machine(fmt.Sprintf("%s-%03d", name, i), "default",
			builders.MachineRequirement(corev1.LabelInstanceTypeStable, corev1.NodeSelectorOpIn, "m5.large", "c5.xlarge", "r5.large"),
			builders.MachineRequirement(corev1.LabelTopologyZone, corev1.NodeSelectorOpIn, "us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d"),
			builders.MachineRequirement(v1alpha5.CapacityTypeLabel, corev1.NodeSelectorOpIn, v1alpha5.CapacityTypeOnDemand),
			func(m *v1alpha5.Machine) {
				m.Spec.MachineTemplateRef = &v1alpha5.TemplateReference{Name: "default"}
				m.Spec.LaunchGroup = &v1alpha5.LaunchGroup{Name: name, Size: int32(size)} //nolint:gosec // a test's number
				m.Finalizers = []string{v1alpha5.TerminationFinalizer}
			}))
	}
	return out
}

// launch has EC2 make the instances of machines of a group, and writes both intent and answer into the machines.
func (c *tenant) launch(group []*v1alpha5.Machine) {
	c.t.Helper()
	for i, m := range group {
		name := m.Spec.LaunchGroup.Name
		m.Status.Launch = &v1alpha5.Launch{
			Group: name, Attempt: 1, Size: m.Spec.LaunchGroup.Size, Index: int32(i), Token: c.uid + name, RequestHash: "hash", Time: metav1.NewTime(c.clock.Now()), //nolint:gosec // a test's number
		}
		created, err := c.provider.Create(c.t.Context(), m)
		if err != nil {
			c.t.Fatal(err)
		}
		m.Status.ProviderID, m.Status.Launch.Answered = created.Status.ProviderID, true
		machines.Conditions(m).True(v1alpha5.ConditionLaunched, v1alpha5.ReasonLaunched, "")
	}
}

// step lets time pass, everywhere alike.
func (c *tenant) step(d time.Duration) {
	c.account.clock.Step(d)
	c.clock.Step(d)
}

// ids are those of the machines' instances.
func ids(list []*v1alpha5.Machine) []string {
	out := make([]string, 0, len(list))
	for _, m := range list {
		out = append(out, machines.InstanceID(m.Status.ProviderID))
	}
	return out
}

// running counts those of the instances that nobody has begun to end.
func (a *account) running(ids []string) int {
	n := 0
	for _, i := range a.sim.World().Instances() {
		if i.Shutdown.IsZero() && slices.Contains(ids, i.ID) {
			n++
		}
	}
	return n
}
