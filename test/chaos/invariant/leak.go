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
		for _, life := range lives(v) {
			if !life.Live() || life.ClusterUID != h.Terms.ClusterUID || v.Claimed(life) {
				delete(since, life.ID)
				continue
			}
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

func lives(v *history.View) []*history.Life {
	out := make([]*history.Life, 0, len(v.Instances))
	for _, life := range v.Instances {
		out = append(out, life)
	}
	slices.SortFunc(out, func(a, b *history.Life) int { return cmp.Compare(a.ID, b.ID) })
	return out
}
