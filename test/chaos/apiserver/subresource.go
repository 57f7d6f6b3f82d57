package apiserver

import (
	"fmt"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// hasStatus reports whether objects of the kind lose a status that comes with their creation. Nodes keep theirs: kubelets create them
// with it.
func hasStatus(kind string) bool {
	return kind == "Machine" || kind == "Provisioner" || kind == "AWSNodeTemplate"
}

// field returns a field of the struct behind an object; the zero Value where it has none.
func field(object client.Object, name string) reflect.Value {
	return reflect.ValueOf(object).Elem().FieldByName(name)
}

func specOf(object client.Object) any {
	if spec := field(object, "Spec"); spec.IsValid() {
		return spec.Interface()
	}
	return nil
}

// setStatus gives an object the status of another one, or none.
func setStatus(object, of client.Object) error {
	status := field(object, "Status")
	if !status.IsValid() {
		return fmt.Errorf("%T has no status", object)
	}
	if of == nil {
		status.SetZero()
		return nil
	}
	status.Set(field(of, "Status"))
	return nil
}

// Evict deletes a pod if its budgets allow that.
func (s *Store) Evict(by string, pod client.Object, how Deletion) error {
	stored, err := s.find("Pod", client.ObjectKeyFromObject(pod))
	if err != nil {
		return err
	}
	if err := check(how.Preconditions, "Pod", stored); err != nil {
		return err
	}
	victim, ok := stored.(*corev1.Pod)
	if !ok {
		return fmt.Errorf("%T is no pod", stored)
	}
	if victim.DeletionTimestamp.IsZero() && victim.Status.Phase == corev1.PodRunning {
		if err := s.disturb(by, victim); err != nil {
			return err
		}
	}
	return s.Delete(by, VerbEvict, victim, how)
}

// disturb takes one of the disruptions that the pod's budget allows.
func (s *Store) disturb(by string, pod *corev1.Pod) error {
	budgets := s.BudgetsOf(pod)
	switch {
	case len(budgets) == 0:
		return nil
	case len(budgets) > 1:
		return apierrors.NewInternalError(fmt.Errorf("pod %s has more than one PodDisruptionBudget", pod.Name))
	case budgets[0].Status.DisruptionsAllowed < 1:
		return apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", 10)
	}
	return s.Change(by, budgets[0], func(o client.Object) {
		if budget, ok := o.(*policyv1.PodDisruptionBudget); ok {
			budget.Status.DisruptionsAllowed--
		}
	})
}

// BudgetsOf returns the budgets that are about the pod.
func (s *Store) BudgetsOf(pod *corev1.Pod) []*policyv1.PodDisruptionBudget {
	var out []*policyv1.PodDisruptionBudget
	for _, object := range s.of("PodDisruptionBudget") {
		budget, ok := object.(*policyv1.PodDisruptionBudget)
		if !ok || budget.Namespace != pod.Namespace {
			continue
		}
		if selector, err := metav1.LabelSelectorAsSelector(budget.Spec.Selector); err == nil && selector.Matches(labels.Set(pod.Labels)) {
			out = append(out, budget)
		}
	}
	return out
}

// CountBudgets brings the status of all budgets up to date, as the disruption controller does.
func (s *Store) CountBudgets(by string) error {
	for _, object := range s.of("PodDisruptionBudget") {
		budget, ok := object.(*policyv1.PodDisruptionBudget)
		if !ok {
			continue
		}
		selector, err := metav1.LabelSelectorAsSelector(budget.Spec.Selector)
		if err != nil {
			return fmt.Errorf("reading the selector of budget %s: %w", budget.Name, err)
		}
		var all, healthy int
		for _, o := range s.of("Pod") {
			pod, ok := o.(*corev1.Pod)
			if !ok || pod.Namespace != budget.Namespace || !selector.Matches(labels.Set(pod.Labels)) {
				continue
			}
			all++
			if pod.DeletionTimestamp.IsZero() && pod.Status.Phase == corev1.PodRunning {
				healthy++
			}
		}
		desired, err := desiredHealthy(budget, all)
		if err != nil {
			return err
		}
		err = s.Change(by, budget, func(o client.Object) {
			if b, ok := o.(*policyv1.PodDisruptionBudget); ok {
				b.Status.ExpectedPods, b.Status.CurrentHealthy, b.Status.DesiredHealthy = int32(all), int32(healthy), int32(desired) //nolint:gosec // a handful of pods
				b.Status.DisruptionsAllowed = int32(max(healthy-desired, 0))                                                         //nolint:gosec // the same
				b.Status.ObservedGeneration = b.Generation
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func desiredHealthy(budget *policyv1.PodDisruptionBudget, all int) (int, error) {
	if budget.Spec.MaxUnavailable != nil {
		most, err := intstr.GetScaledValueFromIntOrPercent(budget.Spec.MaxUnavailable, all, true)
		if err != nil {
			return 0, fmt.Errorf("reading budget %s: %w", budget.Name, err)
		}
		return max(all-most, 0), nil
	}
	if budget.Spec.MinAvailable == nil {
		return 0, nil
	}
	least, err := intstr.GetScaledValueFromIntOrPercent(budget.Spec.MinAvailable, all, true)
	if err != nil {
		return 0, fmt.Errorf("reading budget %s: %w", budget.Name, err)
	}
	return least, nil
}
