package scenario_test

import (
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/region"
)

// Cores are cheap on machines without GPUs, which pods for GPUs cannot use: what they pay for cores is another price.
func TestMachinesThatHoldNoneOfThePodsMakeThePlanNoDearer(t *testing.T) {
	all, err := region.InstanceTypes(region.WithNVIDIA, v1alpha5.CapacityTypeOnDemand)
	if err != nil {
		t.Fatal(err)
	}
	withGPU := slices.DeleteFunc(slices.Clone(all), func(it *cloudprovider.InstanceType) bool {
		gpus := it.Capacity[region.NVIDIA]
		return gpus.IsZero()
	})
	var pods []*corev1.Pod
	for i, shape := range []struct {
		n           int
		cpu, memory string
	}{{160, "3152m", "5600Mi"}, {85, "11300m", "48Gi"}, {78, "11908m", "46Gi"}, {53, "11400m", "47Gi"}, {49, "8", "30517Mi"}, {25, "18708m", "63Gi"}, {37, "4", "22888Mi"}} {
		for _, pod := range replicas(shape.n, fmt.Sprintf("train-%d", i), shape.cpu, shape.memory) {
			builders.Request(region.NVIDIA, "1")(pod)
			pods = append(pods, pod)
		}
	}
	cost := func(types cloudprovider.InstanceTypes) float64 {
		plan := solver.Solve(t.Context(), solver.Problem{Pods: pods, Provisioners: []solver.Provisioner{{Name: "default", InstanceTypes: types}}})
		if len(plan.Unplaced) > 0 {
			t.Errorf("%d pods are unplaced, one because %s", len(plan.Unplaced), plan.Unplaced[0].Reason)
		}
		return plan.CostPerHour
	}
	few, many := cost(withGPU), cost(all)
	if t.Logf("$%.2f/h with %d types, $%.2f/h with %d", few, len(withGPU), many, len(all)); many > few*(1+1e-9) {
		t.Errorf("the plan costs $%.2f/h, without the types that hold none of the pods $%.2f/h", many, few)
	}
}
