package aws_test

import (
	"context"
	"path"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/ami"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/subnet"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/cloudprovidertest"
	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
	"github.com/kerf-autoscaler/kerf/test/awssim/sqs"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

const (
	region        = "us-east-1"
	clusterName   = "demo"
	clusterUID    = "11111111-2222-3333-4444-555555555555"
	shutdownDelay = 30 * time.Second
)

// sim is a simulator with a clock of its own and a provider over it, unmodified SDK and HTTP in between.
type sim struct {
	*awssim.Server
	t        *testing.T
	clock    *clocktesting.FakeClock
	client   client.Client
	provider *aws.Provider
	fault    atomic.Pointer[awssim.Hook] // stands before every call while it is set
	attempts int                         // of the SDK; 0 leaves it to the provider
	settings aws.Settings
	allTypes bool // EC2 tells of all its instance types
}

// startSim starts a simulator. Modifiers change the world before it begins.
func startSim(t *testing.T, modify ...func(*world.Config)) *sim {
	t.Helper()
	described, err := awssim.DefaultWorld(region, clusterName)
	if err != nil {
		t.Fatal(err)
	}
	clock := clocktesting.NewFakeClock(time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC))
	described.Clock, described.ShutdownDelay, described.TerminatedRetention = clock, shutdownDelay, time.Hour
	for _, f := range modify {
		f(&described)
	}
	s := &sim{t: t, clock: clock, client: newClient(t)}
	server, err := awssim.Start(awssim.Config{
		World: described, Faults: []awssim.Hook{s.pass}, Policies: shippedPolicies(t, described), Queues: []sqs.Config{{Name: described.Cluster.Name}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		wantPermitted(t, server)
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	s.Server = server
	s.provider = s.newProvider(clusterUID)
	return s
}

// pass lets a call through, or has the fault deal with it. Unless all is asked for, EC2 seems to have few instance types:
// reading the thousand that it has takes a second for each provider.
func (s *sim) pass(ctx context.Context, r *wire.Request, next awssim.Handler) (*wire.Response, error) {
	if !s.allTypes && (r.Action == "DescribeInstanceTypes" || r.Action == "DescribeInstanceTypeOfferings") {
		r.Form.Set("Filter.9.Name", "instance-type")
		for i, pattern := range []string{"c5.*", "m5.*", "r5.*", "g4dn.xlarge"} {
			r.Form.Set("Filter.9.Value."+strconv.Itoa(i+1), pattern)
		}
	}
	if fault := s.fault.Load(); fault != nil {
		return (*fault)(ctx, r, next)
	}
	return next(ctx, r)
}

// inject puts a fault before every call, in place of the one before; nil lifts it. A call that was cut off may still be under
// way on the server.
func (s *sim) inject(fault awssim.Hook) {
	if fault == nil {
		s.fault.Store(nil)
		return
	}
	s.fault.Store(&fault)
}

func newClient(t *testing.T) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := awsv1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&awsv1alpha1.AWSNodeTemplate{}).Build()
}

func (s *sim) config() awssdk.Config {
	s.t.Helper()
	loaded, err := config.LoadDefaultConfig(s.t.Context(), config.WithRegion(region), config.WithBaseEndpoint(s.URL()),
		config.WithSharedConfigFiles(nil), config.WithSharedCredentialsFiles(nil),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(world.DefaultAccessKeyID, "unchecked", "")))
	if err != nil {
		s.t.Fatal(err)
	}
	return loaded
}

// newProvider returns a provider that is ready and remembers nothing; its prices are those that are compiled in.
func (s *sim) newProvider(uid string) *aws.Provider {
	s.t.Helper()
	p := s.freshProvider(uid)
	s.run(p, "reading cluster facts", "reading instance types", "reading offerings")
	return p
}

// freshProvider returns a provider that has read nothing yet.
func (s *sim) freshProvider(uid string) *aws.Provider {
	s.t.Helper()
	cfg := s.config()
	cfg.RetryMaxAttempts = s.attempts
	settings := s.settings
	settings.ClusterName, settings.ClusterUID, settings.VMMemoryOverheadPercent, settings.DefaultInstanceProfile = clusterName, uid, 0.075, "nodes"
	p, err := aws.New(cfg, s.client, settings, s.clock)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// run runs tasks of the provider by name.
func (s *sim) run(p *aws.Provider, names ...string) {
	s.t.Helper()
	for _, task := range p.Tasks() {
		if !slices.Contains(names, task.Name) {
			continue
		}
		if err := task.Run(s.t.Context()); err != nil {
			s.t.Fatalf("%s: %v", task.Name, err)
		}
	}
}

// makeTemplate makes the template default, which is resolved and ready, as its controller would leave it. Modifiers change its
// spec.
func (s *sim) makeTemplate(modify ...func(*awsv1alpha1.AWSNodeTemplateSpec)) *awsv1alpha1.AWSNodeTemplate {
	s.t.Helper()
	selected := map[string]string{"karpenter.sh/discovery": clusterName}
	d := s.provider.Discovery()
	template := &awsv1alpha1.AWSNodeTemplate{
		ObjectMeta: metav1.ObjectMeta{Name: "default", Generation: 1},
		Spec:       awsv1alpha1.AWSNodeTemplateSpec{SubnetSelector: selected, SecurityGroupSelector: selected},
	}
	for _, f := range modify {
		f(&template.Spec)
	}
	subnets, err := d.Subnets.Find(s.t.Context(), template.Spec.SubnetSelector)
	if err != nil {
		s.t.Fatal(err)
	}
	groups, err := d.SecurityGroups.Find(s.t.Context(), selected)
	if err != nil {
		s.t.Fatal(err)
	}
	family, images := s.images(template.Spec)
	template.Status = awsv1alpha1.AWSNodeTemplateStatus{
		Subnets: subnet.Order(nil, subnets), SecurityGroups: groups, AMIs: images, AMIFamily: family, ObservedGeneration: 1,
		Conditions: []metav1.Condition{{Type: v1alpha5.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha5.ReasonReady}},
	}
	if err := s.client.Create(s.t.Context(), template); err != nil {
		s.t.Fatal(err)
	}
	if err := s.client.Status().Update(s.t.Context(), template); err != nil {
		s.t.Fatal(err)
	}
	return template
}

// copyTemplate makes another template that is like one.
func (s *sim) copyTemplate(of *awsv1alpha1.AWSNodeTemplate, name string) {
	s.t.Helper()
	template := of.DeepCopy()
	template.Name, template.ResourceVersion = name, ""
	if err := s.client.Create(s.t.Context(), template); err != nil {
		s.t.Fatal(err)
	}
	template.Status = of.Status
	if err := s.client.Status().Update(s.t.Context(), template); err != nil {
		s.t.Fatal(err)
	}
}

// template returns the template default as the API server has it.
func (s *sim) template() *awsv1alpha1.AWSNodeTemplate {
	s.t.Helper()
	out := &awsv1alpha1.AWSNodeTemplate{}
	if err := s.client.Get(s.t.Context(), client.ObjectKey{Name: "default"}, out); err != nil {
		s.t.Fatal(err)
	}
	return out
}

// images returns the family of a template, and its images.
func (s *sim) images(spec awsv1alpha1.AWSNodeTemplateSpec) (string, []awsv1alpha1.AMI) {
	s.t.Helper()
	if spec.LaunchTemplate != "" {
		return "", nil
	}
	family, err := ami.FamilyFor(spec.AMIFamily, 32)
	if err != nil {
		s.t.Fatal(err)
	}
	finder := s.provider.Discovery().Images
	find := func() ([]awsv1alpha1.AMI, error) { return finder.Find(s.t.Context(), family, "1.32") }
	if len(spec.AMISelector) > 0 {
		find = func() ([]awsv1alpha1.AMI, error) { return finder.Select(s.t.Context(), spec.AMISelector) }
	}
	images, err := find()
	if err != nil || len(images) == 0 {
		s.t.Fatalf("images %v, %v", images, err)
	}
	return family.Name, images
}

func provisioner(template string) *v1alpha5.Provisioner {
	return &v1alpha5.Provisioner{
		ObjectMeta: metav1.ObjectMeta{Name: "default"},
		Spec:       v1alpha5.ProvisionerSpec{ProviderRef: &v1alpha5.TemplateReference{Name: template}},
	}
}

// live counts instances that are not on their way out.
func (s *sim) live() int {
	n := 0
	for _, i := range s.World().Instances() {
		if i.State == world.Pending || i.State == world.Running {
			n++
		}
	}
	return n
}

// calls counts the calls of an action such as ec2:CreateFleet.
func (s *sim) calls(action string) int { return s.Calls().Actions[action].Count }

func TestTheAWSProviderKeepsTheContract(t *testing.T) {
	cloudprovidertest.Run(t, func(t *testing.T) cloudprovidertest.World {
		s := startSim(t)
		s.makeTemplate()
		return cloudprovidertest.World{
			Provider:    s.provider,
			Restart:     func() cloudprovider.Provider { return s.newProvider(clusterUID) },
			Provisioner: provisioner("default"),
			SetCapacity: func(instanceType, zone, capacityType string, left int) {
				s.World().SetCapacity(world.CapacityLimit{InstanceType: instanceType, Zone: zone, CapacityType: capacityType, Instances: left})
			},
			PlantForeign: func() string {
				m, err := s.newProvider("another-cluster").Create(t.Context(), machine("foreign", 1, 0))
				if err != nil {
					t.Fatal(err)
				}
				return m.Status.ProviderID
			},
			Stop: func(providerID string) {
				if err := s.Befall(path.Base(providerID), faults.Stop); err != nil {
					t.Fatal(err)
				}
			},
			Outdate: map[string]func(){
				v1alpha5.ReasonAMIDrifted: s.releaseImages, v1alpha5.ReasonSubnetDrifted: s.closeFirstZone, v1alpha5.ReasonSecurityGroupDrifted: s.changeGroups,
			},
			Obscure: map[string]func() func(){"an empty answer": s.obscure(emptyAnswer), "an answer without the tag": s.obscure(untagged)},
			Live:    s.live,
			Settle:  func() { s.clock.Step(shutdownDelay) },
		}
	})
}
