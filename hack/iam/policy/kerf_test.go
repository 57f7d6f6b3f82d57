package policy_test

import (
	"sync"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/hack/iam/policy"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/ami"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/subnet"
	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/iam"
	"github.com/kerf-autoscaler/kerf/test/awssim/sqs"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

const (
	region      = "us-east-1"
	account     = "111122223333"
	clusterName = "demo"
	queueName   = "demo-kerf"
)

// shipped returns the controller's policies, in one, as they stand in the account of the tests.
func shipped(t *testing.T) policy.Document {
	t.Helper()
	both := policy.Controller()
	both.Statement = append(both.Statement, policy.Interruption().Statement...)
	text, err := both.Render(policy.Spelling{
		policy.Partition: "aws", policy.Region: region, policy.Account: account, policy.Cluster: clusterName,
		policy.NodeRole: "arn:aws:iam::" + account + ":role/KarpenterNodeRole-" + clusterName,
		policy.Queue:    "arn:aws:sqs:" + region + ":" + account + ":" + queueName,
	})
	if err != nil {
		t.Fatal(err)
	}
	d, err := policy.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// life has kerf's own provider do, on a simulated AWS, all that it does at AWS.
func life(t *testing.T) asked {
	t.Helper()
	clock := clocktesting.NewFakeClock(time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC))
	saw := asked{requests: map[string]iam.Request{}}
	server := simulated(t, clock, func(r iam.Request, _ iam.Decision) { saw.requests[r.Key()] = r })
	scheme := runtime.NewScheme()
	if err := awsv1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	template := &awsv1alpha1.AWSNodeTemplate{ObjectMeta: metav1.ObjectMeta{Name: "default", Generation: 1}}
	reader := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(template).WithObjects(template).Build()
	p, err := aws.New(configuration(t, server), reader, aws.Settings{
		ClusterName: clusterName, ClusterUID: "uid", VMMemoryOverheadPercent: 0.075,
		DefaultInstanceProfile: "KarpenterNodeInstanceProfile-" + clusterName, InterruptionQueue: queueName,
	}, clock)
	if err != nil {
		t.Fatal(err)
	}
	tasks(t, p)
	resolve(t, p, template)
	if err := reader.Status().Update(t.Context(), template); err != nil {
		t.Fatal(err)
	}
	for _, capacityType := range []string{v1alpha5.CapacityTypeSpot, v1alpha5.CapacityTypeOnDemand} {
		liveAndDie(t, p, capacityType)
	}
	if missing, err := p.Discovery().Permissions.Check(t.Context(), template); err != nil || len(missing) > 0 {
		t.Errorf("permissions that are missing: %v, %v", missing, err)
	}
	clock.Step(time.Hour) // no launch template has been used for long
	tasks(t, p)
	saw.report = server.Authorizations()
	return saw
}

// simulated returns a simulated AWS that asks the shipped policy about every call. Its network belongs to another account, which shares it.
func simulated(t *testing.T, clock *clocktesting.FakeClock, judged func(iam.Request, iam.Decision)) *awssim.Server {
	t.Helper()
	described, err := awssim.DefaultWorld(region, clusterName)
	if err != nil {
		t.Fatal(err)
	}
	described.Clock, described.AccountID = clock, account
	described.Roles = map[string]string{"KarpenterNodeInstanceProfile-" + clusterName: "KarpenterNodeRole-" + clusterName}
	for i := range described.Subnets {
		described.Subnets[i].OwnerID = "999999999999"
	}
	for i := range described.SecurityGroups {
		described.SecurityGroups[i].OwnerID = "999999999999"
	}
	text, err := shipped(t).Render(nil)
	if err != nil {
		t.Fatal(err)
	}
	var one sync.Mutex // calls come side by side
	queues := []sqs.Config{{Name: queueName}}
	server, err := awssim.Start(awssim.Config{World: described, Queues: queues, Policies: []string{text}, Judged: func(r iam.Request, d iam.Decision) {
		one.Lock()
		defer one.Unlock()
		judged(r, d)
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// configuration returns that of an SDK that calls the simulated AWS.
func configuration(t *testing.T, server *awssim.Server) awssdk.Config {
	t.Helper()
	loaded, err := config.LoadDefaultConfig(t.Context(), config.WithRegion(region), config.WithBaseEndpoint(server.URL()),
		config.WithSharedConfigFiles(nil), config.WithSharedCredentialsFiles(nil),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(world.DefaultAccessKeyID, "unchecked", "")))
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

func tasks(t *testing.T, p *aws.Provider) {
	t.Helper()
	for _, task := range p.Tasks() {
		if err := task.Run(t.Context()); err != nil {
			t.Fatalf("%s: %v", task.Name, err)
		}
	}
}

// resolve does what the template's controller does.
func resolve(t *testing.T, p *aws.Provider, template *awsv1alpha1.AWSNodeTemplate) {
	t.Helper()
	selected := map[string]string{"karpenter.sh/discovery": clusterName}
	d := p.Discovery()
	subnets, err := d.Subnets.Find(t.Context(), selected)
	if err != nil {
		t.Fatal(err)
	}
	groups, err := d.SecurityGroups.Find(t.Context(), selected)
	if err != nil {
		t.Fatal(err)
	}
	family, err := ami.FamilyFor("", 34)
	if err != nil {
		t.Fatal(err)
	}
	images, err := d.Images.Find(t.Context(), family, "1.34")
	if err != nil {
		t.Fatal(err)
	}
	template.Status = awsv1alpha1.AWSNodeTemplateStatus{
		Subnets: subnet.Order(nil, subnets), SecurityGroups: groups, AMIs: images, AMIFamily: family.Name, ObservedGeneration: 1,
		Conditions: []metav1.Condition{{Type: v1alpha5.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha5.ReasonReady}},
	}
}

func liveAndDie(t *testing.T, p *aws.Provider, capacityType string) {
	t.Helper()
	in := func(key, value string) corev1.NodeSelectorRequirement {
		return corev1.NodeSelectorRequirement{Key: key, Operator: corev1.NodeSelectorOpIn, Values: []string{value}}
	}
	made, err := p.Create(t.Context(), &v1alpha5.Machine{
		ObjectMeta: metav1.ObjectMeta{Name: capacityType, Labels: map[string]string{v1alpha5.ProvisionerNameLabel: "default"}},
		Spec: v1alpha5.MachineSpec{
			MachineTemplateRef: &v1alpha5.TemplateReference{Name: "default"},
			LaunchGroup:        &v1alpha5.LaunchGroup{Name: capacityType, Size: 1},
			Requirements: []corev1.NodeSelectorRequirement{
				in(corev1.LabelInstanceTypeStable, "m5.large"), in(corev1.LabelTopologyZone, "us-east-1a"), in(v1alpha5.CapacityTypeLabel, capacityType),
			},
		},
		Status: v1alpha5.MachineStatus{Launch: &v1alpha5.Launch{Group: capacityType, Attempt: 1, Size: 1, Token: "token-" + capacityType}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.Delete(t.Context(), made); err != nil {
		t.Fatal(err)
	}
}
