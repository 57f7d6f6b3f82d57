package solver

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// budget is what a provisioner's limits leave, in thousandths.
type budget struct {
	names []corev1.ResourceName
	left  vector
}

func newBudget(remaining corev1.ResourceList) *budget {
	b := &budget{names: slices.Sorted(maps.Keys(remaining))}
	for _, name := range b.names {
		b.left = append(b.left, milli(remaining[name]))
	}
	return b
}

// charge returns what a machine of this capacity costs of the limits.
func (b *budget) charge(capacity corev1.ResourceList) vector {
	v := make(vector, len(b.names))
	for i, name := range b.names {
		if name == v1alpha5.ResourceNodes {
			v[i] = 1000
		} else {
			v[i] = max(milli(capacity[name]), 0)
		}
	}
	return v
}

// copies returns how many machines of a charge the limits leave room for, at most most.
func (b *budget) copies(charge vector, most int) int { return charge.times(b.left, most) }

// spend takes the charge of n machines; a negative n gives it back.
func (b *budget) spend(charge vector, n int) { b.left.sub(charge, int64(n)) }

// exhausted returns the place of the first limit that a machine of this charge would overshoot.
func (b *budget) exhausted(charge vector) (int, bool) {
	for i := range b.names {
		if charge[i] > 0 && charge[i] > b.left[i] {
			return i, true
		}
	}
	return 0, false
}

// share returns what each of n machines may cost more than planned without overshooting any limit.
func (b *budget) share(n int) vector {
	v := b.left.clone()
	for i := range v {
		v[i] = max(v[i], 0) / int64(max(n, 1))
	}
	return v
}

// binds reports whether a machine of this charge would overshoot a limit.
func (b *budget) binds(charge vector) bool {
	_, over := b.exhausted(charge)
	return over
}
