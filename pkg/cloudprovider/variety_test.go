package cloudprovider_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func TestWhatAMachineLacksToChooseFrom(t *testing.T) {
	const family, generation = "karpenter.k8s.aws/instance-family", "karpenter.k8s.aws/instance-generation"
	offer := func(name string, modifiers ...builders.InstanceTypeModifier) *cloudprovider.InstanceType {
		of, _, _ := strings.Cut(name, ".")
		return builders.InstanceType(name, append([]builders.InstanceTypeModifier{builders.TypeLabel(family, of)}, modifiers...)...)
	}
	onOffer := cloudprovider.InstanceTypes{
		offer("c5.large", builders.Spot(0.03, "a", "b")),
		offer("c5.xlarge", builders.Spot(0.06, "a")),
		offer("m5.large", builders.Spot(0.04, "a", "b"), builders.SoldOut("a")),
		offer("r5.large", builders.OnDemand(0.1, "a", "b")),
		offer("t3.large", builders.Spot(0.02, "a", "b")),
	}
	tests := map[string]struct {
		zones     string
		minValues map[string]int32
		want      cloudprovider.Lack // zero for none
	}{
		"it asks for nothing":                       {"a,b", nil, cloudprovider.Lack{}},
		"there are as many as it asks for":          {"a,b", map[string]int32{family: 2, corev1.LabelInstanceTypeStable: 3}, cloudprovider.Lack{}},
		"values count once":                         {"a,b", map[string]int32{family: 3}, cloudprovider.Lack{Label: family, Have: 2, Want: 3}},
		"what is sold out does not count":           {"a", map[string]int32{family: 2}, cloudprovider.Lack{Label: family, Have: 1, Want: 2}},
		"another capacity type does not count":      {"a,b", map[string]int32{corev1.LabelInstanceTypeStable: 4}, cloudprovider.Lack{Label: corev1.LabelInstanceTypeStable, Have: 3, Want: 4}},
		"nothing is on offer":                       {"c", map[string]int32{family: 1}, cloudprovider.Lack{Label: family, Want: 1}},
		"zones that anything is on offer in":        {"a,b,c", map[string]int32{corev1.LabelTopologyZone: 2}, cloudprovider.Lack{}},
		"zones that nothing is on offer in":         {"a,b,c", map[string]int32{corev1.LabelTopologyZone: 3}, cloudprovider.Lack{Label: corev1.LabelTopologyZone, Have: 2, Want: 3}},
		"a machine has one capacity type":           {"a", map[string]int32{v1alpha5.CapacityTypeLabel: 2}, cloudprovider.Lack{Label: v1alpha5.CapacityTypeLabel, Have: 1, Want: 2}},
		"the machine's own label has one value":     {"a", map[string]int32{"team": 1}, cloudprovider.Lack{}},
		"and no more":                               {"a", map[string]int32{"team": 2}, cloudprovider.Lack{Label: "team", Have: 1, Want: 2}},
		"a label that nothing has":                  {"a", map[string]int32{generation: 1}, cloudprovider.Lack{Label: generation, Want: 1}},
		"of two that it lacks, the first in order":  {"a", map[string]int32{"team": 2, family: 2}, cloudprovider.Lack{Label: family, Have: 1, Want: 2}},
		"one that it lacks beside one that it does": {"a", map[string]int32{"team": 1, family: 2}, cloudprovider.Lack{Label: family, Have: 1, Want: 2}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			machine := builders.Machine("m", "p",
				builders.MachineRequirement(corev1.LabelInstanceTypeStable, corev1.NodeSelectorOpIn, "c5.large", "c5.xlarge", "m5.large", "r5.large", "gone.large"),
				builders.MachineRequirement(corev1.LabelTopologyZone, corev1.NodeSelectorOpIn, strings.Split(tc.zones, ",")...),
				builders.MachineRequirement(v1alpha5.CapacityTypeLabel, corev1.NodeSelectorOpIn, v1alpha5.CapacityTypeSpot),
				func(m *v1alpha5.Machine) { m.Labels["team"], m.Spec.MinValues = "a", tc.minValues })
			got, lacks := onOffer.Lack(machine)
			if got != tc.want || lacks != (tc.want != cloudprovider.Lack{}) {
				t.Errorf("it lacks %+v, %t; want %+v", got, lacks, tc.want)
			}
		})
	}
}

func TestATypeIsMissingWhereItIsNotSoldAtAll(t *testing.T) {
	onOffer := cloudprovider.InstanceTypes{
		builders.InstanceType("c5.large", builders.Spot(0.03, "a", "b"), builders.SoldOut("a")),
		builders.InstanceType("m5.large", builders.OnDemand(0.1, "a")),
	}
	for name, tc := range map[string]struct {
		instanceType, zone, capacityType, missing string
	}{
		"on offer":               {"m5.large", "a", "on-demand", ""},
		"sold out":               {"c5.large", "a", "spot", ""},
		"in another zone":        {"m5.large", "b", "on-demand", "topology.kubernetes.io/zone In [b]"},
		"as another kind":        {"m5.large", "a", "spot", "karpenter.sh/capacity-type In [spot]"},
		"after all others":       {"r5.large", "a", "spot", "r5.large"},
		"between the others":     {"d3.xlarge", "a", "spot", "d3.xlarge"},
		"with a name cut short ": {"m5", "a", "on-demand", "m5 is not on offer"},
	} {
		requirements := scheduling.FromLabels(map[string]string{corev1.LabelTopologyZone: tc.zone, v1alpha5.CapacityTypeLabel: tc.capacityType, "team": "a"})
		got := onOffer.Missing(tc.instanceType, requirements)
		if (got == "") != (tc.missing == "") || !strings.Contains(got, tc.missing) {
			t.Errorf("%s: %q, want %q in it", name, got, tc.missing)
		}
	}
}
