package region_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/catalog"
	"github.com/kerf-autoscaler/kerf/test/region"
)

func instanceTypes(t *testing.T, keep func(catalog.InstanceType) bool, capacityTypes ...string) map[string]*cloudprovider.InstanceType {
	t.Helper()
	list, err := region.InstanceTypes(keep, capacityTypes...)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*cloudprovider.InstanceType{}
	for _, it := range list {
		out[it.Name] = it
	}
	return out
}

func TestKnownTypesLeaveForPodsWhatTheirNodesLeave(t *testing.T) {
	types := instanceTypes(t, region.WithNVIDIA, v1alpha5.CapacityTypeOnDemand)
	for name, want := range map[string]map[corev1.ResourceName]string{
		"m5.large":      {corev1.ResourceCPU: "1930m", corev1.ResourceMemory: "6903Mi", corev1.ResourcePods: "29"},
		"g4dn.12xlarge": {corev1.ResourceCPU: "47810m", corev1.ResourcePods: "234", region.NVIDIA: "4"},
	} {
		it, ok := types[name]
		if !ok {
			t.Errorf("%s is missing", name)
			continue
		}
		allocatable := it.Allocatable()
		for resource, quantity := range want {
			if got := allocatable[resource]; got.String() != quantity {
				t.Errorf("%s leaves %s of %s, want %s", name, got.String(), resource, quantity)
			}
		}
	}
	for _, name := range []string{"m5.metal", "t3.large", "m6g.large", "m2.xlarge", "g5g.xlarge", "g6f.large"} {
		if _, ok := types[name]; ok {
			t.Errorf("%s is there, want it left out", name)
		}
	}
}

func TestAPlainProvisionerHas636TypesOnDemand(t *testing.T) {
	if got := len(instanceTypes(t, region.GeneralPurpose, v1alpha5.CapacityTypeOnDemand)); got != 636 {
		t.Errorf("%d types, want 636", got)
	}
}

func TestSpotIsCheaperAndPricedByZone(t *testing.T) {
	it := instanceTypes(t, region.Common, v1alpha5.CapacityTypeSpot, v1alpha5.CapacityTypeOnDemand)["c6g.xlarge"]
	if it == nil {
		t.Fatal("c6g.xlarge is missing")
	}
	prices := map[string]map[float64]bool{}
	for _, o := range it.Offerings {
		if prices[o.CapacityType] == nil {
			prices[o.CapacityType] = map[float64]bool{}
		}
		prices[o.CapacityType][o.Price] = true
		if o.CapacityType == v1alpha5.CapacityTypeSpot && o.Price >= 0.136 {
			t.Errorf("spot costs $%v in %s, want less than the $0.136 on demand", o.Price, o.Zone)
		}
	}
	if spot, onDemand := len(prices[v1alpha5.CapacityTypeSpot]), len(prices[v1alpha5.CapacityTypeOnDemand]); spot < 2 || onDemand != 1 {
		t.Errorf("%d spot prices and %d on demand, want several and 1", spot, onDemand)
	}
}
