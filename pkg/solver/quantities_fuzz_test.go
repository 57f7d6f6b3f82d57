package solver_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/resources"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// Quantities of any size and notation neither overflow nor make room: machines hold what their pods ask for in exact arithmetic,
// and who asks for less of everything is placed wherever one who asks for more is.
func FuzzQuantities(f *testing.F) {
	for _, seed := range [][6]string{
		{"100m", "1Gi", "50m", "10Mi", "0", "2"},
		{"9223372036854775807", "8Ei", "1n", "1", "-1", "1u"},
		{"-5", "1e18", "0.5", "1E3", "3.999999999", "4"},
		{"1e-9", "9223372036854775807", "9223372036854775807", "9223372036854775807", "9223372036854775807", "9223372036854775807"},
		{"4", "16Gi", "0", "0", "0", "16384Mi"},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3], seed[4], seed[5])
	}
	types := cloudprovider.InstanceTypes{
		builders.InstanceType("small", builders.Capacity("4", "16Gi", 3), builders.OnDemand(1, "zone-a")),
		builders.InstanceType("large", builders.Capacity("64", "256Gi", 100), builders.OnDemand(20, "zone-a")),
	}
	f.Fuzz(func(t *testing.T, cpu, memory, initCPU, overhead, limit, capacity string) {
		var q [6]resource.Quantity
		for i, s := range []string{cpu, memory, initCPU, overhead, limit, capacity} {
			var err error
			if q[i], err = resource.ParseQuantity(s); err != nil {
				return
			}
		}
		more := builders.Pod(builders.Name("more"))
		more.Spec.Containers[0].Resources = corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: q[0], corev1.ResourceMemory: q[1]},
			Limits:   corev1.ResourceList{corev1.ResourceEphemeralStorage: q[4]},
		}
		less := more.DeepCopy()
		less.Name, less.UID = "less", "less"
		more.Spec.InitContainers = []corev1.Container{{Name: "init", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: q[2]}}}}
		if q[3].Sign() >= 0 {
			more.Spec.Overhead = corev1.ResourceList{corev1.ResourceMemory: q[3]}
		}
		if over := resources.Exceeding(pods.Requests(less), pods.Requests(more)); len(over) > 0 {
			t.Fatalf("with more containers and overhead the pod asks for less %v", over)
		}
		made := builders.InstanceType("made", builders.Capacity("8", "32Gi", 10), builders.Has(corev1.ResourceEphemeralStorage, "1Ti"), builders.OnDemand(2, "zone-a"))
		made.Capacity[corev1.ResourceMemory] = q[5]
		offered := append(cloudprovider.InstanceTypes{made}, types...)
		plan := solver.Solve(t.Context(), solver.Problem{
			Pods: []*corev1.Pod{more, less, builders.Pod(builders.Name("other"), builders.CPU("1"))}, Provisioners: plain(offering(offered)),
		})
		for _, m := range plan.Machines {
			for _, name := range m.InstanceTypes {
				total := corev1.ResourceList{}
				for _, pod := range m.Pods {
					total = resources.Sum(total, resources.Positive(pods.Requests(pod)))
				}
				real := q[5].Cmp(resource.MustParse("100Ti")) < 0 || name != made.Name // beyond that, amounts are not told apart
				if over := resources.Exceeding(total, typeNamed(offered, name).Allocatable()); len(over) > 0 && real {
					t.Errorf("%s has too little %v for %d pods", name, over, len(m.Pods))
				}
			}
		}
		for _, u := range plan.Unplaced {
			if u.Pod == less && len(plan.Unplaced) == 1 {
				t.Errorf("who asks for more is placed, who asks for less is not: %s", u.Reason)
			}
		}
	})
}
