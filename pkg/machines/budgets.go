package machines

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Budgets returns the PodDisruptionBudgets of the namespaces that pods are in.
func Budgets(ctx context.Context, reader client.Reader, list []*corev1.Pod) ([]policyv1.PodDisruptionBudget, error) {
	var namespaces []string
	for _, pod := range list {
		if !slices.Contains(namespaces, pod.Namespace) {
			namespaces = append(namespaces, pod.Namespace)
		}
	}
	var out []policyv1.PodDisruptionBudget
	for _, namespace := range namespaces {
		var budgets policyv1.PodDisruptionBudgetList
		if err := reader.List(ctx, &budgets, client.InNamespace(namespace)); err != nil {
			return nil, fmt.Errorf("listing disruption budgets of namespace %s: %w", namespace, err)
		}
		out = append(out, budgets.Items...)
	}
	return out, nil
}
