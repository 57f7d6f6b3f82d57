package solver

import (
	corev1 "k8s.io/api/core/v1"
)

// wishes say how far the preferences of a pod are held to, as if they were requirements. They are given up one at a time, in
// the order of the fields.
type wishes struct {
	affinity, antiAffinity, node, spreads wish
	// untainted keeps off nodes with taints of the effect PreferNoSchedule.
	untainted bool
}

// mostWishes bounds the preferences of one kind that a pod is held to, the heaviest: each that is given up is another try.
const mostWishes = 32

// wish counts the preferences of one kind that a pod has, and those that it has given up.
type wish struct{ all, given int }

// wishFor returns the wish for so many preferences of one kind.
func wishFor(terms int) wish { return wish{all: min(terms, mostWishes)} }

func (w wish) left() bool { return w.given < w.all }

// wishesOf returns all that the pod would like.
func (b *rulebook) wishesOf(pod *corev1.Pod) wishes {
	var w wishes
	if !b.preferences {
		return w
	}
	w.untainted = b.discouraged
	if a := pod.Spec.Affinity; a != nil {
		if a.PodAffinity != nil {
			w.affinity = wishFor(len(a.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution))
		}
		if a.PodAntiAffinity != nil {
			w.antiAffinity = wishFor(len(a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution))
		}
		if a.NodeAffinity != nil {
			w.node = wishFor(len(a.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution))
		}
	}
	for i := range pod.Spec.TopologySpreadConstraints {
		if pod.Spec.TopologySpreadConstraints[i].WhenUnsatisfiable != corev1.DoNotSchedule {
			w.spreads.all++
		}
	}
	w.spreads = wishFor(w.spreads.all)
	return w
}

// relax gives up the next preference; false if there is none.
func (w *wishes) relax() bool {
	for _, kind := range []*wish{&w.affinity, &w.antiAffinity, &w.node, &w.spreads} {
		if kind.left() {
			kind.given++
			return true
		}
	}
	had := w.untainted
	w.untainted = false
	return had
}
