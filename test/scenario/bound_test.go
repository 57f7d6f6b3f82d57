package scenario_test

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/solver"
)

// Where pods ask for nothing but resources, the plan's lower bound is that of the linear program on their sums, or a little above:
// it knows that what a machine has left over is of no use to pods that are larger.
func TestPlansCarryALowerBoundNoLessThanTheLinearProgram(t *testing.T) {
	types := generalPurpose(t)
	for name, list := range map[string][]*corev1.Pod{
		"two shapes":         slices.Concat(replicas(500, "small", "900m", "3100Mi"), replicas(500, "large", "3500m", "28Gi")),
		"all different":      randomPods(3000),
		"short of cpu":       replicas(300, "busy", "1500m", "256Mi"),
		"short of memory":    replicas(100, "cache", "100m", "30Gi"),
		"short of pod slots": replicas(3000, "tiny", "1m", "1Mi"),
	} {
		t.Run(name, func(t *testing.T) {
			plan := solver.Solve(t.Context(), solver.Problem{
				Pods: list, Provisioners: []solver.Provisioner{{Name: "default", InstanceTypes: types}},
			})
			got, want := plan.LowerBoundPerHour, lowerBound(list, types)
			if got < want*(1-1e-6) || got > want*1.01 {
				t.Errorf("the plan's lower bound is $%.6f/h, that of the linear program $%.6f/h", got, want)
			}
			if got > plan.CostPerHour {
				t.Errorf("the lower bound is $%.6f/h, the plan costs $%.6f/h", got, plan.CostPerHour)
			}
		})
	}
}
