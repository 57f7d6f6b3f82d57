package disruption

import (
	"cmp"
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
	// comesWithin is how soon after the eviction of a pod its controller makes another, at the latest if nothing is amiss.
	comesWithin = 2 * time.Minute
	// comesAtLast is the same where something is: a drain that has to wait, or a quota.
	comesAtLast = 15 * time.Minute
)

// Moves is a memory of which pods were moved. A pod that is evicted comes back as another one, so that pods are remembered by their
// controller, and a pod that is made right after one of the same controller was evicted counts as what came in its place.
type Moves struct {
	// Since is when the memory begins. Which of the pods that are older were moved is not known: all of them count as moved.
	Since time.Time
	// ByOwner maps the UID of a controller -> when pods of it were evicted, one time for each, in order.
	ByOwner map[types.UID][]time.Time
	// Made maps the UID of a controller -> when those pods had been made, beside the times of ByOwner.
	Made map[types.UID][]time.Time
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
			if m.Made == nil {
				m.Made = map[types.UID][]time.Time{}
			}
			// What was noted by others than this has no time beside it.
			for len(m.Made[owner.UID]) < len(m.ByOwner[owner.UID]) {
				m.Made[owner.UID] = append(m.Made[owner.UID], time.Time{})
			}
			m.ByOwner[owner.UID] = append(m.ByOwner[owner.UID], now)
			m.Made[owner.UID] = append(m.Made[owner.UID], pod.CreationTimestamp.Time)
		}
	}
}

// Clone returns a copy that others may read while this one grows.
func (m *Moves) Clone() Moves {
	return Moves{Since: m.Since, ByOwner: cloned(m.ByOwner), Made: cloned(m.Made), InVain: cloned(m.InVain)}
}

// Forget drops what is older than Memory.
func (m *Moves) Forget(now time.Time) {
	for owner, times := range m.ByOwner {
		old := 0
		for old < len(times) && now.Sub(times[old]) >= Memory {
			old++
		}
		m.ByOwner[owner] = slices.Delete(times, 0, old)
		if made := m.Made[owner]; len(made) > 0 {
			m.Made[owner] = slices.Delete(made, 0, min(old, len(made)))
		}
		if len(m.ByOwner[owner]) == 0 {
			delete(m.ByOwner, owner)
			delete(m.Made, owner)
		}
	}
	for owner, times := range m.InVain {
		m.InVain[owner] = slices.DeleteFunc(times, func(at time.Time) bool { return now.Sub(at) >= Memory })
		if len(m.InVain[owner]) == 0 {
			delete(m.InVain, owner)
		}
	}
}

func cloned(byOwner map[types.UID][]time.Time) map[types.UID][]time.Time {
	out := make(map[types.UID][]time.Time, len(byOwner))
	for owner, times := range byOwner {
		out[owner] = slices.Clone(times)
	}
	return out
}

// depths returns for each move of a controller's pods how many moves of the last day led to it, itself included, of a pod and of those
// that it came in the place of.
func (m *Moves) depths(owner types.UID, now time.Time) []int {
	times, made := m.ByOwner[owner], m.Made[owner]
	out := make([]int, len(times))
	for i, at := range times {
		out[i] = 1
		if i < len(made) && now.Sub(at) < day {
			out[i] += m.led(times[:i], out, made[i])
		}
	}
	return out
}

// led is how many moves led to a pod that was made then.
func (m *Moves) led(times []time.Time, depths []int, made time.Time) int {
	most := 0
	first, _ := slices.BinarySearchFunc(times, made.Add(-comesWithin), time.Time.Compare)
	for i := first; i < len(times) && !times[i].Truncate(time.Second).After(made); i++ {
		most = max(most, depths[i])
	}
	return most
}

// resting returns until when pods among all are left alone because they were moved: rest after the first move, four times as long after
// each further one of a day; and for a day once a move of pods of their controller was in vain, four times as long after each further one.
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
		slices.SortFunc(like, func(a, b *corev1.Pod) int {
			return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.UID, b.UID))
		})
		var vain time.Duration
		if n := len(m.InVain[owner]); n > 0 {
			vain = day << (2 * min(n-1, 3))
		}
		for pod, depth := range m.moved(owner, like, now) {
			lasting := max(vain, rest<<(2*max(0, min(depth-1, 6))))
			if until := pod.CreationTimestamp.Add(lasting); now.Before(until) {
				out[pod.UID] = until
			}
		}
	}
	return out
}

// moved maps those of a controller's pods, in the order in which they were made, that came in the place of moved ones -> how many moves
// led to them. Who came for whom is not known for sure: each that was made soon after a move may be it, and where there are
// fewer of them than moves, those that were made next, unless so late that the one that came has gone already.
func (m *Moves) moved(owner types.UID, like []*corev1.Pod, now time.Time) map[*corev1.Pod]int {
	times, depths := m.ByOwner[owner], m.depths(owner, now)
	out := map[*corev1.Pod]int{}
	for _, pod := range like {
		if n := m.led(times, depths, pod.CreationTimestamp.Time); n > 0 {
			out[pod] = n
		}
	}
	next := 0
	for i, at := range times {
		for next < len(like) && like[next].CreationTimestamp.Time.Before(at.Truncate(time.Second)) {
			next++
		}
		if next == len(like) {
			break
		}
		if like[next].CreationTimestamp.Sub(at) > comesAtLast {
			continue
		}
		out[like[next]] = max(out[like[next]], depths[i])
		next++
	}
	return out
}
