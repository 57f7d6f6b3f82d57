package awssim_test

import (
	"errors"
	"net/http"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/pricing"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
)

const (
	noInstance = "i-0123456789abcdef0"
	noTemplate = "lt-0123456789abcdef0"
)

func withMetadata(options ec2types.LaunchTemplateInstanceMetadataOptionsRequest) ec2.CreateLaunchTemplateInput {
	return ec2.CreateLaunchTemplateInput{
		LaunchTemplateName: aws.String("new"), LaunchTemplateData: &ec2types.RequestLaunchTemplateData{MetadataOptions: &options},
	}
}

func TestCallsAreRefusedInAWSsWords(t *testing.T) {
	s := start(t)
	s.makeTemplate()
	fleet := func(change func(*ec2.CreateFleetInput)) func() error {
		return func() error {
			in := s.fleetOf(1, "m5.large")
			change(in)
			_, err := s.ec2.CreateFleet(s.ctx(), in)
			return err
		}
	}
	tag := func(resource, key string) func() error {
		return func() error {
			_, err := s.ec2.CreateTags(s.ctx(), &ec2.CreateTagsInput{Resources: []string{resource}, Tags: []ec2types.Tag{{Key: aws.String(key), Value: aws.String("")}}})
			return err
		}
	}
	types := func(in ec2.DescribeInstanceTypesInput) func() error {
		return func() error { _, err := s.ec2.DescribeInstanceTypes(s.ctx(), &in); return err }
	}
	instances := func(in ec2.DescribeInstancesInput) func() error {
		return func() error { _, err := s.ec2.DescribeInstances(s.ctx(), &in); return err }
	}
	templates := func(in ec2.DescribeLaunchTemplatesInput) func() error {
		return func() error { _, err := s.ec2.DescribeLaunchTemplates(s.ctx(), &in); return err }
	}
	create := func(in ec2.CreateLaunchTemplateInput) func() error {
		if in.LaunchTemplateData == nil {
			in.LaunchTemplateData = &ec2types.RequestLaunchTemplateData{ImageId: aws.String("ami-1")}
		}
		return func() error { _, err := s.ec2.CreateLaunchTemplate(s.ctx(), &in); return err }
	}
	many := make([]string, 201)
	for i := range many {
		many[i] = strconv.Itoa(i)
	}
	for name, tc := range map[string]struct {
		call func() error
		want string
	}{
		"unknown filter":              {types(ec2.DescribeInstanceTypesInput{Filters: []ec2types.Filter{where("colour", "red")}}), "InvalidParameterValue"},
		"tag filter of what has none": {types(ec2.DescribeInstanceTypesInput{Filters: []ec2types.Filter{where("tag:a", "b")}}), "InvalidParameterValue"},
		"too many filter values":      {types(ec2.DescribeInstanceTypesInput{Filters: []ec2types.Filter{where("instance-type", many...)}}), "FilterLimitExceeded"},
		"page too small":              {types(ec2.DescribeInstanceTypesInput{MaxResults: aws.Int32(4)}), "InvalidParameterValue"},
		"page too large":              {types(ec2.DescribeInstanceTypesInput{MaxResults: aws.Int32(101)}), "InvalidParameterValue"},
		"pages of named types":        {types(ec2.DescribeInstanceTypesInput{MaxResults: aws.Int32(5), InstanceTypes: []ec2types.InstanceType{"m5.large"}}), "InvalidParameterCombination"},
		"token of somebody else":      {types(ec2.DescribeInstanceTypesInput{NextToken: aws.String("bm90IG91cnM")}), "InvalidParameterValue"},
		"unknown type":                {types(ec2.DescribeInstanceTypesInput{InstanceTypes: []ec2types.InstanceType{"m5.gigantic"}}), "InvalidInstanceType"},
		"withdrawn type":              {types(ec2.DescribeInstanceTypesInput{InstanceTypes: []ec2types.InstanceType{"p3.2xlarge"}}), "InvalidInstanceType"},
		"dry run of a reading call":   {types(ec2.DescribeInstanceTypesInput{DryRun: aws.Bool(true)}), "DryRunOperation"},
		"unknown instance":            {instances(ec2.DescribeInstancesInput{InstanceIds: []string{noInstance}}), "InvalidInstanceID.NotFound"},
		"malformed instance":          {instances(ec2.DescribeInstancesInput{InstanceIds: []string{"i-xyz"}}), "InvalidInstanceID.Malformed"},
		"pages of named instances":    {instances(ec2.DescribeInstancesInput{InstanceIds: []string{noInstance}, MaxResults: aws.Int32(5)}), "InvalidParameterCombination"},
		"terminating an unknown one": {func() error {
			_, err := s.ec2.TerminateInstances(s.ctx(), &ec2.TerminateInstancesInput{InstanceIds: []string{noInstance}})
			return err
		}, "InvalidInstanceID.NotFound"},
		"terminating a malformed one": {func() error {
			_, err := s.ec2.TerminateInstances(s.ctx(), &ec2.TerminateInstancesInput{InstanceIds: []string{"node-1"}})
			return err
		}, "InvalidInstanceID.Malformed"},
		"tagging an unknown instance":      {tag(noInstance, "a"), "InvalidInstanceID.NotFound"},
		"tagging an unknown subnet":        {tag("subnet-0123456789abcdef0", "a"), "InvalidSubnetID.NotFound"},
		"tagging nonsense":                 {tag("nonsense", "a"), "InvalidID"},
		"tagging in AWS's name":            {tag(s.subnet("us-east-1a"), "aws:a"), "InvalidParameterValue"},
		"unknown template name":            {templates(ec2.DescribeLaunchTemplatesInput{LaunchTemplateNames: []string{"other"}}), "InvalidLaunchTemplateName.NotFoundException"},
		"unknown template id":              {templates(ec2.DescribeLaunchTemplatesInput{LaunchTemplateIds: []string{noTemplate}}), "InvalidLaunchTemplateId.NotFound"},
		"template name in use":             {create(ec2.CreateLaunchTemplateInput{LaunchTemplateName: aws.String(template)}), "InvalidLaunchTemplateName.AlreadyExistsException"},
		"template name with a blank":       {create(ec2.CreateLaunchTemplateInput{LaunchTemplateName: aws.String("a b")}), "InvalidLaunchTemplateName.MalformedException"},
		"template tags of another kind":    {create(ec2.CreateLaunchTemplateInput{LaunchTemplateName: aws.String("new"), TagSpecifications: []ec2types.TagSpecification{{ResourceType: "instance", Tags: []ec2types.Tag{{Key: aws.String("a")}}}}}), "InvalidParameterValue"},
		"user data that is not base64":     {create(ec2.CreateLaunchTemplateInput{LaunchTemplateName: aws.String("new"), LaunchTemplateData: &ec2types.RequestLaunchTemplateData{UserData: aws.String("%")}}), "InvalidUserData.Malformed"},
		"groups given twice over":          {create(ec2.CreateLaunchTemplateInput{LaunchTemplateName: aws.String("new"), LaunchTemplateData: &ec2types.RequestLaunchTemplateData{SecurityGroupIds: []string{"sg-1"}, NetworkInterfaces: []ec2types.LaunchTemplateInstanceNetworkInterfaceSpecificationRequest{{DeviceIndex: aws.Int32(0)}}}}), "InvalidParameterCombination"},
		"data that is not modelled":        {create(ec2.CreateLaunchTemplateInput{LaunchTemplateName: aws.String("new"), LaunchTemplateData: &ec2types.RequestLaunchTemplateData{KernelId: aws.String("aki-1")}}), "UnknownParameter"},
		"metadata tokens that are maybe":   {create(withMetadata(ec2types.LaunchTemplateInstanceMetadataOptionsRequest{HttpTokens: "maybe"})), "InvalidParameterValue"},
		"a metadata endpoint that is ajar": {create(withMetadata(ec2types.LaunchTemplateInstanceMetadataOptionsRequest{HttpEndpoint: "ajar"})), "InvalidParameterValue"},
		"metadata 65 hops away":            {create(withMetadata(ec2types.LaunchTemplateInstanceMetadataOptionsRequest{HttpPutResponseHopLimit: aws.Int32(65)})), "InvalidParameterValue"},
		"dry run of a template":            {create(ec2.CreateLaunchTemplateInput{LaunchTemplateName: aws.String("new"), DryRun: aws.Bool(true)}), "DryRunOperation"},
		"deleting an unknown template": {func() error {
			_, err := s.ec2.DeleteLaunchTemplate(s.ctx(), &ec2.DeleteLaunchTemplateInput{LaunchTemplateName: aws.String("other")})
			return err
		}, "InvalidLaunchTemplateName.NotFoundException"},
		"fleet that would be kept": {fleet(func(in *ec2.CreateFleetInput) { in.Type = ec2types.FleetTypeMaintain }), "UnsupportedOperation"},
		"fleet of an unknown template": {fleet(func(in *ec2.CreateFleetInput) {
			in.LaunchTemplateConfigs[0].LaunchTemplateSpecification.LaunchTemplateName = aws.String("other")
		}), "InvalidLaunchTemplateName.NotFoundException"},
		"fleet of an unknown version": {fleet(func(in *ec2.CreateFleetInput) {
			in.LaunchTemplateConfigs[0].LaunchTemplateSpecification.Version = aws.String("7")
		}), "InvalidLaunchTemplateId.VersionNotFound"},
		"fleet of nothing": {fleet(func(in *ec2.CreateFleetInput) { in.TargetCapacitySpecification.TotalTargetCapacity = aws.Int32(0) }), "InvalidParameterValue"},
		"fleet of unknown strategy": {fleet(func(in *ec2.CreateFleetInput) {
			in.OnDemandOptions = &ec2types.OnDemandOptionsRequest{AllocationStrategy: "cheap"}
		}), "InvalidParameterValue"},
		"fleet tags of another kind": {fleet(func(in *ec2.CreateFleetInput) {
			in.TagSpecifications = []ec2types.TagSpecification{{ResourceType: "spot-instances-request", Tags: []ec2types.Tag{{Key: aws.String("a")}}}}
		}), "InvalidParameterValue"},
		"fleet with a long token":     {fleet(func(in *ec2.CreateFleetInput) { in.ClientToken = aws.String(string(make([]byte, 65))) }), "InvalidParameterValue"},
		"dry run of a fleet":          {fleet(func(in *ec2.CreateFleetInput) { in.DryRun = aws.Bool(true) }), "DryRunOperation"},
		"an action that is not there": {func() error { _, err := s.ec2.DescribeVpcs(s.ctx(), &ec2.DescribeVpcsInput{}); return err }, "InvalidAction"},
	} {
		if got := code(tc.call()); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
	if n, m := len(s.Instances()), len(s.LaunchTemplates()); n != 0 || m != 1 {
		t.Errorf("refused calls left %d instances and %d launch templates, want 0 and the first one", n, m)
	}
}

func TestRefusalsCarryStatusAndRequestID(t *testing.T) {
	s := start(t)
	for name, tc := range map[string]struct {
		call   func() error
		status int
	}{
		"bad request": {func() error {
			_, err := s.ec2.DescribeInstances(s.ctx(), &ec2.DescribeInstancesInput{InstanceIds: []string{noInstance}})
			return err
		}, http.StatusBadRequest},
		"dry run": {func() error {
			_, err := s.ec2.DescribeSubnets(s.ctx(), &ec2.DescribeSubnetsInput{DryRun: aws.Bool(true)})
			return err
		}, http.StatusPreconditionFailed},
		"not found": {func() error {
			_, err := eks.NewFromConfig(s.aws).DescribeCluster(s.ctx(), &eks.DescribeClusterInput{Name: aws.String("other")})
			return err
		}, http.StatusNotFound},
	} {
		var response *awshttp.ResponseError
		if err := tc.call(); !errors.As(err, &response) || response.HTTPStatusCode() != tc.status || response.ServiceRequestID() == "" {
			t.Errorf("%s: %v, want status %d and a request id", name, err, tc.status)
		}
	}
}

func TestUnknownKeysAreRefusedByEveryService(t *testing.T) {
	s := start(t)
	stranger := s.aws.Copy()
	stranger.Credentials = credentials.NewStaticCredentialsProvider("AKIASOMEBODYELSE", "secret", "")
	for name, tc := range map[string]struct {
		call func(aws.Config) error
		want string
	}{
		"ec2": {func(c aws.Config) error {
			_, err := ec2.NewFromConfig(c).DescribeInstances(s.ctx(), &ec2.DescribeInstancesInput{})
			return err
		}, "AuthFailure"},
		"ssm": {func(c aws.Config) error {
			_, err := ssm.NewFromConfig(c).GetParameter(s.ctx(), &ssm.GetParameterInput{Name: aws.String(x86Image)})
			return err
		}, "UnrecognizedClientException"},
		"pricing": {func(c aws.Config) error {
			_, err := pricing.NewFromConfig(c).GetProducts(s.ctx(), &pricing.GetProductsInput{ServiceCode: aws.String("AmazonEC2")})
			return err
		}, "UnrecognizedClientException"},
		"eks": {func(c aws.Config) error {
			_, err := eks.NewFromConfig(c).DescribeCluster(s.ctx(), &eks.DescribeClusterInput{Name: aws.String(cluster)})
			return err
		}, "UnrecognizedClientException"},
		"sts": {func(c aws.Config) error {
			_, err := sts.NewFromConfig(c).GetCallerIdentity(s.ctx(), &sts.GetCallerIdentityInput{})
			return err
		}, "InvalidClientTokenId"},
	} {
		if got := code(tc.call(stranger)); got != tc.want {
			t.Errorf("%s refuses a stranger with %s, want %s", name, got, tc.want)
		}
		if err := tc.call(s.aws); err != nil {
			t.Errorf("%s refuses a known key: %v", name, err)
		}
	}
	none := []string{}
	if err := s.Configure(admin.Config{AccessKeyIDs: &none}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ec2.DescribeInstances(s.ctx(), &ec2.DescribeInstancesInput{}); code(err) != "AuthFailure" {
		t.Errorf("a withdrawn key: %v", err)
	}
	elsewhere := s.aws.Copy()
	elsewhere.Region = "us-west-2"
	if _, err := ec2.NewFromConfig(elsewhere).DescribeInstances(s.ctx(), &ec2.DescribeInstancesInput{}); code(err) != "AuthFailure" {
		t.Errorf("a call signed for another region: %v", err)
	}
}
