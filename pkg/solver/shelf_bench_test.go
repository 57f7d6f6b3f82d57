package solver_test

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// labelled gives instance types as many labels as real ones have.
func labelled(types cloudprovider.InstanceTypes) cloudprovider.InstanceTypes {
	for i, t := range types {
		for k := range 16 {
			builders.TypeLabel(fmt.Sprintf("example.com/label-%d", k), fmt.Sprint(i%(k+1)))(t)
		}
		for k := range 6 {
			builders.TypeLabel(fmt.Sprintf("example.com/absent-%d", k))(t)
		}
	}
	return types
}

// tenProvisioners returns provisioners that differ in what they allow; each has a copy of the types if asked for.
func tenProvisioners(copies bool) []solver.Provisioner {
	types := labelled(catalogue(1353))
	var out []solver.Provisioner
	for i := range 10 {
		if copies {
			types = labelled(catalogue(1353))
		}
		p := solver.Provisioner{Name: fmt.Sprint("prov-", i), Weight: int32(i), InstanceTypes: types, Requirements: scheduling.NewRequirements(
			scheduling.NewRequirement("example.com/label-9", corev1.NodeSelectorOpNotIn, fmt.Sprint(i)),
			scheduling.NewRequirement(v1alpha5.CapacityTypeLabel, corev1.NodeSelectorOpExists))}
		out = append(out, p)
	}
	return out
}

// One pod, so that nearly all of the time goes into finding out what can be bought.
func BenchmarkTenProvisionersOverAFullCatalogue(b *testing.B) {
	for name, copies := range map[string]bool{"shared": false, "copies": true} {
		for _, daemons := range []int{0, 5} {
			b.Run(fmt.Sprintf("%s/daemons=%d", name, daemons), func(b *testing.B) {
				p := solver.Problem{Pods: shapes(1, 1), Provisioners: tenProvisioners(copies)}
				for i := range daemons {
					p.DaemonSets = append(p.DaemonSets, builders.Pod(builders.Name(fmt.Sprint("daemon-", i)), builders.CPU("50m"), builders.Memory("64Mi"),
						builders.NodeAffinity(corev1.NodeSelectorRequirement{
							Key: fmt.Sprintf("example.com/label-%d", 3+i), Operator: corev1.NodeSelectorOpNotIn, Values: []string{"1"},
						})))
				}
				b.ReportAllocs()
				for b.Loop() {
					if plan := solver.Solve(b.Context(), p); len(plan.Machines) != 1 {
						b.Fatal(plan.Unplaced[0].Reason)
					}
				}
			})
		}
	}
}
