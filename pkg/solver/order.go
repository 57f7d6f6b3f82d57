package solver

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// sortByPod brings a list in which no pod comes twice into the order of the pods. Comparing names takes longest where there are
// most of them, so that the places of many are looked up instead.
func sortByPod[T any](list []T, pods []*corev1.Pod, of func(*T) *corev1.Pod) {
	if len(list) < manyPods {
		slices.SortStableFunc(list, func(a, b T) int { return comparePods(of(&a), of(&b)) })
		return
	}
	at := make(map[*corev1.Pod]int, len(list))
	for i := range list {
		at[of(&list[i])] = i
	}
	if len(at) < len(list) { // somebody asks for the same pod twice
		slices.SortStableFunc(list, func(a, b T) int { return comparePods(of(&a), of(&b)) })
		return
	}
	out := make([]T, 0, len(list))
	for _, pod := range pods {
		if i, ok := at[pod]; ok {
			out = append(out, list[i])
		}
	}
	copy(list, out)
}
