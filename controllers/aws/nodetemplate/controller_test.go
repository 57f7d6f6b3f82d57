package nodetemplate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/ami"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/awserr"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/cluster"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/permission"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/selector"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/subnet"
	"github.com/kerf-autoscaler/kerf/pkg/drift"
)

// cloud answers as it is told to.
type cloud struct {
	subnets    []subnet.Subnet
	subnetErr  error
	groups     []awsv1alpha1.SecurityGroup
	groupErr   error
	images     []awsv1alpha1.AMI
	imageErr   error
	selected   []awsv1alpha1.AMI // by any selector
	made       []string          // launch templates
	madeErr    error
	version    string
	clusterErr error
	missing    permission.List
	missingErr error
	forgotten  []string
}

type subnets struct{ *cloud }

func (s subnets) Find(_ context.Context, asked map[string]string) ([]subnet.Subnet, error) {
	if len(asked) == 0 {
		return nil, selector.ErrEmpty
	}
	return s.subnets, s.subnetErr
}

type groups struct{ *cloud }

func (g groups) Find(_ context.Context, asked map[string]string) ([]awsv1alpha1.SecurityGroup, error) {
	if len(asked) == 0 {
		return nil, selector.ErrEmpty
	}
	return g.groups, g.groupErr
}

type images struct{ *cloud }

func (i images) Find(context.Context, ami.Family, string) ([]awsv1alpha1.AMI, error) {
	return i.images, i.imageErr
}

func (i images) Select(context.Context, map[string]string) ([]awsv1alpha1.AMI, error) {
	return i.selected, i.imageErr
}

func (c *cloud) Exists(_ context.Context, name string) (bool, error) {
	return slices.Contains(c.made, name), c.madeErr
}

func (c *cloud) Facts() (cluster.Facts, error) {
	return cluster.Facts{Name: "demo", Version: c.version}, c.clusterErr
}

func (c *cloud) Check(context.Context, *awsv1alpha1.AWSNodeTemplate) (permission.List, error) {
	return c.missing, c.missingErr
}

func (c *cloud) Forget(template string) { c.forgotten = append(c.forgotten, template) }

func working() *cloud {
	return &cloud{
		subnets: []subnet.Subnet{{ID: "subnet-1", Zone: "us-east-1a", Free: 10}, {ID: "subnet-2", Zone: "us-east-1b", Free: 20}},
		groups:  []awsv1alpha1.SecurityGroup{{ID: "sg-1", Name: "nodes"}},
		images:  []awsv1alpha1.AMI{{ID: "ami-1", Name: "one"}},
		version: "1.34",
	}
}

func template(modify ...func(*awsv1alpha1.AWSNodeTemplate)) *awsv1alpha1.AWSNodeTemplate {
	t := &awsv1alpha1.AWSNodeTemplate{
		ObjectMeta: metav1.ObjectMeta{Name: "default", Generation: 1},
		Spec: awsv1alpha1.AWSNodeTemplateSpec{
			SubnetSelector:        map[string]string{"karpenter.sh/discovery": "demo"},
			SecurityGroupSelector: map[string]string{"karpenter.sh/discovery": "demo"},
		},
	}
	for _, f := range modify {
		f(t)
	}
	return t
}

// world is an API server with one template, and the cloud that it is resolved against.
type world struct {
	*cloud
	client  client.Client
	profile string
	patches int
}

func newWorld(t *testing.T, c *cloud, object *awsv1alpha1.AWSNodeTemplate) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := awsv1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	w := &world{cloud: c, profile: "nodes"}
	w.client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(object).WithStatusSubresource(object).
		WithInterceptorFuncs(interceptor.Funcs{
			SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
				w.patches++
				return c.SubResource(sub).Patch(ctx, o, p, opts...)
			},
		}).Build()
	return w
}

func (w *world) reconcile(t *testing.T) (reconcile.Result, error) {
	t.Helper()
	controller := NewController(w.client, Sources{
		Region: "us-east-1", InstanceProfile: w.profile, Subnets: subnets{w.cloud}, SecurityGroups: groups{w.cloud}, Images: images{w.cloud},
		LaunchTemplates: w.cloud, Cluster: w.cloud, Permissions: w.cloud,
	})
	return controller.Reconcile(t.Context(), reconcile.Request{NamespacedName: client.ObjectKey{Name: "default"}})
}

func (w *world) read(t *testing.T) *awsv1alpha1.AWSNodeTemplate {
	t.Helper()
	got := &awsv1alpha1.AWSNodeTemplate{}
	if err := w.client.Get(t.Context(), client.ObjectKey{Name: "default"}, got); err != nil {
		t.Fatal(err)
	}
	return got
}

// byLaunchTemplate leaves all that a launch template decides to one named mine.
func byLaunchTemplate(t *awsv1alpha1.AWSNodeTemplate) {
	t.Spec.SecurityGroupSelector, t.Spec.LaunchTemplate = nil, "mine"
}

func TestATemplateIsResolvedIntoItsStatus(t *testing.T) {
	w := newWorld(t, working(), template())
	result, err := w.reconcile(t)
	if err != nil || result.RequeueAfter != 5*time.Minute {
		t.Fatalf("result = %+v, %v; want the next look in 5 minutes", result, err)
	}
	hash, err := drift.TemplateHash(template())
	if got := w.read(t).Annotations[awsv1alpha1.AnnotationTemplateHash]; err != nil || got != hash {
		t.Errorf("annotated with hash %q, want %q (%v)", got, hash, err)
	}
	got := w.read(t).Status
	got.Conditions = nil
	want := awsv1alpha1.AWSNodeTemplateStatus{
		Subnets:        []awsv1alpha1.Subnet{{ID: "subnet-2", Zone: "us-east-1b"}, {ID: "subnet-1", Zone: "us-east-1a"}},
		SecurityGroups: []awsv1alpha1.SecurityGroup{{ID: "sg-1", Name: "nodes"}}, SubnetCount: 2, SecurityGroupCount: 1,
		AMIFamily: "AL2023", AMIs: []awsv1alpha1.AMI{{ID: "ami-1", Name: "one"}}, ObservedGeneration: 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if !meta.IsStatusConditionTrue(w.read(t).Status.Conditions, v1alpha5.ConditionReady) {
		t.Error("the template is not ready")
	}
}

func TestNothingIsWrittenWhenNothingChanged(t *testing.T) {
	w := newWorld(t, working(), template())
	for range 3 {
		if _, err := w.reconcile(t); err != nil {
			t.Fatal(err)
		}
	}
	w.subnets = []subnet.Subnet{{ID: "subnet-1", Zone: "us-east-1a", Free: 19}, {ID: "subnet-2", Zone: "us-east-1b", Free: 12}}
	if _, err := w.reconcile(t); err != nil {
		t.Fatal(err)
	}
	if w.patches != 1 {
		t.Errorf("the status was written %d times, want once", w.patches)
	}
}

func TestWhatIsWrongIsToldWithFieldAndRemedy(t *testing.T) {
	for name, tc := range map[string]struct {
		template  *awsv1alpha1.AWSNodeTemplate
		change    func(*world)
		condition string
		reason    string
		message   string
	}{
		"no subnet matches": {
			change: func(w *world) { w.subnets = nil }, condition: awsv1alpha1.ConditionSubnetsReady, reason: awsv1alpha1.ReasonNoneFound,
			message: "spec.subnetSelector {karpenter.sh/discovery: demo} matches no subnet in us-east-1: tag a subnet or change the selector",
		},
		"no security group matches": {
			change: func(w *world) { w.groups = nil }, condition: awsv1alpha1.ConditionSecurityGroupsReady, reason: awsv1alpha1.ReasonNoneFound,
			message: "spec.securityGroupSelector {karpenter.sh/discovery: demo} matches no security group in us-east-1: tag a security group or change the selector",
		},
		"the subnet selector is empty": {
			template:  template(func(t *awsv1alpha1.AWSNodeTemplate) { t.Spec.SubnetSelector = nil }),
			condition: awsv1alpha1.ConditionSubnetsReady, reason: awsv1alpha1.ReasonSelectorEmpty,
			message: "spec.subnetSelector is empty: name the tags of the subnets to use",
		},
		"AL2 on a cluster that is too new": {
			template:  template(func(t *awsv1alpha1.AWSNodeTemplate) { t.Spec.AMIFamily = "AL2" }),
			condition: awsv1alpha1.ConditionAMIsReady, reason: awsv1alpha1.ReasonNoImage,
			message: "spec.amiFamily: AL2 has images up to Kubernetes 1.32 and the cluster runs 1.34; use AL2023",
		},
		"no image is published": {
			change: func(w *world) { w.imageErr = ami.ErrNone }, condition: awsv1alpha1.ConditionAMIsReady, reason: awsv1alpha1.ReasonNoImage,
			message: "spec.amiFamily AL2023: no image is published in us-east-1: choose another family, or images of your own by spec.amiSelector",
		},
		"a family that the schema did not have": {
			template:  template(func(t *awsv1alpha1.AWSNodeTemplate) { t.Spec.AMIFamily = "Haiku" }),
			condition: awsv1alpha1.ConditionAMIsReady, reason: awsv1alpha1.ReasonNoImage,
			message: "spec.amiFamily: \"Haiku\" is no AMI family that kerf knows; use AL2, AL2023, Bottlerocket, Ubuntu, Windows2019, Windows2022, Windows2025 or Custom",
		},
		"Windows on a cluster that is too old": {
			template:  template(func(t *awsv1alpha1.AWSNodeTemplate) { t.Spec.AMIFamily = "Windows2025" }),
			condition: awsv1alpha1.ConditionAMIsReady, reason: awsv1alpha1.ReasonNoImage,
			message: "spec.amiFamily: Windows2025 has images from Kubernetes 1.35 on and the cluster runs 1.34; use Windows2022",
		},
		"the AMI selector matches nothing": {
			template: template(func(t *awsv1alpha1.AWSNodeTemplate) {
				t.Spec.AMIFamily, t.Spec.AMISelector = "Custom", map[string]string{"aws::name": "mine"}
			}),
			condition: awsv1alpha1.ConditionAMIsReady, reason: awsv1alpha1.ReasonNoneFound,
			message: "spec.amiSelector {aws::name: mine} matches no image in us-east-1: tag an image or change the selector",
		},
		"Custom without a selector": {
			template:  template(func(t *awsv1alpha1.AWSNodeTemplate) { t.Spec.AMIFamily = "Custom" }),
			condition: awsv1alpha1.ConditionAMIsReady, reason: awsv1alpha1.ReasonNoImage,
			message: "spec.amiFamily: Custom has no images of its own; select them by spec.amiSelector",
		},
		"the launch template is missing": {
			template:  template(byLaunchTemplate),
			condition: awsv1alpha1.ConditionAMIsReady, reason: awsv1alpha1.ReasonNoneFound,
			message: `spec.launchTemplate: there is no launch template "mine" in us-east-1: create it or change the name`,
		},
		"user data that cannot be merged": {
			template: template(func(t *awsv1alpha1.AWSNodeTemplate) {
				t.Spec.AMIFamily, t.Spec.UserData = "Bottlerocket", "#!/bin/sh\nreboot\n"
			}),
			condition: awsv1alpha1.ConditionSpecValid, reason: awsv1alpha1.ReasonInvalid,
			message: "spec.userData cannot be merged in the way of the AMI family Bottlerocket: reading the TOML of Bottlerocket's settings: line 2, column 7: toml: expected '=' after key",
		},
		"a spec that admission would have refused": {
			template: template(func(t *awsv1alpha1.AWSNodeTemplate) {
				t.Spec.MetadataOptions = &awsv1alpha1.MetadataOptions{HTTPTokens: new("maybe")}
			}),
			condition: awsv1alpha1.ConditionSpecValid, reason: awsv1alpha1.ReasonInvalid,
			message: `spec.metadataOptions.httpTokens: Unsupported value: "maybe": supported values: "required", "optional"`,
		},
		"no instance profile": {
			change: func(w *world) { w.profile = "" }, condition: awsv1alpha1.ConditionInstanceProfileReady, reason: awsv1alpha1.ReasonNoneFound,
			message: "spec.instanceProfile is empty and the controller has no default: set it, or --aws-default-instance-profile of the controller",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.template == nil {
				tc.template = template()
			}
			w := newWorld(t, working(), tc.template)
			if tc.change != nil {
				tc.change(w)
			}
			result, err := w.reconcile(t)
			if err != nil || result.RequeueAfter != time.Minute {
				t.Errorf("result = %+v, %v; want the next look in a minute", result, err)
			}
			list := w.read(t).Status.Conditions
			got := meta.FindStatusCondition(list, tc.condition)
			if got == nil || got.Status != metav1.ConditionFalse || got.Reason != tc.reason || got.Message != tc.message {
				t.Errorf("condition = %+v, want %s: %s", got, tc.reason, tc.message)
			}
			ready := meta.FindStatusCondition(list, v1alpha5.ConditionReady)
			if ready == nil || ready.Status != metav1.ConditionFalse || !strings.Contains(ready.Message, tc.message) {
				t.Errorf("Ready = %+v, want false with that message", ready)
			}
		})
	}
}

func TestAnErrorOfAWSIsRetriedAndTold(t *testing.T) {
	c := working()
	c.subnetErr = &smithy.GenericAPIError{Code: "AuthFailure", Message: "no"}
	w := newWorld(t, c, template())
	if _, err := w.reconcile(t); !errors.Is(err, c.subnetErr) {
		t.Errorf("error = %v, want %v", err, c.subnetErr)
	}
	got := meta.FindStatusCondition(w.read(t).Status.Conditions, awsv1alpha1.ConditionSubnetsReady)
	if got == nil || got.Status != metav1.ConditionUnknown || got.Reason != awsv1alpha1.ReasonCloudError || !strings.Contains(got.Message, "AuthFailure") {
		t.Errorf("condition = %+v, want unknown with the error", got)
	}
}

func TestARepeatedErrorOfAWSIsWrittenOnce(t *testing.T) {
	c := working()
	w := newWorld(t, c, template())
	for _, requestID := range []string{"11111111-2222-4333-8444-555555555555", "66666666-7777-4888-8999-000000000000"} {
		w.subnetErr = awserr.Explain("ec2:DescribeSubnets", fmt.Errorf("https response error StatusCode: 503, RequestID: %s: %w", requestID,
			&smithy.GenericAPIError{Code: "Unavailable", Message: "later, says request " + requestID}))
		if _, err := w.reconcile(t); err == nil {
			t.Error("the error is lost")
		}
	}
	if w.patches != 1 {
		t.Errorf("the status was written %d times, want once", w.patches)
	}
}

func TestWhatWasFoundHoldsWhileAWSDoesNotAnswer(t *testing.T) {
	w := newWorld(t, working(), template())
	if _, err := w.reconcile(t); err != nil {
		t.Fatal(err)
	}
	before := w.read(t)
	w.subnetErr, w.groupErr, w.imageErr, w.clusterErr = errors.New("down"), errors.New("down"), errors.New("down"), errors.New("down")
	if _, err := w.reconcile(t); err == nil {
		t.Error("the outage is no error")
	}
	if diff := cmp.Diff(before.Status, w.read(t).Status); diff != "" {
		t.Errorf("the status changed (-before +after):\n%s", diff)
	}
}

func TestAChangedTemplateIsNotReadyWhileAWSDoesNotAnswer(t *testing.T) {
	w := newWorld(t, working(), template())
	if _, err := w.reconcile(t); err != nil {
		t.Fatal(err)
	}
	changed := w.read(t)
	changed.Generation = 2
	changed.Spec.SubnetSelector = map[string]string{"other": "tag"}
	if err := w.client.Update(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	w.subnetErr = errors.New("down")
	if _, err := w.reconcile(t); err == nil {
		t.Error("the outage is no error")
	}
	got := meta.FindStatusCondition(w.read(t).Status.Conditions, v1alpha5.ConditionReady)
	if got == nil || got.Status != metav1.ConditionUnknown {
		t.Errorf("Ready = %+v, want unknown", got)
	}
}

func TestATemplateThatIsGoneIsNoError(t *testing.T) {
	w := newWorld(t, working(), template())
	if err := w.client.Delete(t.Context(), template()); err != nil {
		t.Fatal(err)
	}
	if result, err := w.reconcile(t); err != nil || result != (reconcile.Result{}) {
		t.Errorf("result = %+v, %v; want nothing", result, err)
	}
}
