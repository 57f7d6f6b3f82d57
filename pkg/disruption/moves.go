package disruption

import (
	"cmp"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// Memory is for how long moves are remembered.
	Memory = 7 * day
	day    = 24 * time.Hour
)

// Moves is a memory of which pods were moved. A pod that is evicted comes back as another one, so that pods are remembered by their
// controller: of its pods, as many of the youngest as were moved are those that came in their place.
type Moves struct {
	// Since is when the memory begins. Which of the pods that are older were moved is not known: all of them count as moved.
	Since time.Time
	// ByOwner maps the UID of a controller -> when pods of it were evicted, one time for each.
	ByOwner map[types.UID][]time.Time
	// InVain maps the UID of a controller -> when it showed that a move of its pods saved nothing, as one more machine was bought for it.
	InVain map[types.UID][]time.Time
}

// Disappoint notes that a move of pods of these controllers saved nothing.
func (m *Moves) Disappoint(owners []types.UID, now time.Time) {
	if m.InVain == nil {
		m.InVain = map[types.UID][]time.Time{}
	}
	for _, owner := range owners {
		m.InVain[owner] = append(m.InVain[owner], now)
	}
}

// Add notes that pods are moved.
func (m *Moves) Add(moved []*corev1.Pod, now time.Time) {
	for _, pod := range moved {
		if owner := metav1.GetControllerOfNoCopy(pod); owner != nil {
			if m.ByOwner == nil {
				m.ByOwner = map[types.UID][]time.Time{}
			}
			m.ByOwner[owner.UID] = append(m.ByOwner[owner.UID], now)
		}
	}
}

// Clone returns a copy that others may read while this one grows.
func (m *Moves) Clone() Moves {
	return Moves{Since: m.Since, ByOwner: cloned(m.ByOwner), InVain: cloned(m.InVain)}
}

// Forget drops what is older than Memory.
func (m *Moves) Forget(now time.Time) {
	for _, byOwner := range []map[types.UID][]time.Time{m.ByOwner, m.InVain} {
		for owner, times := range byOwner {
			byOwner[owner] = slices.DeleteFunc(times, func(at time.Time) bool { return now.Sub(at) >= Memory })
		}
		maps.DeleteFunc(byOwner, func(_ types.UID, times []time.Time) bool { return len(times) == 0 })
	}
}

func cloned(byOwner map[types.UID][]time.Time) map[types.UID][]time.Time {
	out := make(map[types.UID][]time.Time, len(byOwner))
	for owner, times := range byOwner {
		out[owner] = slices.Clone(times)
	}
	return out
}

// within counts the times that are not longer ago than that.
func within(times []time.Time, now time.Time, ago time.Duration) int {
	n := 0
	for _, at := range times {
		if now.Sub(at) < ago {
			n++
		}
	}
	return n
}

// lasting is for how long the pods of a controller are left alone: rest after the first move, four times as long after each further one of
// a day; and for a day once a move of them was in vain, four times as long after each further one.
func (m *Moves) lasting(owner types.UID, pods int, now time.Time, rest time.Duration) time.Duration {
	rounds := (within(m.ByOwner[owner], now, day) + pods - 1) / pods
	out := rest << (2 * max(0, min(rounds-1, 6)))
	if vain := len(m.InVain[owner]); vain > 0 {
		out = max(out, day<<(2*min(vain-1, 3)))
	}
	return out
}

// resting returns until when pods among all are left alone because they were moved.
func (m *Moves) resting(all []*corev1.Pod, now time.Time, rest time.Duration) map[types.UID]time.Time {
	out := map[types.UID]time.Time{}
	byOwner := map[types.UID][]*corev1.Pod{}
	for _, pod := range all {
		created := pod.CreationTimestamp.Time
		owner := metav1.GetControllerOfNoCopy(pod)
		switch {
		case created.Before(m.Since) && now.Sub(created) < rest:
			out[pod.UID] = created.Add(rest)
		case owner != nil && len(m.ByOwner[owner.UID]) > 0:
			byOwner[owner.UID] = append(byOwner[owner.UID], pod)
		}
	}
	for owner, like := range byOwner {
		lasting := m.lasting(owner, len(like), now, rest)
		recent := within(m.ByOwner[owner], now, lasting)
		slices.SortFunc(like, func(a, b *corev1.Pod) int {
			return cmp.Or(b.CreationTimestamp.Compare(a.CreationTimestamp.Time), cmp.Compare(a.UID, b.UID))
		})
		for _, pod := range like[:min(recent, len(like))] {
			if until := pod.CreationTimestamp.Add(lasting); now.Before(until) {
				out[pod.UID] = until
			}
		}
	}
	return out
}
