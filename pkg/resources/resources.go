// Package resources is arithmetic on lists of resources: sums, differences, comparisons.
package resources

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Sum returns the sum of the lists, name by name.
func Sum(lists ...corev1.ResourceList) corev1.ResourceList {
	out := corev1.ResourceList{}
	for _, list := range lists {
		for name, q := range list {
			total := out[name]
			total.Add(q)
			out[name] = total
		}
	}
	return out
}

// Add adds list to total in place, without touching list's quantities.
func Add(total, list corev1.ResourceList) {
	for name, q := range list {
		sum, ok := total[name]
		if !ok {
			total[name] = q.DeepCopy()
			continue
		}
		sum.Add(q)
		total[name] = sum
	}
}

// Raise lifts total to at least list in place, name by name, without touching list's quantities.
func Raise(total, list corev1.ResourceList) {
	for name, q := range list {
		if old, ok := total[name]; !ok || q.Cmp(old) > 0 {
			total[name] = q.DeepCopy()
		}
	}
}

// Sub returns a less b, name by name; the result may be negative.
func Sub(a, b corev1.ResourceList) corev1.ResourceList {
	out := make(corev1.ResourceList, len(a))
	for name, q := range a {
		out[name] = q.DeepCopy()
	}
	for name, q := range b {
		left := out[name]
		left.Sub(q)
		out[name] = left
	}
	return out
}

// Max returns the larger quantity of each name.
func Max(lists ...corev1.ResourceList) corev1.ResourceList {
	out := corev1.ResourceList{}
	for _, list := range lists {
		Raise(out, list)
	}
	return out
}

// Exceeding returns the names of a whose quantity is above that of b, in order; what b does not name counts as zero.
func Exceeding(a, b corev1.ResourceList) []corev1.ResourceName {
	var out []corev1.ResourceName
	for name, q := range a {
		if q.Cmp(b[name]) > 0 {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// Positive returns list without negative quantities, which become zero.
func Positive(list corev1.ResourceList) corev1.ResourceList {
	out := make(corev1.ResourceList, len(list))
	for name, q := range list {
		if q.Sign() < 0 {
			q = *resource.NewQuantity(0, q.Format)
		}
		out[name] = q
	}
	return out
}
