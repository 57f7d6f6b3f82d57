package judge

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/kerf-autoscaler/kerf/test/conformance/scheduler"
	"github.com/kerf-autoscaler/kerf/test/conformance/world"
)

// seat is a pod and the node that the plan has for it.
type seat struct {
	pod  *corev1.Pod
	node string
}

// seats returns all planned pods.
func (j *judge) seats() []seat {
	var out []seat
	for _, m := range j.cluster {
		for _, pod := range m.planned {
			out = append(out, seat{pod, m.node.Name})
		}
	}
	return out
}

// bindAll binds the planned pods one after the other where the plan puts them, and returns what the filters say of those that
// they never let pass. The scheduler takes pods in an order of its own, so one in which all go is enough: the plan's is tried,
// then one in which the choosy go before those who do not care, whom they count. After that, those come first that were refused
// most often, and then who lets one of those in; who is first of equals is drawn.
func (j *judge) bindAll(ctx context.Context) ([]Disagreement, error) {
	const attempts = 24
	seats := j.seats()
	first, err := j.bind(ctx, seats, inTurn)
	if err != nil || len(first) == 0 {
		return nil, err
	}
	slices.SortStableFunc(seats, func(a, b seat) int { return ease(a.pod) - ease(b.pod) })
	refused, err := j.bind(ctx, seats, restarting)
	times := map[*corev1.Pod]int{}
	for attempt := 0; err == nil && len(refused) > 0 && attempt < attempts; attempt++ {
		for _, d := range refused {
			times[d.Pod]++
		}
		j.random.Shuffle(len(seats), func(a, b int) { seats[a], seats[b] = seats[b], seats[a] })
		slices.SortStableFunc(seats, func(a, b seat) int { return times[b.pod] - times[a.pod] })
		refused, err = j.bind(ctx, seats, unlocking)
	}
	if err != nil || len(refused) == 0 {
		return nil, err
	}
	return first, nil
}

// ask returns why the pod may not go to the node. If that helps, what is expendable there gives way, and is gone.
func (j *judge) ask(ctx context.Context, pod *corev1.Pod, node string) (scheduler.Refusal, error) {
	refusal, err := j.scheduler.Ask(ctx, pod, node)
	if err != nil || refusal.None() || world.NeverPreempts(pod) {
		return refusal, err
	}
	evicted := j.scheduler.Evict(node, world.Expendable)
	if len(evicted) == 0 {
		return refusal, nil
	}
	again, err := j.scheduler.Ask(ctx, pod, node)
	if err == nil && again.None() {
		for _, e := range evicted {
			j.evicted = append(j.evicted, seat{e, node})
		}
		return again, nil
	}
	for _, e := range evicted {
		j.scheduler.Bind(e, node)
	}
	return refusal, err
}

// ease is the lower the more a pod minds which others are there before it.
func ease(pod *corev1.Pod) int {
	least := 3
	for _, c := range pod.Spec.TopologySpreadConstraints {
		if c.WhenUnsatisfiable != corev1.DoNotSchedule {
			continue
		}
		least = min(least, 1)
		if s, err := metav1.LabelSelectorAsSelector(c.LabelSelector); err == nil && !s.Matches(labels.Set(pod.Labels)) {
			least = 0 // it counts others only: where it may go can but get less
		}
	}
	if pod.Spec.Affinity != nil && pod.Spec.Affinity.PodAffinity != nil {
		least = min(least, 2)
	}
	return least
}

// manner says how pods are bound that wait in a queue.
type manner int

const (
	// inTurn asks all that wait, again and again.
	inTurn manner = iota
	// restarting asks from the first on again after each that is bound.
	restarting
	// unlocking does so, too, but where the first is refused it binds somebody who changes that, if there is anybody.
	unlocking
)

// bind starts from the cluster without the planned pods and binds them in order, as long as one passes.
func (j *judge) bind(ctx context.Context, seats []seat, how manner) ([]Disagreement, error) {
	j.scheduler.Clear()
	j.evicted = nil
	for i := range j.cluster {
		m := &j.cluster[i]
		j.scheduler.Add(m.node, slices.Concat(j.before(m, m.node), m.yielding)...)
	}
	waiting := slices.Clone(seats)
	for len(waiting) > 0 {
		var refused []Disagreement
		var rest []seat
		for i, s := range waiting {
			refusal, err := j.ask(ctx, s.pod, s.node)
			if err != nil {
				return nil, err
			}
			if !refusal.None() {
				rest = append(rest, s)
				refused = append(refused, Disagreement{Placed, refusal.Plugin, s.pod, fmt.Sprintf("is refused on %s: %s", j.describe(s.node), refusal)})
				continue
			}
			chosen := i
			if how == unlocking && i > 0 {
				if chosen, err = j.unlock(ctx, waiting, i); err != nil {
					return nil, err
				}
			}
			j.scheduler.Bind(waiting[chosen].pod, waiting[chosen].node)
			if how != inTurn {
				rest = slices.Delete(slices.Clone(waiting), chosen, chosen+1)
				break
			}
		}
		if len(rest) == len(waiting) {
			return refused, nil
		}
		waiting = rest
	}
	return nil, nil
}

// unlock returns the place in the queue, at or after a pod that passes, of one that passes and lets the first in; that pod's if
// there is none.
func (j *judge) unlock(ctx context.Context, waiting []seat, from int) (int, error) {
	for i := from; i < len(waiting); i++ {
		s := waiting[i]
		refusal, err := j.ask(ctx, s.pod, s.node)
		if err != nil {
			return 0, err
		}
		if !refusal.None() {
			continue
		}
		j.scheduler.Bind(s.pod, s.node)
		refusal, err = j.ask(ctx, waiting[0].pod, waiting[0].node)
		j.scheduler.Evict(s.node, func(pod *corev1.Pod) bool { return pod.UID == s.pod.UID })
		if err != nil {
			return 0, err
		}
		if refusal.None() {
			return i, nil
		}
	}
	return from, nil
}
