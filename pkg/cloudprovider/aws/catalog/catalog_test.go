package catalog_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/catalog"
)

func load(t *testing.T) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// known is the part of a type that the published tables let a person check by eye.
type known struct {
	VCPU, MiB, ENIs, DefaultENIs, IPv4, MaxPods, Branch int
	Price                                               float64
}

func TestKnownTypesHaveTheirPublishedFigures(t *testing.T) {
	c := load(t)
	for name, want := range map[string]known{
		"t3.micro":       {2, 1024, 2, 2, 2, 4, 0, 0.0104},
		"m4.large":       {2, 8192, 2, 2, 10, 20, 0, 0.10},
		"m5.large":       {2, 8192, 3, 3, 10, 29, 9, 0.096},
		"m5.24xlarge":    {96, 393216, 15, 15, 50, 737, 107, 4.608},
		"c6g.xlarge":     {4, 8192, 4, 4, 15, 58, 18, 0.136},
		"r6i.32xlarge":   {128, 1048576, 15, 15, 50, 737, 107, 8.064},
		"p3.8xlarge":     {32, 249856, 8, 8, 30, 234, 0, 12.24},
		"p4d.24xlarge":   {96, 1179648, 60, 15, 50, 737, 62, 21.957642},
		"p5.48xlarge":    {192, 2097152, 64, 2, 50, 100, 120, 55.04},
		"g4dn.xlarge":    {4, 16384, 3, 3, 10, 29, 39, 0.526},
		"inf1.6xlarge":   {24, 49152, 8, 8, 30, 234, 54, 1.18},
		"trn1.32xlarge":  {128, 524288, 40, 5, 50, 247, 82, 21.5},
		"i3en.24xlarge":  {96, 786432, 15, 15, 50, 737, 107, 10.848},
		"m7i-flex.large": {2, 8192, 3, 3, 10, 29, 3, 0.09576},
		"c5.metal":       {96, 196608, 15, 15, 50, 737, 107, 4.08},
	} {
		t.Run(name, func(t *testing.T) {
			it, ok := c.InstanceType(name)
			if !ok {
				t.Fatal("not in the catalogue")
			}
			price, _ := c.OnDemandPrice("us-east-1", name)
			n := it.Network
			got := known{
				it.CPU.VCPUs, it.MemoryMiB, n.ENIs, n.ENIsDefaultCard, n.IPv4PerENI, n.ENIsDefaultCard*(n.IPv4PerENI-1) + 2, n.BranchENIs, price,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("figures (-want +got):\n%s", diff)
			}
		})
	}
}

func TestKnownTypesHaveTheirDevices(t *testing.T) {
	c := load(t)
	get := func(name string) catalog.InstanceType {
		it, ok := c.InstanceType(name)
		if !ok {
			t.Fatalf("%s is not in the catalogue", name)
		}
		return it
	}
	for name, tc := range map[string]struct{ want, got any }{
		"p4d has eight A100":       {catalog.GPU{Name: "A100", Manufacturer: "NVIDIA", Count: 8, LogicalCount: 8, MemoryMiB: 40960}, get("p4d.24xlarge").GPU},
		"p4d has 8,000 GB":         {8000, get("p4d.24xlarge").LocalDisks.TotalGB},
		"p3 has four V100":         {catalog.GPU{Name: "V100", Manufacturer: "NVIDIA", Count: 4, LogicalCount: 4, MemoryMiB: 16384}, get("p3.8xlarge").GPU},
		"p5 has 32 EFA interfaces": {32, get("p5.48xlarge").Network.EFAInterfaces},
		"g4dn has one T4":          {catalog.GPU{Name: "T4", Manufacturer: "NVIDIA", Count: 1, LogicalCount: 1, MemoryMiB: 16384}, get("g4dn.xlarge").GPU},
		"inf1 has four Inferentia": {4, get("inf1.6xlarge").Accelerator.Count},
		"trn1 has 16 Trainium":     {"Trainium", get("trn1.32xlarge").Accelerator.Name},
		"i3en has 60,000 GB":       {60000, get("i3en.24xlarge").LocalDisks.TotalGB},
		"m5.large has 750 Mbps":    {750, get("m5.large").Network.BandwidthMbps},
		"m5.large EBS":             {4750, get("m5.large").EBS.MaximumMbps},
		"m4 runs on xen":           {"xen", get("m4.large").Hypervisor},
		"c6g is arm64":             {"arm64", get("c6g.xlarge").Architecture},
		"t3 is burstable":          {true, get("t3.micro").Burstable},
		"c5.metal is bare metal":   {true, get("c5.metal").BareMetal},
		"family of flex":           {"m7i-flex", get("m7i-flex.large").Family()},
		"size of metal":            {"metal-24xl", get("m8gb.metal-24xl").Size()},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tc.got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEveryTypeIsConsistent(t *testing.T) {
	types := load(t).InstanceTypes()
	if len(types) != 1353 {
		t.Errorf("%d types, want 1353", len(types))
	}
	if !slices.IsSortedFunc(types, func(a, b catalog.InstanceType) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("types are not sorted by name")
	}
	for _, it := range types {
		for rule, holds := range map[string]bool{
			"all ENIs >= ENIs of the default card":           it.Network.ENIs >= it.Network.ENIsDefaultCard && it.Network.ENIsDefaultCard > 0,
			"branch ENIs exactly where trunking":             (it.Network.BranchENIs > 0) == it.Network.TrunkCompatible,
			"no hypervisor exactly on bare metal":            (it.Hypervisor == "") == it.BareMetal,
			"AWS processor exactly where arm64":              (it.CPU.Manufacturer == "aws") == (it.Architecture == "arm64"),
			"disks add up":                                   it.LocalDisks.Count*it.LocalDisks.SizeGB == it.LocalDisks.TotalGB,
			"known architecture":                             it.Architecture == "amd64" || it.Architecture == "arm64",
			"positive CPU and memory":                        it.CPU.VCPUs > 0 && it.MemoryMiB > 0,
			"vCPUs are cores times threads":                  it.CPU.Cores*it.CPU.ThreadsPerCore == it.CPU.VCPUs,
			"sold somehow":                                   it.Supports("on-demand"),
			"a family and a size":                            it.Family() != "" && it.Size() != "",
			"EBS bandwidth only where optimisation exists":   (it.EBS.MaximumMbps == 0) == (it.EBS.Optimized == "unsupported"),
			"fractional or whole GPUs are visible to guests": (it.GPU.Name == "") == (it.GPU.LogicalCount == 0),
		} {
			if !holds {
				t.Errorf("%s: does not hold: %s", it.Name, rule)
			}
		}
	}
}

func TestZonesOfferTheCountedTypes(t *testing.T) {
	c := load(t)
	want := map[string]int{
		"us-east-1a": 1334, "us-east-1b": 1321, "us-east-1c": 1334, "us-east-1d": 1249, "us-east-1e": 58, "us-east-1f": 985,
		"us-west-2a": 1297, "us-west-2b": 1303, "us-west-2c": 1296, "us-west-2d": 1016,
		"ap-northeast-1a": 1125, "ap-northeast-1c": 1116, "ap-northeast-1d": 1047,
		"ap-northeast-2a": 730, "ap-northeast-2b": 579, "ap-northeast-2c": 656, "ap-northeast-2d": 468,
	}
	got := map[string]int{}
	for _, region := range c.Regions() {
		for _, it := range c.InstanceTypes() {
			zones := c.ZonesOffering(region, it.Name)
			if len(slices.Compact(slices.Sorted(slices.Values(zones)))) != len(zones) {
				t.Errorf("%s is listed twice in a zone of %s", it.Name, region)
			}
			for _, zone := range zones {
				got[zone]++
				if !c.OffersInZone(zone, it.Name) {
					t.Errorf("OffersInZone(%s, %s) contradicts ZonesOffering", zone, it.Name)
				}
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("types per zone (-want +got):\n%s", diff)
	}
}

func TestRegionsListOnlyTypesTheyOffer(t *testing.T) {
	c := load(t)
	got := map[string]int{}
	for _, region := range c.Regions() {
		got[region] = len(c.InstanceTypesIn(region))
	}
	want := map[string]int{"us-east-1": 1345, "us-west-2": 1312, "ap-northeast-1": 1149, "ap-northeast-2": 741}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("types per region (-want +got):\n%s", diff)
	}
	for _, withdrawn := range []string{"p3.2xlarge", "f1.16xlarge", "dl1.24xlarge", "i3.metal"} {
		if zones := c.ZonesOffering("us-east-1", withdrawn); len(zones) != 0 {
			t.Errorf("%s is withdrawn but offered in %v", withdrawn, zones)
		}
	}
}

func TestZonesHaveUniqueIDs(t *testing.T) {
	c := load(t)
	if diff := cmp.Diff([]string{"ap-northeast-1", "ap-northeast-2", "us-east-1", "us-west-2"}, c.Regions()); diff != "" {
		t.Errorf("regions (-want +got):\n%s", diff)
	}
	seen := map[string]string{}
	for _, region := range c.Regions() {
		for _, zone := range c.Zones(region) {
			if other, dup := seen[zone.ID]; dup || zone.ID == "" {
				t.Errorf("zone %s has id %q, as %s has", zone.Name, zone.ID, other)
			}
			seen[zone.ID] = zone.Name
		}
	}
	if len(seen) != 17 {
		t.Errorf("%d zones, want 17", len(seen))
	}
}

func TestUnknownNamesHaveNoFacts(t *testing.T) {
	c := load(t)
	if _, ok := c.InstanceType("m5.gigantic"); ok {
		t.Error("an unknown type was found")
	}
	if zones := c.Zones("eu-north-9"); zones != nil {
		t.Errorf("an unknown region has zones %v", zones)
	}
	if c.OffersInZone("eu-north-9a", "m5.large") || c.OffersInZone("us-east-1a", "m5.gigantic") {
		t.Error("an unknown zone or type is offered")
	}
}

func TestChangingAnAnswerDoesNotChangeTheCatalogue(t *testing.T) {
	c := load(t)
	c.InstanceTypes()[0].Name = "spoiled"
	c.Zones("us-east-1")[0].Name = "spoiled"
	c.ZonesOffering("us-east-1", "m5.large")[0] = "spoiled"
	if c.InstanceTypes()[0].Name == "spoiled" || c.Zones("us-east-1")[0].Name == "spoiled" || c.ZonesOffering("us-east-1", "m5.large")[0] == "spoiled" {
		t.Error("a caller can change the catalogue")
	}
}
