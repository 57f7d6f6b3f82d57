package world_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/conformance/world"
)

func TestAMachineOnItsWayMayBeWhatItNamesWhereThatIsSold(t *testing.T) {
	w := &world.World{Types: cloudprovider.InstanceTypes{
		builders.InstanceType("large", builders.OnDemand(0.4, "a")), builders.InstanceType("small", builders.OnDemand(0.1, "b")),
		builders.InstanceType("other", builders.OnDemand(0.1, "a", "b")),
	}}
	in := corev1.NodeSelectorOpIn
	m := builders.Machine("machine", "default", builders.MachineRequirement(corev1.LabelInstanceTypeStable, in, "large", "small", "gone"),
		builders.MachineRequirement(corev1.LabelTopologyZone, in, "a", "b"))
	var got []string
	for _, node := range w.Outcomes(world.Node{Machine: m}) {
		got = append(got, node.Labels[corev1.LabelInstanceTypeStable]+" in "+node.Labels[corev1.LabelTopologyZone])
	}
	want := []string{"large in a", "small in b"}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}
