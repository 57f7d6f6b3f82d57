package awssim_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

func TestAFleetTellsWhatItLaunchedFromWhere(t *testing.T) {
	s := start(t)
	made := s.makeTemplate()
	in := s.fleetOf(2, "m5.large")
	for _, kind := range []ec2types.ResourceType{ec2types.ResourceTypeInstance, ec2types.ResourceTypeVolume, ec2types.ResourceTypeFleet} {
		in.TagSpecifications = append(in.TagSpecifications, ec2types.TagSpecification{
			ResourceType: kind, Tags: []ec2types.Tag{{Key: aws.String("from"), Value: aws.String("fleet")}},
		})
	}
	out := s.launch(in)
	if len(out.Instances) != 1 || len(out.Instances[0].InstanceIds) != 2 || len(out.Errors) != 0 {
		t.Fatalf("two instances of one pool were wanted, got %+v", out)
	}
	group := out.Instances[0]
	from := group.LaunchTemplateAndOverrides
	got := []string{
		string(group.InstanceType), string(group.Lifecycle), *from.LaunchTemplateSpecification.LaunchTemplateId,
		*from.LaunchTemplateSpecification.Version, string(from.Overrides.InstanceType), *from.Overrides.SubnetId,
	}
	want := []string{"m5.large", "on-demand", *made.LaunchTemplateId, "1", "m5.large", s.subnet("us-east-1a")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	for _, i := range s.Instances() {
		if i.Tags["from"] != "fleet" || i.VolumeTags["from"] != "fleet" || i.Tags["aws:ec2:fleet-id"] != *out.FleetId || i.Tags["aws:ec2launchtemplate:id"] != *made.LaunchTemplateId {
			t.Errorf("%s has tags %v", i.ID, i.Tags)
		}
		if i.UserData != userData64 || i.InstanceProfile != "node" || !slices.Equal(i.SecurityGroupIDs, []string{s.nodeGroup()}) {
			t.Errorf("%s did not take over the template's data: %+v", i.ID, i)
		}
	}
	fleets := s.Fleets()
	if len(fleets) != 1 || fleets[0].Tags["from"] != "fleet" || fleets[0].Fulfilled != 2 || fleets[0].Requested != 2 || !slices.Equal(fleets[0].InstanceIDs, ids(out)) {
		t.Errorf("fleets: %+v", fleets)
	}
}

// A strategy is judged by what it launches first. The capacity of m5.large and c5.large is bounded so that depth is known.
func TestAllocationStrategiesChooseTheirPool(t *testing.T) {
	bounded := func(c *world.Config) {
		c.Limits = []world.CapacityLimit{
			{InstanceType: "c5.large", Instances: 3}, {InstanceType: "m5.large", Instances: 50}, {InstanceType: "r5.large", Instances: 9},
		}
		c.SpotPrices = map[world.SpotPool]float64{
			{Zone: "us-east-1a", InstanceType: "c5.large"}: 0.01, {Zone: "us-east-1a", InstanceType: "m5.large"}: 0.03,
			{Zone: "us-east-1a", InstanceType: "r5.large"}: 0.02,
		}
		c.OnDemandPrices = map[string]float64{"c5.large": 0.3, "m5.large": 0.2, "r5.large": 0.1}
	}
	for name, tc := range map[string]struct {
		spot     ec2types.SpotAllocationStrategy
		onDemand ec2types.FleetOnDemandAllocationStrategy
		count    int32
		want     string
	}{
		"spot at the lowest price":                          {spot: "lowest-price", count: 1, want: "c5.large"},
		"spot by default at the lowest price":               {count: 1, spot: "", want: "c5.large"},
		"spot where most is left":                           {spot: "capacity-optimized", count: 1, want: "m5.large"},
		"spot at the lowest price that has enough":          {spot: "price-capacity-optimized", count: 5, want: "r5.large"},
		"spot at the lowest price if everything has enough": {spot: "price-capacity-optimized", count: 3, want: "c5.large"},
		"spot by priority among those that have enough":     {spot: "capacity-optimized-prioritized", count: 20, want: "m5.large"},
		"spot by priority if everything has enough":         {spot: "capacity-optimized-prioritized", count: 2, want: "r5.large"},
		"on-demand at the lowest price":                     {onDemand: "lowest-price", count: 1, want: "r5.large"},
		"on-demand by priority":                             {onDemand: "prioritized", count: 1, want: "r5.large"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, bounded)
			s.makeTemplate()
			in := s.fleetOf(tc.count, "m5.large", "c5.large", "r5.large")
			for i, priority := range []float64{3, 2, 1} {
				in.LaunchTemplateConfigs[0].Overrides[i].Priority = aws.Float64(priority)
			}
			if tc.onDemand != "" {
				in.OnDemandOptions = &ec2types.OnDemandOptionsRequest{AllocationStrategy: tc.onDemand}
			} else {
				in.TargetCapacitySpecification.DefaultTargetCapacityType = ec2types.DefaultTargetCapacityTypeSpot
				in.SpotOptions = &ec2types.SpotOptionsRequest{AllocationStrategy: tc.spot}
			}
			out := s.launch(in)
			if len(ids(out)) != int(tc.count) || string(out.Instances[0].InstanceType) != tc.want {
				t.Errorf("launched %d, first %v; want %d of %s", len(ids(out)), out.Instances, tc.count, tc.want)
			}
		})
	}
}

func TestDiversifiedFleetsUseAllPools(t *testing.T) {
	s := start(t)
	s.makeTemplate()
	in := s.fleetOf(6, "m5.large", "c5.large", "r5.large")
	in.TargetCapacitySpecification.DefaultTargetCapacityType = ec2types.DefaultTargetCapacityTypeSpot
	in.SpotOptions = &ec2types.SpotOptionsRequest{AllocationStrategy: ec2types.SpotAllocationStrategyDiversified}
	got := map[string]int{}
	for _, group := range s.launch(in).Instances {
		got[string(group.InstanceType)] += len(group.InstanceIds)
	}
	if diff := cmp.Diff(map[string]int{"m5.large": 2, "c5.large": 2, "r5.large": 2}, got); diff != "" {
		t.Errorf("instances by type (-want +got):\n%s", diff)
	}
}

func TestShortPoolsGiveWayToTheNextOverride(t *testing.T) {
	s := start(t)
	s.makeTemplate()
	if err := s.SetCapacity(admin.Capacity{InstanceType: "c5.large", Zone: "us-east-1a", CapacityType: "on-demand", Instances: 1}); err != nil {
		t.Fatal(err)
	}
	out := s.launch(s.fleetOf(3, "m5.large", "c5.large"))
	got := map[string]int{}
	for _, group := range out.Instances {
		got[string(group.InstanceType)] = len(group.InstanceIds)
	}
	if diff := cmp.Diff(map[string]int{"c5.large": 1, "m5.large": 2}, got); diff != "" {
		t.Errorf("instances by type (-want +got):\n%s", diff)
	}
	if len(out.Errors) != 1 || *out.Errors[0].ErrorCode != "InsufficientInstanceCapacity" ||
		out.Errors[0].LaunchTemplateAndOverrides.Overrides.InstanceType != "c5.large" || out.Errors[0].Lifecycle != "on-demand" {
		t.Errorf("errors %+v, want c5.large short of capacity", out.Errors)
	}
}

func TestFleetsAreFulfilledInPart(t *testing.T) {
	s := start(t, func(c *world.Config) {
		c.Limits = []world.CapacityLimit{{Instances: 0}, {InstanceType: "m5.large", Zone: "us-east-1a", Instances: 2}}
	})
	s.makeTemplate()
	out := s.launch(s.fleetOf(5, "m5.large", "c5.large"))
	if len(ids(out)) != 2 || len(out.Errors) != 2 {
		t.Fatalf("launched %v with errors %+v; want 2 instances, and both pools short in the end", ids(out), out.Errors)
	}
	// The capacity comes back when the instances are gone.
	if _, err := s.ec2.TerminateInstances(s.ctx(), &ec2.TerminateInstancesInput{InstanceIds: ids(out)}); err != nil {
		t.Fatal(err)
	}
	if again := s.launch(s.fleetOf(1, "m5.large")); len(ids(again)) != 0 {
		t.Error("capacity came back while the instances were still shutting down")
	}
	s.clock.Step(stopDelay)
	if again := s.launch(s.fleetOf(1, "m5.large")); len(ids(again)) != 1 {
		t.Errorf("no capacity after the instances were gone: %+v", again.Errors)
	}
}

func TestAMinimumIsReachedOrNothingIsLaunched(t *testing.T) {
	s := start(t, func(c *world.Config) { c.Limits = []world.CapacityLimit{{Instances: 2}} })
	s.makeTemplate()
	in := s.fleetOf(5, "m5.large")
	in.OnDemandOptions = &ec2types.OnDemandOptionsRequest{MinTargetCapacity: aws.Int32(3)}
	if out := s.launch(in); len(ids(out)) != 0 || len(out.Errors) == 0 {
		t.Errorf("launched %v, errors %+v; want no instance and a reason", ids(out), out.Errors)
	}
	if got := s.Instances(); len(got) != 0 {
		t.Errorf("%d instances are left over", len(got))
	}
}

func TestMixedFleetsFillBothParts(t *testing.T) {
	s := start(t)
	s.makeTemplate()
	in := s.fleetOf(5, "m5.large")
	in.TargetCapacitySpecification.OnDemandTargetCapacity, in.TargetCapacitySpecification.SpotTargetCapacity = aws.Int32(1), aws.Int32(2)
	got := map[string]int{}
	for _, group := range s.launch(in).Instances {
		got[string(group.Lifecycle)] += len(group.InstanceIds)
	}
	if diff := cmp.Diff(map[string]int{"on-demand": 3, "spot": 2}, got); diff != "" {
		t.Errorf("instances by lifecycle (-want +got):\n%s", diff)
	}
}

// What is wrong with one override does not spoil the fleet: it is told among its errors.
func TestPoolsThatCannotWorkAreTold(t *testing.T) {
	subnet := func(id string) func(*sim, *ec2types.FleetLaunchTemplateOverridesRequest) {
		return func(_ *sim, o *ec2types.FleetLaunchTemplateOverridesRequest) { o.SubnetId = aws.String(id) }
	}
	for name, tc := range map[string]struct {
		override func(*sim, *ec2types.FleetLaunchTemplateOverridesRequest)
		spot     bool
		want     string
	}{
		"unknown subnet": {override: subnet("subnet-0123456789abcdef0"), want: "InvalidSubnetID.NotFound"},
		"subnet of another zone": {want: "InvalidParameterCombination", override: func(_ *sim, o *ec2types.FleetLaunchTemplateOverridesRequest) {
			o.AvailabilityZone = aws.String("us-east-1b")
		}},
		"type not offered in the zone": {want: "InvalidFleetConfiguration", override: func(s *sim, o *ec2types.FleetLaunchTemplateOverridesRequest) {
			o.SubnetId = aws.String(s.subnet("us-east-1e"))
		}},
		"withdrawn type": {want: "InvalidFleetConfiguration", override: func(_ *sim, o *ec2types.FleetLaunchTemplateOverridesRequest) {
			o.InstanceType = "p3.2xlarge"
		}},
		"type not sold as spot": {spot: true, want: "InvalidFleetConfiguration", override: func(_ *sim, o *ec2types.FleetLaunchTemplateOverridesRequest) {
			o.InstanceType = "c8ine.large"
		}},
		"unknown image": {want: "InvalidAMIID.NotFound", override: func(_ *sim, o *ec2types.FleetLaunchTemplateOverridesRequest) {
			o.ImageId = aws.String("ami-0123456789abcdef0")
		}},
		"image of another architecture": {want: "InvalidParameterValue", override: func(s *sim, o *ec2types.FleetLaunchTemplateOverridesRequest) {
			o.ImageId = aws.String(s.image(armImage))
		}},
		"spot price over the maximum": {spot: true, want: "SpotMaxPriceTooLow", override: func(_ *sim, o *ec2types.FleetLaunchTemplateOverridesRequest) {
			o.MaxPrice = aws.String("0.0001")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.makeTemplate()
			in := s.fleetOf(1, "m5.large")
			tc.override(s, &in.LaunchTemplateConfigs[0].Overrides[0])
			if tc.spot {
				in.TargetCapacitySpecification.DefaultTargetCapacityType = ec2types.DefaultTargetCapacityTypeSpot
			}
			out := s.launch(in)
			if len(ids(out)) != 0 || len(out.Errors) != 1 || *out.Errors[0].ErrorCode != tc.want {
				t.Errorf("launched %v, errors %+v; want %s", ids(out), out.Errors, tc.want)
			}
		})
	}
}

func TestImagesAndOverridesByZoneLaunchWhereTheySay(t *testing.T) {
	s := start(t)
	s.makeTemplate()
	in := s.fleetOf(1, "m6g.large")
	in.LaunchTemplateConfigs[0].Overrides[0].SubnetId = nil
	in.LaunchTemplateConfigs[0].Overrides[0].AvailabilityZone = aws.String("us-east-1b")
	in.LaunchTemplateConfigs[0].Overrides[0].ImageId = aws.String(s.image(armImage))
	s.launch(in)
	got := s.Instances()
	if len(got) != 1 || got[0].Zone != "us-east-1b" || got[0].ImageID != s.image(armImage) || got[0].Architecture != "arm64" {
		t.Errorf("launched %+v, want an arm64 instance in us-east-1b", got)
	}
}

func TestTheSameTokenGetsTheSameAnswer(t *testing.T) {
	s := start(t)
	s.makeTemplate()
	in := s.fleetOf(2, "m5.large")
	in.ClientToken = aws.String("token-1")
	first, again := s.launch(in), s.launch(in)
	if diff := cmp.Diff(ids(first), ids(again)); diff != "" || *first.FleetId != *again.FleetId {
		t.Errorf("a retry answered differently (-first +again):\n%s", diff)
	}
	if n := len(s.Instances()); n != 2 {
		t.Errorf("%d instances, want 2", n)
	}
	in.TargetCapacitySpecification.TotalTargetCapacity = aws.Int32(3)
	if _, err := s.ec2.CreateFleet(s.ctx(), in); code(err) != "IdempotentParameterMismatch" {
		t.Errorf("changed parameters under the same token: %v", err)
	}
	in.ClientToken = aws.String("token-2")
	if out := s.launch(in); *out.FleetId == *first.FleetId {
		t.Error("another token got the answer of the first one")
	}
}

func TestATokenOfARefusedCallIsFree(t *testing.T) {
	s := start(t)
	in := s.fleetOf(1, "m5.large")
	in.ClientToken = aws.String("token")
	if _, err := s.ec2.CreateFleet(s.ctx(), in); code(err) != "InvalidLaunchTemplateName.NotFoundException" {
		t.Fatalf("without the template: %v", err)
	}
	s.makeTemplate()
	if out := s.launch(in); len(ids(out)) != 1 {
		t.Errorf("the repeated call launched %v", ids(out))
	}
}

func TestConcurrentFleetsShareNothing(t *testing.T) {
	s := start(t, func(c *world.Config) { c.Limits = []world.CapacityLimit{{InstanceType: "m5.large", Instances: 30}} })
	s.makeTemplate()
	const callers, each = 20, 2
	var wg sync.WaitGroup
	errs := make(chan error, 2*callers)
	for n := range callers {
		for range 2 { // each request is sent twice, as a client that lost the answer would
			wg.Go(func() {
				in := s.fleetOf(each, "m5.large")
				in.ClientToken = aws.String(fmt.Sprintf("caller-%d", n))
				_, err := s.ec2.CreateFleet(s.ctx(), in)
				errs <- err
			})
		}
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	addresses := map[string]bool{}
	for _, i := range s.Instances() {
		addresses[i.PrivateIP] = true
	}
	if n := len(s.Instances()); n != 30 || len(addresses) != n {
		t.Errorf("%d instances with %d addresses, want the 30 that there is capacity for", n, len(addresses))
	}
	if fleets := s.Fleets(); len(fleets) != callers {
		t.Errorf("%d fleets, want %d", len(fleets), callers)
	}
}

func TestFullSubnetsRefuseInstances(t *testing.T) {
	s := start(t, func(c *world.Config) {
		for i := range c.Subnets {
			if c.Subnets[i].Zone == "us-east-1a" && !c.Subnets[i].MapPublicIP {
				c.Subnets[i].CIDR = "10.0.0.0/28"
			}
		}
	})
	s.makeTemplate()
	out := s.launch(s.fleetOf(12, "m5.large"))
	if len(ids(out)) != 11 || len(out.Errors) != 1 || *out.Errors[0].ErrorCode != "InsufficientFreeAddressesInSubnet" {
		t.Errorf("launched %d, errors %+v; want 11, for 16 addresses less AWS's five", len(ids(out)), out.Errors)
	}
	// What two instances give back, two others get; nobody gets the address of one that lives.
	if _, err := s.ec2.TerminateInstances(s.ctx(), &ec2.TerminateInstancesInput{InstanceIds: ids(out)[3:5]}); err != nil {
		t.Fatal(err)
	}
	s.clock.Step(stopDelay)
	s.launch(s.fleetOf(3, "m5.large"))
	living := map[string]string{}
	for _, i := range s.Instances() {
		if i.State == "terminated" {
			continue
		}
		if other, taken := living[i.PrivateIP]; taken {
			t.Errorf("%s and %s both have %s", i.ID, other, i.PrivateIP)
		}
		living[i.PrivateIP] = i.ID
	}
	if len(living) != 11 {
		t.Errorf("%d living instances, want the subnet full again with 11", len(living))
	}
}

func TestATypeTwiceInOneZoneIsRefused(t *testing.T) {
	s := start(t)
	s.makeTemplate()
	in := s.fleetOf(1, "m5.large", "m5.large")
	for _, n := range s.World().Subnets() {
		if n.Zone == "us-east-1a" && n.MapPublicIP {
			in.LaunchTemplateConfigs[0].Overrides[1].SubnetId = aws.String(n.ID)
		}
	}
	if _, err := s.ec2.CreateFleet(s.ctx(), in); code(err) != "InvalidFleetConfig" {
		t.Errorf("one type in two subnets of a zone: %v", err)
	}
}
