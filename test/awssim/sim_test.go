package awssim_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

const (
	region     = "us-east-1"
	cluster    = "demo"
	x86Image   = "/aws/service/eks/optimized-ami/1.32/amazon-linux-2023/x86_64/standard/recommended/image_id"
	armImage   = "/aws/service/eks/optimized-ami/1.32/amazon-linux-2023/arm64/standard/recommended/image_id"
	bootDelay  = 40 * time.Second
	stopDelay  = 30 * time.Second
	retention  = 10 * time.Minute
	template   = "kerf/standard"
	discovery  = "karpenter.sh/discovery"
	userData64 = "aGVsbG8="
)

// sim is a simulator with a clock that stands still, and the SDK's client, which found it through the environment.
type sim struct {
	*awssim.Server
	t     *testing.T
	clock *clocktesting.FakeClock
	aws   aws.Config
	ec2   *ec2.Client
}

func start(t *testing.T, changes ...func(*world.Config)) *sim {
	t.Helper()
	return startWith(t, awssim.Config{}, changes...)
}

func startWith(t *testing.T, served awssim.Config, changes ...func(*world.Config)) *sim {
	t.Helper()
	described, err := awssim.DefaultWorld(region, cluster)
	if err != nil {
		t.Fatal(err)
	}
	clock := clocktesting.NewFakeClock(time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC))
	described.Clock, described.BootDelay, described.ShutdownDelay, described.TerminatedRetention = clock, bootDelay, stopDelay, retention
	for _, change := range changes {
		change(&described)
	}
	served.World = described
	server, err := awssim.Start(served)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, variable := range append(server.Environment(), "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null") {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	loaded, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	loaded.HTTPClient = readOnly{}
	return &sim{Server: server, t: t, clock: clock, aws: loaded, ec2: ec2.NewFromConfig(loaded)}
}

// readOnly sends requests with bodies that can only be read. The SDK's own has a WriteTo that fails with io.EOF once the answer is there;
// on a machine that is busy net/http takes that for a failed request, and the answer is lost.
type readOnly struct{}

func (readOnly) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return http.DefaultClient.Do(r)
}

func (s *sim) ctx() context.Context { return s.t.Context() }

// subnet is the discoverable subnet of a zone.
func (s *sim) subnet(zone string) string {
	for _, n := range s.World().Subnets() {
		if n.Zone == zone && n.Tags[discovery] == cluster {
			return n.ID
		}
	}
	s.t.Fatalf("no subnet in %s", zone)
	return ""
}

func (s *sim) image(parameter string) string {
	p, ok := s.World().Parameter(parameter)
	if !ok {
		s.t.Fatalf("no parameter %s", parameter)
	}
	return p.Value
}

func (s *sim) nodeGroup() string {
	for _, g := range s.World().SecurityGroups() {
		if g.Tags[discovery] == cluster {
			return g.ID
		}
	}
	s.t.Fatal("no security group")
	return ""
}

// templateData is what the launch template says that fleets use by default.
func templateData(s *sim) *ec2types.RequestLaunchTemplateData {
	s.t.Helper()
	return &ec2types.RequestLaunchTemplateData{
		ImageId: aws.String(s.image(x86Image)), UserData: aws.String(userData64), SecurityGroupIds: []string{s.nodeGroup()},
		IamInstanceProfile: &ec2types.LaunchTemplateIamInstanceProfileSpecificationRequest{Name: aws.String("node")},
		TagSpecifications: []ec2types.LaunchTemplateTagSpecificationRequest{
			{ResourceType: ec2types.ResourceTypeInstance, Tags: []ec2types.Tag{{Key: aws.String("from"), Value: aws.String("template")}}},
		},
	}
}

// makeTemplate makes the launch template that fleets use by default.
func (s *sim) makeTemplate(changes ...func(*ec2.CreateLaunchTemplateInput)) *ec2types.LaunchTemplate {
	s.t.Helper()
	in := &ec2.CreateLaunchTemplateInput{
		LaunchTemplateName: aws.String(template),
		LaunchTemplateData: templateData(s),
	}
	for _, change := range changes {
		change(in)
	}
	out, err := s.ec2.CreateLaunchTemplate(s.ctx(), in)
	if err != nil {
		s.t.Fatalf("creating the launch template: %v", err)
	}
	return out.LaunchTemplate
}

// fleetOf asks for on-demand instances of the types in us-east-1a.
func (s *sim) fleetOf(count int32, types ...string) *ec2.CreateFleetInput {
	in := &ec2.CreateFleetInput{
		Type: ec2types.FleetTypeInstant,
		LaunchTemplateConfigs: []ec2types.FleetLaunchTemplateConfigRequest{{
			LaunchTemplateSpecification: &ec2types.FleetLaunchTemplateSpecificationRequest{
				LaunchTemplateName: aws.String(template), Version: aws.String("$Latest"),
			},
		}},
		TargetCapacitySpecification: &ec2types.TargetCapacitySpecificationRequest{
			TotalTargetCapacity: aws.Int32(count), DefaultTargetCapacityType: ec2types.DefaultTargetCapacityTypeOnDemand,
		},
	}
	for _, instanceType := range types {
		in.LaunchTemplateConfigs[0].Overrides = append(in.LaunchTemplateConfigs[0].Overrides, ec2types.FleetLaunchTemplateOverridesRequest{
			InstanceType: ec2types.InstanceType(instanceType), SubnetId: aws.String(s.subnet("us-east-1a")),
		})
	}
	return in
}

// launch carries a fleet request out, which must not be refused.
func (s *sim) launch(in *ec2.CreateFleetInput) *ec2.CreateFleetOutput {
	s.t.Helper()
	out, err := s.ec2.CreateFleet(s.ctx(), in)
	if err != nil {
		s.t.Fatalf("creating the fleet: %v", err)
	}
	return out
}

// ids lists the instances of a fleet's answer.
func ids(out *ec2.CreateFleetOutput) []string {
	var all []string
	for _, group := range out.Instances {
		all = append(all, group.InstanceIds...)
	}
	return all
}

func (s *sim) describe(in *ec2.DescribeInstancesInput) []ec2types.Instance {
	s.t.Helper()
	out, err := s.ec2.DescribeInstances(s.ctx(), in)
	if err != nil {
		s.t.Fatalf("describing instances: %v", err)
	}
	var all []ec2types.Instance
	for _, r := range out.Reservations {
		all = append(all, r.Instances...)
	}
	return all
}

// code is the AWS error code of an error, or what else went wrong.
func code(err error) string {
	var apiError smithy.APIError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &apiError):
		return apiError.ErrorCode()
	}
	return "not an API error: " + err.Error()
}

func where(name string, values ...string) ec2types.Filter {
	return ec2types.Filter{Name: aws.String(name), Values: values}
}
