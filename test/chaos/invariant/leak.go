package invariant

import (
	"cmp"
	"slices"
	"time"

	"github.com/kerf-autoscaler/kerf/test/chaos/history"
)

// orphanedFor is how long an instance may live without a machine.
const orphanedFor = 3 * time.Minute

// noLeak holds if no instance of kerf's lives for longer without a machine. While things go wrong, and kerf may not know, the time
// does not count.
func noLeak(h *history.History) []Violation {
	f := find(NoLeak)
	calm := h.Calm()
	if calm.IsZero() {
		return nil
	}
	since := map[string]time.Time{} // id of an instance -> since when it has had no machine
	h.Walk(nil, func(v *history.View, e *history.Event) {
		if e.At.Before(calm) {
			return
		}
		for _, life := range orphans(v, h.Terms.ClusterUID, since) {
			if _, known := since[life.ID]; !known {
				since[life.ID] = e.At
			}
			if e.At.Sub(since[life.ID]) > orphanedFor {
				f.add(e.At, life.ID, "instance %s, born at %s, has had no machine for %s", life.ID, life.Born.UTC().Format("15:04:05"), e.At.Sub(since[life.ID]))
			}
		}
	})
	return f.out
}

// orphans returns the instances of the cluster that live without a machine, in order of id, and forgets since when of all others.
func orphans(v *history.View, cluster string, since map[string]time.Time) []*history.Life {
	return lives(v, func(life *history.Life) bool {
		orphan := life.Live() && life.ClusterUID == cluster && !v.Claimed(life)
		if !orphan {
			delete(since, life.ID)
		}
		return orphan
	})
}

// lives returns those instances that matter, in order of id.
func lives(v *history.View, matters func(*history.Life) bool) []*history.Life {
	var out []*history.Life
	for _, life := range v.Instances {
		if matters(life) {
			out = append(out, life)
		}
	}
	slices.SortFunc(out, func(a, b *history.Life) int { return cmp.Compare(a.ID, b.ID) })
	return out
}
