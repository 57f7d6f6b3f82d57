package awssim_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/pricing"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"

	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
	"github.com/kerf-autoscaler/kerf/test/awssim/iam"
)

// statement is one of a policy.
func statement(effect, actions, resource, condition string) string {
	return fmt.Sprintf(`{"Sid": %q, "Effect": %q, "Action": %q, "Resource": %q, "Condition": {%s}}`, strings.ReplaceAll(actions, ":", ""), effect, actions, resource, condition)
}

// under starts a simulator whose caller has one policy.
func under(t *testing.T, statements ...string) *sim {
	t.Helper()
	s := start(t)
	described, err := awssim.DefaultWorld(region, cluster)
	if err != nil {
		t.Fatal(err)
	}
	described.Clock = s.clock
	text := `{"Version": "2012-10-17", "Statement": [` + strings.Join(statements, ",") + `]}`
	server, err := awssim.Start(awssim.Config{World: described, Policies: []string{text}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	s.Server, s.aws.BaseEndpoint = server, aws.String(server.URL())
	s.ec2 = ec2.NewFromConfig(s.aws)
	return s
}

const anything = `{"Effect": "Allow", "Action": "*", "Resource": "*"}`

func tagged(kind ec2types.ResourceType, key, value string) ec2types.TagSpecification {
	return ec2types.TagSpecification{ResourceType: kind, Tags: []ec2types.Tag{{Key: aws.String(key), Value: aws.String(value)}}}
}

func TestWithoutPoliciesEverythingIsAllowedAndNothingIsAsked(t *testing.T) {
	s := start(t)
	s.life()
	if got := s.Authorizations(); got.Requests != 0 {
		t.Errorf("%d requests were judged", got.Requests)
	}
}

func TestEveryServiceRefusesInItsWordsWhatNoPolicyAllows(t *testing.T) {
	s := under(t, statement("Allow", "s3:GetObject", "*", ""))
	calls := map[string]func() error{
		"UnauthorizedOperation": func() error { _, err := s.ec2.DescribeInstances(s.ctx(), &ec2.DescribeInstancesInput{}); return err },
		"AccessDeniedException": func() error {
			_, err := ssm.NewFromConfig(s.aws).GetParameter(s.ctx(), &ssm.GetParameterInput{Name: aws.String(x86Image)})
			return err
		},
	}
	for want, call := range calls {
		if got := code(call()); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	_, err := eks.NewFromConfig(s.aws).DescribeCluster(s.ctx(), &eks.DescribeClusterInput{Name: aws.String(cluster)})
	_, err2 := pricing.NewFromConfig(s.aws).GetProducts(s.ctx(), &pricing.GetProductsInput{ServiceCode: aws.String("AmazonEC2")})
	if code(err) != "AccessDeniedException" || code(err2) != "AccessDeniedException" {
		t.Errorf("%v; %v", err, err2)
	}
	if _, err := sts.NewFromConfig(s.aws).GetCallerIdentity(s.ctx(), &sts.GetCallerIdentityInput{}); err != nil {
		t.Errorf("%v: who one is needs no permission", err)
	}
	report, err := admin.NewClient(s.AdminURL()).Authorizations(s.ctx())
	if err != nil {
		t.Fatal(err)
	}
	var denied []string
	count := 0 // SDKs that find their clock far off try again
	for _, d := range report.Denied {
		denied = append(denied, d.Action+" "+d.Resource)
		count += d.Count
	}
	want := []string{
		"ec2:DescribeInstances *", "eks:DescribeCluster arn:aws:eks:us-east-1:123456789012:cluster/demo", "pricing:GetProducts *",
		"ssm:GetParameter arn:aws:ssm:us-east-1::parameter" + x86Image,
	}
	if diff := cmp.Diff(want, denied); diff != "" {
		t.Errorf("what was denied (-want +got):\n%s", diff)
	}
	s.wantHits(map[string]int{faults.IAMDenied: count})
	if diff := cmp.Diff([]string{"s3GetObject s3:GetObject"}, report.Unused()); diff != "" {
		t.Errorf("unused (-want +got):\n%s", diff)
	}
}

func TestARefusalOfEC2IsWordedAndEncodedAsAWSs(t *testing.T) {
	s := under(t, anything, statement("Deny", "ec2:TerminateInstances", "*", `"StringNotEquals": {"aws:ResourceTag/team": "a"}`))
	s.makeTemplate()
	mine := s.fleetOf(1, "m5.large")
	mine.TagSpecifications = []ec2types.TagSpecification{tagged("instance", "team", "a")}
	own, foreign := ids(s.launch(mine)), ids(s.launch(s.fleetOf(1, "m5.large")))
	_, err := s.ec2.TerminateInstances(s.ctx(), &ec2.TerminateInstancesInput{InstanceIds: append(own, foreign...)})
	arn := "arn:aws:ec2:us-east-1:123456789012:instance/" + foreign[0]
	for _, says := range []string{
		"StatusCode: 403", "UnauthorizedOperation", "You are not authorized to perform this operation.",
		"User: arn:aws:iam::123456789012:user/kerf is not authorized to perform: ec2:TerminateInstances on resource: " + arn,
		"with an explicit deny in an identity-based policy", "Encoded authorization failure message: ",
	} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
	for _, i := range s.Instances() {
		if i.State != "pending" {
			t.Errorf("%s is %s; want both alive, as one may not be ended", i.ID, i.State)
		}
	}
	if _, err := s.ec2.TerminateInstances(s.ctx(), &ec2.TerminateInstancesInput{InstanceIds: own}); err != nil {
		t.Errorf("ending one's own: %v", err)
	}
	if _, err := s.ec2.TerminateInstances(s.ctx(), &ec2.TerminateInstancesInput{InstanceIds: []string{noInstance}}); code(err) != "InvalidInstanceID.NotFound" {
		t.Errorf("%v for an instance that does not exist", err)
	}
}

func TestADryRunTellsWhatIsAllowed(t *testing.T) {
	s := under(t, anything, statement("Deny", "ec2:CreateTags", "arn:aws:ec2:*:*:instance/*", `"Null": {"ec2:CreateAction": "true"}`))
	s.makeTemplate()
	id := ids(s.launch(s.fleetOf(1, "m5.large")))[0]
	tag := func(resource string) string {
		_, err := s.ec2.CreateTags(s.ctx(), &ec2.CreateTagsInput{
			DryRun: aws.Bool(true), Resources: []string{resource}, Tags: []ec2types.Tag{{Key: aws.String("a"), Value: aws.String("b")}},
		})
		return code(err)
	}
	if got := []string{tag(id), tag(s.subnet("us-east-1a"))}; !cmp.Equal(got, []string{"UnauthorizedOperation", "DryRunOperation"}) {
		t.Errorf("dry runs: %v", got)
	}
}

func TestARunOfAnInstanceIsAskedAboutByDryRun(t *testing.T) {
	s := under(t, anything, statement("Deny", "iam:PassRole", "arn:aws:iam::123456789012:role/admin", ""),
		statement("Deny", "ec2:RunInstances", "arn:aws:ec2:*:*:volume/*", `"StringNotEquals": {"aws:RequestTag/team": "a"}`))
	run := func(profile string, specifications ...ec2types.TagSpecification) string {
		_, err := s.ec2.RunInstances(s.ctx(), &ec2.RunInstancesInput{
			DryRun: aws.Bool(true), MinCount: aws.Int32(1), MaxCount: aws.Int32(1), ImageId: aws.String(s.image(x86Image)), InstanceType: "m5.large",
			SubnetId: aws.String(s.subnet("us-east-1a")), SecurityGroupIds: []string{s.nodeGroup()}, TagSpecifications: specifications,
			IamInstanceProfile: &ec2types.IamInstanceProfileSpecification{Name: aws.String(profile)},
		})
		return code(err)
	}
	volume := tagged("volume", "team", "a")
	got := []string{run("node", volume), run("admin", volume), run("node")}
	if diff := cmp.Diff([]string{"DryRunOperation", "UnauthorizedOperation", "UnauthorizedOperation"}, got); diff != "" {
		t.Errorf("a good run, one with another role, one without its tag (-want +got):\n%s", diff)
	}
}

// A fleet is refused as a whole only for what CreateFleet itself asks; what its instances need is told in its errors.
func TestFleetsAreAskedAboutAllThatTheirInstancesAreMadeOf(t *testing.T) {
	const account = "arn:aws:ec2:us-east-1:123456789012:"
	for name, tc := range map[string]struct {
		deny  string
		whole bool
	}{
		"the fleet itself":            {statement("Deny", "ec2:CreateFleet", account+"fleet/*", ""), true},
		"the tags of the fleet":       {statement("Deny", "ec2:CreateTags", account+"fleet/*", `"StringEquals": {"ec2:CreateAction": "CreateFleet"}`), true},
		"the template for a fleet":    {statement("Deny", "ec2:CreateFleet", account+"launch-template/*", `"Null": {"aws:ResourceTag/team": "true"}`), true},
		"the subnet":                  {statement("Deny", "ec2:RunInstances", account+"subnet/*", `"StringEquals": {"ec2:AvailabilityZone": "us-east-1a"}`), false},
		"the security group":          {statement("Deny", "ec2:RunInstances", account+"security-group/*", ""), false},
		"the image":                   {statement("Deny", "ec2:RunInstances", "arn:aws:ec2:us-east-1::image/*", ""), false},
		"the snapshot of the image":   {statement("Deny", "ec2:RunInstances", "arn:aws:ec2:us-east-1::snapshot/*", ""), false},
		"an instance with version 1":  {statement("Deny", "ec2:RunInstances", account+"instance/*", `"StringNotEquals": {"ec2:MetadataHttpTokens": "required"}`), false},
		"an instance of another type": {statement("Deny", "ec2:RunInstances", account+"instance/*", `"StringNotLike": {"ec2:InstanceType": "c5.*"}`), false},
		"the volume":                  {statement("Deny", "ec2:RunInstances", account+"volume/*", `"Null": {"aws:RequestTag/team": "true"}`), false},
		"the network interface":       {statement("Deny", "ec2:RunInstances", account+"network-interface/*", ""), false},
		"the spot request":            {statement("Deny", "ec2:RunInstances", account+"spot-instances-request/*", ""), false},
		"tags from the template":      {statement("Deny", "ec2:CreateTags", account+"instance/*", `"ForAnyValue:StringEquals": {"aws:TagKeys": "from"}`), false},
		"the role":                    {statement("Deny", "iam:PassRole", "arn:aws:iam::123456789012:role/node", `"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}`), false},
	} {
		t.Run(name, func(t *testing.T) {
			s := under(t, anything, tc.deny)
			s.makeTemplate()
			in := spotOf(s.fleetOf(2, "m5.large"))
			in.TagSpecifications = []ec2types.TagSpecification{tagged("fleet", "a", "b")}
			out, err := s.ec2.CreateFleet(s.ctx(), in)
			switch {
			case len(s.Instances()) > 0:
				t.Errorf("it launched %+v", s.Instances())
			case tc.whole && code(err) != "UnauthorizedOperation":
				t.Errorf("%v, want the fleet refused", err)
			case !tc.whole && (err != nil || len(out.Errors) != 1 || *out.Errors[0].ErrorCode != "UnauthorizedOperation"):
				t.Errorf("%+v, %v, want the launch refused in the answer", out, err)
			}
			s.wantHits(map[string]int{faults.IAMDenied: 1})
		})
	}
	s := under(t, anything)
	s.makeTemplate()
	if n := len(ids(s.launch(spotOf(s.fleetOf(2, "m5.large"))))); n != 2 {
		t.Errorf("%d instances where everything is allowed", n)
	}
}

func TestAPolicyThatIsNotUnderstoodStartsNothing(t *testing.T) {
	described, err := awssim.DefaultWorld(region, cluster)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := awssim.New(awssim.Config{World: described, Policies: []string{`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow"}]}`}}); err == nil {
		t.Error("the simulator started")
	}
	seen := 0
	server, err := awssim.New(awssim.Config{
		World: described, Policies: []string{`{"Version": "2012-10-17", "Statement": [` + anything + `]}`}, Judged: func(iam.Request, iam.Decision) { seen++ },
	})
	if err != nil {
		t.Fatal(err)
	}
	if server.Authorizations().Requests != seen {
		t.Errorf("%d requests were told of, %d judged", seen, server.Authorizations().Requests)
	}
}
