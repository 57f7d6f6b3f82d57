package awssim_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

func TestSmallPagesWalkAllInstanceTypesOnce(t *testing.T) {
	s := start(t)
	seen := map[ec2types.InstanceType]int{}
	pages := ec2.NewDescribeInstanceTypesPaginator(s.ec2, &ec2.DescribeInstanceTypesInput{MaxResults: aws.Int32(7)})
	for pages.HasMorePages() {
		out, err := pages.NextPage(s.ctx())
		if err != nil {
			t.Fatal(err)
		}
		if len(out.InstanceTypes) > 7 {
			t.Fatalf("a page of %d types, want at most 7", len(out.InstanceTypes))
		}
		for _, it := range out.InstanceTypes {
			seen[it.InstanceType]++
		}
	}
	if len(seen) != 1345 {
		t.Errorf("%d types, want 1345", len(seen))
	}
	for name, times := range seen {
		if times != 1 {
			t.Errorf("%s came %d times", name, times)
		}
	}
}

func TestInstanceTypesAreDescribedInFull(t *testing.T) {
	s := start(t)
	out, err := s.ec2.DescribeInstanceTypes(s.ctx(), &ec2.DescribeInstanceTypesInput{
		InstanceTypes: []ec2types.InstanceType{"p4d.24xlarge", "inf1.6xlarge", "m6g.large", "c5.metal"},
	})
	if err != nil {
		t.Fatal(err)
	}
	types := map[ec2types.InstanceType]ec2types.InstanceTypeInfo{}
	for _, it := range out.InstanceTypes {
		types[it.InstanceType] = it
	}
	p4d, inf1, m6g, metal := types["p4d.24xlarge"], types["inf1.6xlarge"], types["m6g.large"], types["c5.metal"]
	cards := 0
	for _, card := range p4d.NetworkInfo.NetworkCards {
		cards += int(*card.MaximumNetworkInterfaces)
	}
	for name, tc := range map[string]struct{ want, got any }{
		"GPUs":                   {int32(8), *p4d.GpuInfo.Gpus[0].Count},
		"GPU name":               {"A100", *p4d.GpuInfo.Gpus[0].Name},
		"GPU memory":             {int32(40960), *p4d.GpuInfo.Gpus[0].MemoryInfo.SizeInMiB},
		"all GPU memory":         {int32(8 * 40960), *p4d.GpuInfo.TotalGpuMemoryInMiB},
		"disks":                  {int64(8000), *p4d.InstanceStorageInfo.TotalSizeInGB},
		"interfaces":             {int32(60), *p4d.NetworkInfo.MaximumNetworkInterfaces},
		"interfaces of the card": {int32(15), *p4d.NetworkInfo.NetworkCards[*p4d.NetworkInfo.DefaultNetworkCardIndex].MaximumNetworkInterfaces},
		"interfaces of cards":    {60, cards},
		"EFA":                    {int32(4), *p4d.NetworkInfo.EfaInfo.MaximumEfaInterfaces},
		"vCPUs":                  {int32(96), *p4d.VCpuInfo.DefaultVCpus},
		"memory":                 {int64(1179648), *p4d.MemoryInfo.SizeInMiB},
		"EBS":                    {int32(19000), *p4d.EbsInfo.EbsOptimizedInfo.MaximumBandwidthInMbps},
		"accelerators":           {int32(4), *inf1.InferenceAcceleratorInfo.Accelerators[0].Count},
		"accelerator maker":      {"AWS", *inf1.InferenceAcceleratorInfo.Accelerators[0].Manufacturer},
		"architecture":           {ec2types.ArchitectureTypeArm64, m6g.ProcessorInfo.SupportedArchitectures[0]},
		"no GPU":                 {true, m6g.GpuInfo == nil && m6g.InstanceStorageInfo == nil && m6g.InferenceAcceleratorInfo == nil},
		"usage classes":          {[]ec2types.UsageClassType{"on-demand", "spot"}, m6g.SupportedUsageClasses},
		"bare metal":             {true, *metal.BareMetal},
		"no hypervisor":          {ec2types.InstanceTypeHypervisor(""), metal.Hypervisor},
	} {
		if diff := cmp.Diff(tc.want, tc.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestInstanceTypeFiltersNarrow(t *testing.T) {
	s := start(t)
	for name, tc := range map[string]struct {
		filters []ec2types.Filter
		want    []string
	}{
		"one value":               {[]ec2types.Filter{where("instance-type", "m5.large")}, []string{"m5.large"}},
		"values are alternatives": {[]ec2types.Filter{where("instance-type", "m5.large", "c5.large")}, []string{"c5.large", "m5.large"}},
		"a star":                  {[]ec2types.Filter{where("instance-type", "t3.*")}, []string{"t3.2xlarge", "t3.large", "t3.medium", "t3.micro", "t3.nano", "t3.small", "t3.xlarge"}},
		"a question mark":         {[]ec2types.Filter{where("instance-type", "m?.large")}, []string{"m1.large", "m3.large", "m4.large", "m5.large"}},
		"an escaped star":         {[]ec2types.Filter{where("instance-type", `t3.\*`)}, nil},
		"names all hold":          {[]ec2types.Filter{where("instance-type", "c5.*"), where("vcpu-info.default-vcpus", "2", "4"), where("memory-info.size-in-mib", "8192")}, []string{"c5.xlarge"}},
		"what provisioners ask":   {[]ec2types.Filter{where("supported-virtualization-type", "hvm"), where("processor-info.supported-architecture", "x86_64", "arm64"), where("bare-metal", "true"), where("instance-type", "c6g*")}, []string{"c6g.metal", "c6gd.metal"}},
		"case counts":             {[]ec2types.Filter{where("instance-type", "M5.large")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := s.ec2.DescribeInstanceTypes(s.ctx(), &ec2.DescribeInstanceTypesInput{Filters: tc.filters})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, it := range out.InstanceTypes {
				got = append(got, string(it.InstanceType))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("types (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOfferingsAreThoseOfTheCatalogue(t *testing.T) {
	s := start(t)
	for kind, want := range map[ec2types.LocationType]int{
		ec2types.LocationTypeRegion: 1345, ec2types.LocationTypeAvailabilityZone: 1334 + 1321 + 1334 + 1249 + 58 + 985,
		ec2types.LocationTypeAvailabilityZoneId: 1334 + 1321 + 1334 + 1249 + 58 + 985, ec2types.LocationTypeOutpost: 0,
	} {
		seen := map[string]bool{}
		pages := ec2.NewDescribeInstanceTypeOfferingsPaginator(s.ec2, &ec2.DescribeInstanceTypeOfferingsInput{LocationType: kind})
		for pages.HasMorePages() {
			out, err := pages.NextPage(s.ctx())
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range out.InstanceTypeOfferings {
				seen[*o.Location+"/"+string(o.InstanceType)] = true
			}
		}
		if len(seen) != want {
			t.Errorf("%d offerings by %s, want %d", len(seen), kind, want)
		}
	}
	out, err := s.ec2.DescribeInstanceTypeOfferings(s.ctx(), &ec2.DescribeInstanceTypeOfferingsInput{
		LocationType: ec2types.LocationTypeAvailabilityZone, Filters: []ec2types.Filter{where("location", "us-east-1e")},
	})
	if err != nil || len(out.InstanceTypeOfferings) != 58 {
		t.Errorf("%d offerings in us-east-1e (%v), want 58", len(out.InstanceTypeOfferings), err)
	}
}

func TestAWorldOfSomeTypesOffersNoOthers(t *testing.T) {
	s := start(t, func(c *world.Config) { c.InstanceTypes = []string{"m5.large", "c5.large"} })
	types, err := s.ec2.DescribeInstanceTypes(s.ctx(), &ec2.DescribeInstanceTypesInput{})
	if err != nil || len(types.InstanceTypes) != 2 {
		t.Errorf("%d types (%v), want 2", len(types.InstanceTypes), err)
	}
	offered, err := s.ec2.DescribeInstanceTypeOfferings(s.ctx(), &ec2.DescribeInstanceTypeOfferingsInput{})
	if err != nil || len(offered.InstanceTypeOfferings) != 2 {
		t.Errorf("%d offerings (%v), want 2", len(offered.InstanceTypeOfferings), err)
	}
	prices, err := s.ec2.DescribeSpotPriceHistory(s.ctx(), &ec2.DescribeSpotPriceHistoryInput{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range prices.SpotPriceHistory {
		if p.InstanceType != "m5.large" && p.InstanceType != "c5.large" {
			t.Errorf("there is a price of %s", p.InstanceType)
		}
	}
	s.makeTemplate()
	for kind, want := range map[ec2types.InstanceType]int{"c5.large": 1, "m6i.large": 0} {
		fleet, err := s.ec2.CreateFleet(s.ctx(), s.fleetOf(1, string(kind)))
		if err != nil || len(fleet.Instances) != want {
			t.Errorf("a fleet of %s: %+v (%v), want %d instances", kind, fleet, err, want)
		}
	}
}

func TestZonesSubnetsAndGroupsAreFound(t *testing.T) {
	s := start(t)
	zones, err := s.ec2.DescribeAvailabilityZones(s.ctx(), &ec2.DescribeAvailabilityZonesInput{Filters: []ec2types.Filter{where("zone-name", "*a", "*b")}})
	if err != nil || len(zones.AvailabilityZones) != 2 || *zones.AvailabilityZones[0].ZoneId != "use1-az2" {
		t.Errorf("zones %+v (%v), want two, the first with id use1-az2", zones, err)
	}
	for name, tc := range map[string]struct {
		filters []ec2types.Filter
		want    int
	}{
		"all":                   {nil, 12},
		"by discovery tag":      {[]ec2types.Filter{where("tag:"+discovery, cluster)}, 6},
		"by tag of any value":   {[]ec2types.Filter{where("tag:"+discovery, "*")}, 6},
		"by tag key":            {[]ec2types.Filter{where("tag-key", "kubernetes.io/role/elb")}, 6},
		"by name pattern":       {[]ec2types.Filter{where("tag:Name", "demo-private-*1a", "demo-public-*1a")}, 2},
		"by zone and tag":       {[]ec2types.Filter{where("availability-zone", "us-east-1a"), where("tag:"+discovery, cluster)}, 1},
		"by tag of other value": {[]ec2types.Filter{where("tag:"+discovery, "other")}, 0},
		"public":                {[]ec2types.Filter{where("map-public-ip-on-launch", "true")}, 6},
		"by VPC":                {[]ec2types.Filter{where("vpc-id", s.World().VPC().ID), where("state", "available")}, 12},
	} {
		out, err := s.ec2.DescribeSubnets(s.ctx(), &ec2.DescribeSubnetsInput{Filters: tc.filters})
		if err != nil || len(out.Subnets) != tc.want {
			t.Errorf("subnets %s: %d (%v), want %d", name, len(out.Subnets), err, tc.want)
		}
	}
	groups, err := s.ec2.DescribeSecurityGroups(s.ctx(), &ec2.DescribeSecurityGroupsInput{Filters: []ec2types.Filter{where("tag:"+discovery, cluster)}})
	if err != nil || len(groups.SecurityGroups) != 1 || *groups.SecurityGroups[0].GroupName != "demo-node" {
		t.Errorf("groups %+v (%v), want demo-node", groups, err)
	}
}

func TestSubnetAddressesGoDownAndUp(t *testing.T) {
	s := start(t)
	s.makeTemplate()
	free := func() int32 {
		out, err := s.ec2.DescribeSubnets(s.ctx(), &ec2.DescribeSubnetsInput{SubnetIds: []string{s.subnet("us-east-1a")}})
		if err != nil {
			t.Fatal(err)
		}
		return *out.Subnets[0].AvailableIpAddressCount
	}
	before := free()
	if before != 8192-5 {
		t.Errorf("%d free addresses in a /19, want 8187", before)
	}
	launched := ids(s.launch(s.fleetOf(3, "m5.large")))
	if got := free(); got != before-3 {
		t.Errorf("%d free addresses after three launches, want %d", got, before-3)
	}
	if _, err := s.ec2.TerminateInstances(s.ctx(), &ec2.TerminateInstancesInput{InstanceIds: launched[:2]}); err != nil {
		t.Fatal(err)
	}
	if got := free(); got != before-3 {
		t.Errorf("%d free addresses while two shut down, want %d", got, before-3)
	}
	s.clock.Step(stopDelay)
	if got := free(); got != before-1 {
		t.Errorf("%d free addresses after two ended, want %d", got, before-1)
	}
}

func TestImagesAreThoseThatTheirParametersName(t *testing.T) {
	s := start(t)
	out, err := s.ec2.DescribeImages(s.ctx(), &ec2.DescribeImagesInput{
		Owners: []string{"amazon"}, Filters: []ec2types.Filter{where("name", "amazon-eks-node-al2023-*-standard-1.32-*"), where("architecture", "arm64")},
	})
	if err != nil || len(out.Images) != 2 {
		t.Fatalf("%d images (%v), want two releases", len(out.Images), err)
	}
	newest := slices.MaxFunc(out.Images, func(a, b ec2types.Image) int { return strings.Compare(*a.CreationDate, *b.CreationDate) })
	if *newest.ImageId != s.image(armImage) {
		t.Errorf("the newest image is %s, its parameter says %s", *newest.ImageId, s.image(armImage))
	}
	if !strings.Contains(*newest.Description, "Made up") {
		t.Errorf("the description does not say that the image is made up: %s", *newest.Description)
	}
}

func TestImagesAreShownToWhoMaySeeThem(t *testing.T) {
	s := start(t, func(c *world.Config) {
		mine, old := c.Images[0], c.Images[0]
		mine.ID, mine.OwnerID, mine.OwnerAlias, mine.Tags = "ami-00000000000000001", c.AccountID, "", world.Tags{"team": "a"}
		old.ID, old.Deprecated = "ami-00000000000000002", c.Clock.Now()
		c.Images = append(c.Images, mine, old)
	})
	for name, tc := range map[string]struct {
		in   ec2.DescribeImagesInput
		want bool
		id   string
	}{
		"own image to self":           {ec2.DescribeImagesInput{Owners: []string{"self"}}, true, "ami-00000000000000001"},
		"own image by tag":            {ec2.DescribeImagesInput{Filters: []ec2types.Filter{where("tag:team", "a")}}, true, "ami-00000000000000001"},
		"own image not to amazon":     {ec2.DescribeImagesInput{Owners: []string{"amazon"}}, false, "ami-00000000000000001"},
		"deprecated image":            {ec2.DescribeImagesInput{Owners: []string{"amazon"}}, false, "ami-00000000000000002"},
		"deprecated image on request": {ec2.DescribeImagesInput{Owners: []string{"amazon"}, IncludeDeprecated: aws.Bool(true)}, true, "ami-00000000000000002"},
		"deprecated image by id":      {ec2.DescribeImagesInput{ImageIds: []string{"ami-00000000000000002"}}, true, "ami-00000000000000002"},
	} {
		out, err := s.ec2.DescribeImages(s.ctx(), &tc.in)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := slices.ContainsFunc(out.Images, func(i ec2types.Image) bool { return *i.ImageId == tc.id }); got != tc.want {
			t.Errorf("%s: shown %v, want %v", name, got, tc.want)
		}
	}
}

func TestSpotPricesAreThoseOfEveryPool(t *testing.T) {
	s := start(t)
	count := 0
	pages := ec2.NewDescribeSpotPriceHistoryPaginator(s.ec2, &ec2.DescribeSpotPriceHistoryInput{
		ProductDescriptions: []string{"Linux/UNIX", "Linux/UNIX (Amazon VPC)"}, StartTime: aws.Time(s.clock.Now()),
	})
	for pages.HasMorePages() {
		out, err := pages.NextPage(s.ctx())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range out.SpotPriceHistory {
			count++
			if p.InstanceType == "m5.large" && *p.AvailabilityZone == "us-east-1a" && *p.SpotPrice != "0.049200" {
				t.Errorf("m5.large in us-east-1a costs %s", *p.SpotPrice)
			}
		}
	}
	want := 0
	for _, it := range s.World().InstanceTypes() {
		for _, zone := range s.World().Zones() {
			if _, ok := s.World().SpotPrice(zone.Name, it.Name); ok {
				want++
			}
		}
	}
	if count != want || want < 6000 {
		t.Errorf("%d spot prices, want %d", count, want)
	}
	out, err := s.ec2.DescribeSpotPriceHistory(s.ctx(), &ec2.DescribeSpotPriceHistoryInput{ProductDescriptions: []string{"Windows"}})
	if err != nil || len(out.SpotPriceHistory) != 0 {
		t.Errorf("%d prices of Windows (%v): none is known", len(out.SpotPriceHistory), err)
	}
}
