package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// saysWhatDeletingCosts has a provisioner's machines consolidated: of two replicas on the same machine the younger is the first to be
// deleted, and its deployment shrinks by that one.
func (w *world) saysWhatDeletingCosts(t *testing.T) {
	const name = "costly"
	w.serve(t, provisioner(name, func(s *v1alpha5.ProvisionerSpec) { s.Consolidation = &v1alpha5.Consolidation{Enabled: new(true)} }), workload(name, 2, "500m"))
	w.awaitRunning(t, name, 2)
	cheapest := ""
	w.await(t, "what deleting pods costs", func(ctx context.Context) error {
		found, err := w.pods(ctx, name)
		if err != nil {
			return err
		}
		costs := map[int]string{}
		for i := range found {
			cost, err := strconv.Atoi(found[i].Annotations[corev1.PodDeletionCost])
			if err != nil || found[i].Annotations[v1alpha5.DeletionCostAnnotation] != found[i].Annotations[corev1.PodDeletionCost] {
				return fmt.Errorf("pod %s has annotations %v", found[i].Name, found[i].Annotations)
			}
			costs[cost] = found[i].Name
		}
		if len(costs) != 2 {
			return fmt.Errorf("costs are %v", costs)
		}
		cheapest = costs[slices.Min(slices.Collect(maps.Keys(costs)))]
		return nil
	})
	w.mustKubectl(t, "scale", "deployment/"+name, "--replicas=1")
	w.awaitRunning(t, name, 1)
	left, err := w.pods(t.Context(), name)
	if err != nil || len(left) != 1 || left[0].Name == cheapest {
		t.Errorf("%d pods are left, %v, and one is %s, which cost least", len(left), err, cheapest)
	}
	w.end(t, name)
}
