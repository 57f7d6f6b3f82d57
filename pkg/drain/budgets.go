package drain

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"
)

// Budgets are PodDisruptionBudgets by namespace, with what they select made out once: in a large cluster many pods are held against them.
type Budgets map[string][]selecting

type selecting struct {
	*policyv1.PodDisruptionBudget
	selector labels.Selector
}

// NewBudgets makes out what budgets select. One that selects nothing that there can be is about nothing.
func NewBudgets(list []policyv1.PodDisruptionBudget) Budgets {
	out := Budgets{}
	for i := range list {
		if selector, err := metav1.LabelSelectorAsSelector(list[i].Spec.Selector); err == nil {
			out[list[i].Namespace] = append(out[list[i].Namespace], selecting{&list[i], selector})
		}
	}
	return out
}

// budget says what the eviction API will answer, which asks the budgets itself: nothing is evicted because of what it says here.
func budget(q *question) verdict {
	if q.pod.Status.Phase == corev1.PodPending { // what does not run yet counts in no budget
		return verdict{}
	}
	over := q.budgets.covering(q.pod)
	switch {
	case len(over) == 0:
		return verdict{}
	case len(over) > 1:
		names := make([]string, 0, len(over))
		for _, b := range over {
			names = append(names, b.Name)
		}
		slices.Sort(names)
		return verdict{answer: held, reason: ReasonManyBudgets, message: fmt.Sprintf(
			"the PodDisruptionBudgets %s are about it, and a pod with more than one is never evicted", strings.Join(names, ", "))}
	case allows(over[0], q.pod):
		return verdict{}
	}
	return verdict{answer: refused, reason: ReasonBudget, message: fmt.Sprintf("PodDisruptionBudget %s allows no disruption now", over[0].Name)}
}

// covering returns the budgets that are about a pod. None is about pods without labels, whatever it selects.
func (b Budgets) covering(pod *corev1.Pod) []*policyv1.PodDisruptionBudget {
	if len(pod.Labels) == 0 {
		return nil
	}
	var out []*policyv1.PodDisruptionBudget
	for _, s := range b[pod.Namespace] {
		if s.selector.Matches(labels.Set(pod.Labels)) {
			out = append(out, s.PodDisruptionBudget)
		}
	}
	return out
}

// allows reports whether a budget lets a pod go now. Pods that are not ready are no loss where the others are enough, or where
// the budget says so.
func allows(b *policyv1.PodDisruptionBudget, pod *corev1.Pod) bool {
	if !isReady(pod) {
		if ptr.Deref(b.Spec.UnhealthyPodEvictionPolicy, policyv1.IfHealthyBudget) == policyv1.AlwaysAllow {
			return true
		}
		if b.Status.DesiredHealthy > 0 && b.Status.CurrentHealthy >= b.Status.DesiredHealthy {
			return true
		}
	}
	return b.Status.ObservedGeneration >= b.Generation && b.Status.DisruptionsAllowed > 0
}

func isReady(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}
