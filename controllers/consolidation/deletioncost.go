package consolidation

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
)

// mostCosted is how many pods a pass writes to: those of a large cluster that kerf is new to are written one portion after the other.
const mostCosted = 200

// mostRefused is after how many pods that it may not write to a pass gives up.
const mostRefused = 3

// cost writes on pods what deleting them is to cost their ReplicaSet, and reports whether nothing is left to write. That a pod cannot be
// written to keeps nothing from the others, and is said once.
func (p *pass) cost(ctx context.Context, costs []disruption.PodCost) (bool, error) {
	written := 0
	var refused []error
	for i := range costs[:min(len(costs), mostCosted)] {
		err := p.writeCost(ctx, &costs[i])
		switch {
		case err == nil:
			written++
		case apierrors.IsForbidden(err) || apierrors.IsInvalid(err):
			refused = append(refused, err)
		default:
			return false, err
		}
		if len(refused) == mostRefused {
			break
		}
	}
	if len(costs) > 0 {
		ctrl.LoggerFrom(ctx).V(1).Info("changed what deleting pods costs their ReplicaSets", "pods", written, "refused", len(refused), "of", len(costs))
	}
	if len(refused) > 0 && !p.costRefused {
		ctrl.LoggerFrom(ctx).Error(refused[0], "what deleting pods costs is not written: is there the role, and does any webhook change pods beside it?")
	}
	p.costRefused = len(refused) > 0
	return len(costs) <= mostCosted || len(refused) > 0, nil
}

// writeCost writes to a pod as it was decided on; what has become another one since is the next pass's.
func (p *pass) writeCost(ctx context.Context, of *disruption.PodCost) error {
	pod := of.Pod.DeepCopy()
	for _, key := range []string{corev1.PodDeletionCost, v1alpha5.DeletionCostAnnotation} {
		delete(pod.Annotations, key)
		if of.Cost != "" {
			metav1.SetMetaDataAnnotation(&pod.ObjectMeta, key, of.Cost)
		}
	}
	err := p.client.Patch(ctx, pod, client.MergeFromWithOptions(of.Pod, client.MergeFromWithOptimisticLock{}))
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("writing what its deletion costs on pod %s: %w", klog.KObj(of.Pod), err)
	}
	return nil
}

// costedBefore reports whether there are pods that it was written on what deleting them costs, and whether that may be taken back.
func (p *pass) costedBefore(ctx context.Context) (bool, error) {
	if !p.settings.DeletionCosts {
		return false, nil
	}
	var list corev1.PodList
	if err := p.client.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return false, fmt.Errorf("listing pods: %w", err)
	}
	return slices.ContainsFunc(list.Items, func(pod corev1.Pod) bool { return disruption.OwnCost(&pod) != "" && pods.IsReschedulable(&pod) }), nil
}
