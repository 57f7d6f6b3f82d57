package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/controllers/provisioning"
	"github.com/kerf-autoscaler/kerf/hack/iam/policy"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/ami"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/subnet"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/journal"
	"github.com/kerf-autoscaler/kerf/pkg/metrics"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/pkg/state"
	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

const (
	stormCluster = "storm"
	stormProfile = "KarpenterNodeInstanceProfile-storm"
	// passEvery is how often a decision is made while pods wait: with many of them one always asks, and a batch closes after a second.
	passEvery = 2 * time.Second
	// answerAfter is how long a Machine takes to be launched or refused.
	answerAfter = 3 * time.Second
)

// storm is kerf's planning over its AWS provider and a simulated AWS. The clock is the test's; the life of machines is cut short to
// the answer of the cloud.
type storm struct {
	t          *testing.T
	clock      *clocktesting.FakeClock
	sim        *awssim.Server
	provider   *aws.Provider
	cluster    *state.Cluster
	controller *provisioning.Controller
	kubeClient client.Client

	pending  map[string]*v1alpha5.Machine // name -> Machine without an answer
	made     map[string][]time.Time       // provisioner -> when its Machines were made
	launched map[string][]time.Time       // provisioner -> when its Machines got an instance
}

// silent tells nobody.
type silent struct{}

//nolint:revive // client-go has this many arguments
func (silent) Eventf(_, _ runtime.Object, _, _, _, _ string, _ ...any) {}

func startStorm(t *testing.T) *storm {
	t.Helper()
	s := &storm{
		t: t, clock: clocktesting.NewFakeClock(time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)), cluster: state.NewCluster(),
		pending: map[string]*v1alpha5.Machine{}, made: map[string][]time.Time{}, launched: map[string][]time.Time{},
	}
	s.sim = simulateEC2(t, s.clock)
	kube := s.kube()
	s.kubeClient = kube
	s.provider = s.newProvider()
	s.makeTemplate(kube)
	recorded, err := metrics.New(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	s.controller = provisioning.NewController(
		provisioning.World{Client: kube, Live: kube, Provider: s.provider, Cluster: s.cluster},
		provisioning.NewBatcher[types.UID](s.clock, time.Second, 10*time.Second), make(chan struct{}),
		journal.Journal{Events: events.NewRecorder(silent{}, s.clock), Metrics: recorded, Clock: s.clock},
		provisioning.Settings{ExpendableBelow: -10, Solver: solver.Settings{MostDearer: 1.5}})
	return s
}

func simulateEC2(t *testing.T, clock *clocktesting.FakeClock) *awssim.Server {
	t.Helper()
	described, err := awssim.DefaultWorld("us-east-1", stormCluster)
	if err != nil {
		t.Fatal(err)
	}
	described.Clock = clock
	described.Roles = map[string]string{stormProfile: "KarpenterNodeRole-" + stormCluster}
	shipped, err := policy.Controller().Render(policy.Spelling{
		policy.Partition: "aws", policy.Region: described.Region, policy.Account: described.AccountID, policy.Cluster: stormCluster,
		policy.NodeRole: "arn:aws:iam::" + described.AccountID + ":role/KarpenterNodeRole-" + stormCluster,
	})
	if err != nil {
		t.Fatal(err)
	}
	server, err := awssim.Start(awssim.Config{World: described, Faults: []awssim.Hook{fewTypes}, Policies: []string{shipped}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if judged := server.Authorizations(); judged.Requests == 0 || len(judged.Denied) > 0 {
			t.Errorf("of %d requests the shipped policy has denied %v", judged.Requests, judged.Denied)
		}
	})
	return server
}

// newProvider returns a provider that has read all that it needs.
func (s *storm) newProvider() *aws.Provider {
	s.t.Helper()
	cfg, err := config.LoadDefaultConfig(s.t.Context(), config.WithRegion("us-east-1"), config.WithBaseEndpoint(s.sim.URL()),
		config.WithSharedConfigFiles(nil), config.WithSharedCredentialsFiles(nil),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(world.DefaultAccessKeyID, "unchecked", "")))
	if err != nil {
		s.t.Fatal(err)
	}
	p, err := aws.New(cfg, s.kubeClient, aws.Settings{
		ClusterName: stormCluster, ClusterUID: "uid", VMMemoryOverheadPercent: 0.075, DefaultInstanceProfile: stormProfile,
	}, s.clock)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, task := range p.Tasks() {
		if err := task.Run(s.t.Context()); err != nil {
			s.t.Fatalf("%s: %v", task.Name, err)
		}
	}
	return p
}

// fewTypes has EC2 tell of instance types that make six hundred offerings or so.
func fewTypes(ctx context.Context, r *wire.Request, next awssim.Handler) (*wire.Response, error) {
	if r.Action == "DescribeInstanceTypes" || r.Action == "DescribeInstanceTypeOfferings" {
		r.Form.Set("Filter.9.Name", "instance-type")
		for i, pattern := range []string{"c5.*", "m5.*", "r5.*", "c6i.*", "m6i.*", "r6i.*"} {
			r.Form.Set("Filter.9.Value."+strconv.Itoa(i+1), pattern)
		}
	}
	return next(ctx, r)
}

// kube is an API server that stamps Machines by the clock of the test and remembers them.
func (s *storm) kube() client.WithWatch {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{awsv1alpha1.AddToScheme, v1alpha5.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			s.t.Fatal(err)
		}
	}
	n := 0
	slot := make(chan struct{}, 1) // one Machine is made at a time
	return fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&awsv1alpha1.AWSNodeTemplate{}).
		WithInterceptorFuncs(interceptor.Funcs{Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			machine, ok := o.(*v1alpha5.Machine)
			if !ok {
				return c.Create(ctx, o, opts...)
			}
			slot <- struct{}{}
			defer func() { <-slot }()
			n++
			machine.Name, machine.UID = fmt.Sprintf("machine-%04d", n), types.UID(strconv.Itoa(n))
			machine.CreationTimestamp = metav1.NewTime(s.clock.Now())
			s.pending[machine.Name] = machine.DeepCopy()
			s.made[machine.ProvisionerName()] = append(s.made[machine.ProvisionerName()], s.clock.Now())
			return nil
		}}).Build()
}

func (s *storm) makeTemplate(kube client.Client) {
	s.t.Helper()
	selected, d := map[string]string{"karpenter.sh/discovery": stormCluster}, s.provider.Discovery()
	subnets, err := d.Subnets.Find(s.t.Context(), selected)
	if err != nil {
		s.t.Fatal(err)
	}
	family, err := ami.FamilyFor("", 32)
	if err != nil {
		s.t.Fatal(err)
	}
	images, err := d.Images.Find(s.t.Context(), family, "1.32")
	if err != nil {
		s.t.Fatal(err)
	}
	template := &awsv1alpha1.AWSNodeTemplate{
		ObjectMeta: metav1.ObjectMeta{Name: "default", Generation: 1},
		Status: awsv1alpha1.AWSNodeTemplateStatus{
			Subnets: subnet.Order(nil, subnets), AMIs: images, AMIFamily: family.Name, ObservedGeneration: 1,
			SecurityGroups: []awsv1alpha1.SecurityGroup{{ID: s.sim.World().SecurityGroups()[0].ID}},
			Conditions:     []metav1.Condition{{Type: v1alpha5.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha5.ReasonReady}},
		},
	}
	status := template.Status
	if err := kube.Create(s.t.Context(), template); err != nil {
		s.t.Fatal(err)
	}
	template.Status = status
	if err := kube.Status().Update(s.t.Context(), template); err != nil {
		s.t.Fatal(err)
	}
}

// buy makes a provisioner of the instance types, and pods that only its machines can host.
func (s *storm) buy(name string, pods int, instanceTypes []string) {
	s.t.Helper()
	p := builders.Provisioner(name,
		builders.Requirement(corev1.LabelInstanceTypeStable, corev1.NodeSelectorOpIn, instanceTypes...),
		builders.Requirement(v1alpha5.CapacityTypeLabel, corev1.NodeSelectorOpIn, v1alpha5.CapacityTypeSpot, v1alpha5.CapacityTypeOnDemand))
	p.Spec.ProviderRef.Name = "default"
	if err := s.kubeClient.Create(s.t.Context(), p); err != nil {
		s.t.Fatal(err)
	}
	for i := range pods {
		s.cluster.UpdatePod(builders.Pod(builders.Name(fmt.Sprintf("%s-%d", name, i)), builders.CPU("1500m"),
			builders.NodeSelector(map[string]string{v1alpha5.ProvisionerNameLabel: name})))
	}
}

// offered maps an instance type -> its offerings, as the provisioner all sees them.
func (s *storm) offered() map[string]int {
	s.t.Helper()
	p := builders.Provisioner("all")
	p.Spec.ProviderRef.Name = "default"
	list, err := s.provider.InstanceTypes(s.t.Context(), p)
	if err != nil {
		s.t.Fatal(err)
	}
	out := map[string]int{}
	for _, t := range list {
		out[t.Name] = len(t.Offerings.Compatible(nil))
	}
	return out
}

// run lets time pass, decides when it is time for it and answers Machines, until done or the time is over.
func (s *storm) run(d time.Duration, done func() bool) {
	s.t.Helper()
	for range int(d / time.Second) {
		if s.clock.Now().Unix()%int64(passEvery.Seconds()) == 0 {
			if err := s.controller.Provision(s.t.Context()); err != nil {
				s.t.Fatal(err)
			}
		}
		s.answer()
		if done() {
			return
		}
		s.clock.Step(time.Second)
	}
}

// answer has the cloud answer the Machines that have waited for long enough, group by group.
func (s *storm) answer() {
	s.t.Helper()
	index := map[string]int32{} // launch group -> its next index
	for _, name := range slices.Sorted(maps.Keys(s.pending)) {
		m := s.pending[name]
		if s.clock.Since(m.CreationTimestamp.Time) < answerAfter {
			continue
		}
		delete(s.pending, name)
		group := m.Spec.LaunchGroup
		m.Status.Launch = &v1alpha5.Launch{
			Group: group.Name, Attempt: 1, Size: group.Size, Index: index[group.Name], Token: group.Name, Time: metav1.NewTime(s.clock.Now()),
		}
		index[group.Name]++
		created, err := s.provider.Create(s.t.Context(), m)
		switch {
		case cloudprovider.IsInsufficientCapacity(err):
			s.cluster.Forget(name)
		case err != nil:
			s.t.Fatal(err)
		default:
			s.cluster.UpdateMachine(created)
			s.launched[m.ProvisionerName()] = append(s.launched[m.ProvisionerName()], s.clock.Now())
		}
	}
}

// placed reports whether all pods have a machine: a pass makes none.
func (s *storm) placed() bool {
	s.t.Helper()
	before := len(s.made["stormy"])
	if len(s.launched["stormy"]) == 0 || len(s.pending) > 0 || s.clock.Now().Unix()%int64(passEvery.Seconds()) != 0 {
		return false
	}
	if err := s.controller.Provision(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	return len(s.made["stormy"]) == before
}

// most returns how many of the times lie within a minute, at most.
func most(times []time.Time) (n int) {
	for i := range times {
		k := i
		for k < len(times) && times[k].Sub(times[i]) < time.Minute {
			k++
		}
		n = max(n, k-i)
	}
	return n
}

const (
	// Pods of others come in waves while the storm lasts, at odd times between decisions.
	waves     = 7
	waveEvery = 83 * time.Second
)

// weather lets ten minutes pass in which waves of pods come that only healthy instance types can host, each of a provisioner of its own.
// It returns how long each of them waits for its last machine.
func (s *storm) weather(healthy []string) []time.Duration {
	s.t.Helper()
	const d = 10 * time.Minute
	start, came := s.clock.Now(), 0
	name := func(wave int) string { return fmt.Sprintf("calm-%d", wave) }
	s.run(d, func() bool {
		if came < waves && s.clock.Since(start) >= time.Duration(came)*waveEvery {
			s.buy(name(came), 50, healthy)
			came++
		}
		return false
	})
	out := make([]time.Duration, waves)
	for wave := range out {
		out[wave] = d // that it got nothing is the longest wait
		if launched := s.launched[name(wave)]; len(launched) > 0 && len(launched) == len(s.made[name(wave)]) {
			out[wave] = launched[len(launched)-1].Sub(start.Add(time.Duration(wave) * waveEvery))
		}
	}
	return out
}

// divided returns the instance types that lack capacity in the storm, which have 88 % of all offerings, and the others.
func (s *storm) divided() (short, healthy []string) {
	s.t.Helper()
	offered := s.offered()
	all, lacking := 0, 0
	for _, n := range offered {
		all += n
	}
	for _, name := range slices.Sorted(maps.Keys(offered)) {
		if float64(lacking) < 0.88*float64(all) {
			short, lacking = append(short, name), lacking+offered[name]
			continue
		}
		healthy = append(healthy, name)
	}
	s.t.Logf("%d of %d offerings have no capacity", lacking, all)
	return short, healthy
}

func TestAnICEStormIsWeatheredAndItsEndNoticed(t *testing.T) {
	quiet := startStorm(t)
	_, healthy := quiet.divided()
	usual := quiet.weather(healthy)

	s := startStorm(t)
	short, healthy := s.divided()
	for _, name := range short {
		s.sim.World().SetCapacity(world.CapacityLimit{InstanceType: name, Instances: 0})
	}
	s.buy("stormy", 500, short)
	start := s.clock.Now()
	delayed := s.weather(healthy)
	late := slices.DeleteFunc(slices.Clone(s.made["stormy"]), func(at time.Time) bool { return at.Sub(start) < 2*time.Minute })
	t.Logf("machines tried: %d in ten minutes, %d after the first two, at most %d in a minute; %d calls of CreateFleet",
		len(s.made["stormy"]), len(late), most(late), s.sim.Calls().Actions["ec2:CreateFleet"].Count)
	if most(late) > 10 || len(late) < 8 || len(s.launched["stormy"]) > 0 {
		t.Errorf("%d machines in a minute, %d in eight; want at most 10, and at least one a minute", most(late), len(late))
	}
	t.Logf("pods of others wait %v, without a storm %v", delayed, usual)
	for wave := range waves {
		if 2*delayed[wave] > 3*usual[wave] {
			t.Errorf("wave %d of the pods of others waits %s in the storm and %s without, want at most half as long again", wave, delayed[wave], usual[wave])
		}
	}

	ended := s.clock.Now()
	for _, name := range short {
		s.sim.World().SetCapacity(world.CapacityLimit{InstanceType: name, Instances: -1})
	}
	s.run(5*time.Minute, func() bool { return s.placed() })
	back := s.launched["stormy"]
	if len(back) == 0 || back[0].Sub(ended) > time.Minute {
		t.Fatalf("capacity came back at %s; machines launched at %v", ended, back)
	}
	t.Logf("capacity back: the first machine after %s, the last of %d after %s", back[0].Sub(ended), len(back), back[len(back)-1].Sub(ended))
	if !s.placed() || back[len(back)-1].Sub(ended) > 2*time.Minute {
		t.Errorf("the last machine came after %s; all pods have one: %t", back[len(back)-1].Sub(ended), s.placed())
	}
}
