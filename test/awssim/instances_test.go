package awssim_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/kerf-autoscaler/kerf/test/awssim"
)

func TestInstancesLiveByTheClock(t *testing.T) {
	s := start(t)
	s.makeTemplate()
	id := ids(s.launch(s.fleetOf(1, "m5.large")))[0]
	expect := func(when, want string) {
		t.Helper()
		found := s.describe(&ec2.DescribeInstancesInput{Filters: []ec2types.Filter{where("instance-id", id)}})
		got := "gone"
		if len(found) == 1 {
			got = string(found[0].State.Name)
		}
		if got != want {
			t.Errorf("%s the instance is %s, want %s", when, got, want)
		}
	}
	expect("at first", "pending")
	s.clock.Step(bootDelay - time.Millisecond)
	expect("just before the boot delay is over", "pending")
	s.clock.Step(time.Millisecond)
	expect("after the boot delay", "running")
	out, err := s.ec2.TerminateInstances(s.ctx(), &ec2.TerminateInstancesInput{InstanceIds: []string{id}})
	if err != nil {
		t.Fatal(err)
	}
	if change := out.TerminatingInstances[0]; change.PreviousState.Name != "running" || change.CurrentState.Name != "shutting-down" {
		t.Errorf("termination went from %s to %s", change.PreviousState.Name, change.CurrentState.Name)
	}
	expect("after termination was asked for", "shutting-down")
	s.clock.Step(stopDelay)
	expect("after the shutdown delay", "terminated")
	if _, err := s.ec2.TerminateInstances(s.ctx(), &ec2.TerminateInstancesInput{InstanceIds: []string{id}}); err != nil {
		t.Errorf("terminating twice: %v", err)
	}
	s.clock.Step(retention)
	expect("after the retention", "gone")
	if _, err := s.ec2.TerminateInstances(s.ctx(), &ec2.TerminateInstancesInput{InstanceIds: []string{id}}); code(err) != "InvalidInstanceID.NotFound" {
		t.Errorf("terminating a forgotten instance: %v", err)
	}
}

func TestInstancesTellWhatTheyAre(t *testing.T) {
	s := start(t)
	s.makeTemplate(func(in *ec2.CreateLaunchTemplateInput) {
		in.LaunchTemplateData.MetadataOptions = &ec2types.LaunchTemplateInstanceMetadataOptionsRequest{HttpTokens: "required"}
		in.LaunchTemplateData.BlockDeviceMappings = []ec2types.LaunchTemplateBlockDeviceMappingRequest{
			{DeviceName: aws.String("/dev/xvda"), Ebs: &ec2types.LaunchTemplateEbsBlockDeviceRequest{VolumeSize: aws.Int32(50)}},
			{DeviceName: aws.String("/dev/xvdb"), Ebs: &ec2types.LaunchTemplateEbsBlockDeviceRequest{VolumeSize: aws.Int32(1), DeleteOnTermination: aws.Bool(false)}},
		}
	})
	in := s.fleetOf(1, "m5.large")
	in.TargetCapacitySpecification.DefaultTargetCapacityType = ec2types.DefaultTargetCapacityTypeSpot
	in.ClientToken = aws.String("token")
	s.launch(in)
	i := s.describe(&ec2.DescribeInstancesInput{})[0]
	address := *i.PrivateIpAddress
	for name, tc := range map[string]struct{ want, got any }{
		"lifecycle":     {ec2types.InstanceLifecycleTypeSpot, i.InstanceLifecycle},
		"spot request":  {true, i.SpotInstanceRequestId != nil},
		"in the subnet": {true, netip.MustParsePrefix("10.0.0.0/19").Contains(netip.MustParseAddr(address))},
		"DNS name":      {"ip-10-0-0-4.ec2.internal", *i.PrivateDnsName},
		"architecture":  {ec2types.ArchitectureValuesX8664, i.Architecture},
		"zone":          {"us-east-1a", *i.Placement.AvailabilityZone},
		"launch time":   {s.clock.Now(), i.LaunchTime.UTC()},
		"token":         {"token", *i.ClientToken},
		"profile":       {"arn:aws:iam::123456789012:instance-profile/node", *i.IamInstanceProfile.Arn},
		"image":         {s.image(x86Image), *i.ImageId},
		"group":         {s.nodeGroup(), *i.SecurityGroups[0].GroupId},
		"metadata":      {ec2types.HttpTokensStateRequired, i.MetadataOptions.HttpTokens},
		"metadata hops": {int32(1), *i.MetadataOptions.HttpPutResponseHopLimit},
		"volumes":       {2, len(i.BlockDeviceMappings)},
		"kept volume":   {false, *i.BlockDeviceMappings[1].Ebs.DeleteOnTermination},
		"interface":     {address, *i.NetworkInterfaces[0].PrivateIpAddress},
	} {
		if diff := cmp.Diff(tc.want, tc.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestOtherRegionsNameInstancesTheirWay(t *testing.T) {
	described, err := awssim.DefaultWorld("ap-northeast-2", cluster)
	if err != nil {
		t.Fatal(err)
	}
	if len(described.Subnets) != 8 {
		t.Errorf("%d subnets, want two in each of four zones", len(described.Subnets))
	}
	if _, err := awssim.DefaultWorld("eu-north-9", cluster); err == nil {
		t.Error("a region that the catalogue does not know was accepted")
	}
}

func TestTerminatedInstancesHaveLeftTheNetwork(t *testing.T) {
	s := start(t)
	s.makeTemplate()
	id := ids(s.launch(s.fleetOf(1, "m5.large")))[0]
	if err := s.TerminateInstance(id); err != nil {
		t.Fatal(err)
	}
	s.clock.Step(stopDelay)
	i := s.describe(&ec2.DescribeInstancesInput{InstanceIds: []string{id}})[0]
	if i.PrivateIpAddress != nil || i.SubnetId != nil || i.VpcId != nil || len(i.NetworkInterfaces) != 0 || len(i.BlockDeviceMappings) != 0 {
		t.Errorf("a terminated instance still has its attachments: %+v", i)
	}
	if *i.StateReason.Code != "Server.InternalError" {
		t.Errorf("EC2 ended an on-demand instance because of %s", *i.StateReason.Code)
	}
	if found := s.describe(&ec2.DescribeInstancesInput{Filters: []ec2types.Filter{where("subnet-id", s.subnet("us-east-1a"))}}); len(found) != 0 {
		t.Errorf("a terminated instance is found in its old subnet")
	}
}

func TestInstancesAreFoundByFilters(t *testing.T) {
	s := start(t)
	s.makeTemplate()
	onDemand := ids(s.launch(s.fleetOf(2, "m5.large")))
	in := s.fleetOf(1, "c5.large")
	in.TargetCapacitySpecification.DefaultTargetCapacityType = ec2types.DefaultTargetCapacityTypeSpot
	s.launch(in)
	if _, err := s.ec2.TerminateInstances(s.ctx(), &ec2.TerminateInstancesInput{InstanceIds: onDemand[:1]}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ec2.CreateTags(s.ctx(), &ec2.CreateTagsInput{
		Resources: onDemand[1:], Tags: []ec2types.Tag{{Key: aws.String("kubernetes.io/cluster/demo"), Value: aws.String("owned")}},
	}); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		filters []ec2types.Filter
		want    int
	}{
		"all":                      {nil, 3},
		"by state":                 {[]ec2types.Filter{where("instance-state-name", "pending", "running")}, 2},
		"by state code":            {[]ec2types.Filter{where("instance-state-code", "32")}, 1},
		"by tag key":               {[]ec2types.Filter{where("tag-key", "kubernetes.io/cluster/demo")}, 1},
		"by tag from the template": {[]ec2types.Filter{where("tag:from", "template")}, 3},
		"by lifecycle":             {[]ec2types.Filter{where("instance-lifecycle", "spot")}, 1},
		"by type and zone":         {[]ec2types.Filter{where("instance-type", "m5.*"), where("availability-zone", "us-east-1a")}, 2},
		"by type in no zone":       {[]ec2types.Filter{where("instance-type", "m5.*"), where("availability-zone", "us-east-1b")}, 0},
		"by image":                 {[]ec2types.Filter{where("image-id", s.image(x86Image))}, 3},
		"by group":                 {[]ec2types.Filter{where("instance.group-id", s.nodeGroup())}, 3},
		"by the tag that EC2 sets": {[]ec2types.Filter{where("tag-key", "aws:ec2:fleet-id")}, 3},
	} {
		if got := s.describe(&ec2.DescribeInstancesInput{Filters: tc.filters}); len(got) != tc.want {
			t.Errorf("%s: %d instances, want %d", name, len(got), tc.want)
		}
	}
}

func TestPagesOfInstancesSurviveLaunchesAndEnds(t *testing.T) {
	s := start(t)
	s.makeTemplate()
	before := ids(s.launch(s.fleetOf(23, "m5.large")))
	seen := map[string]int{}
	pages := ec2.NewDescribeInstancesPaginator(s.ec2, &ec2.DescribeInstancesInput{MaxResults: aws.Int32(5)})
	for pages.HasMorePages() {
		out, err := pages.NextPage(s.ctx())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range out.Reservations {
			for _, i := range r.Instances {
				seen[*i.InstanceId]++
			}
		}
		s.launch(s.fleetOf(1, "c5.large"))
	}
	for _, id := range before {
		if seen[id] != 1 {
			t.Errorf("%s came %d times", id, seen[id])
		}
	}
}
