package drain_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/drain"
)

// drains is how many are simulated.
const drains = 500

// simulated is how one drain went.
type simulated struct {
	*world
	done bool
	// told maps pod -> when it was first said to block.
	told map[string]time.Time
}

// simulate drains the node of a world, as a controller would: it looks every five seconds or when the step says, mostly at what
// a cache shows that lags by up to three seconds, and believes that all is done only if the API server itself says so.
func simulate(w *world, limit time.Duration) simulated {
	out := simulated{world: w, told: map[string]time.Time{}}
	asked := map[*corev1.Pod]bool{}
	next := w.now
	for end := w.now.Add(limit); w.now.Before(end) && !out.done; w.tick() {
		if !w.now.Before(next) {
			step := w.look(w.cached())
			if step.Done() {
				step = w.look(w.live())
			}
			out.done = step.Done()
			next = w.now.Add(5 * time.Second)
			if !step.Again.IsZero() && step.Again.Before(next) {
				next = step.Again
			}
			clear(asked)
			for _, pod := range step.Evict {
				asked[pod] = true
			}
			for _, deletion := range step.Delete {
				w.delete(deletion.Pod, deletion.Grace)
			}
			for _, blocker := range step.Blocked {
				if name := string(blocker.Pod.UID); out.told[name].IsZero() {
					out.told[name] = w.now
				}
			}
		}
		if int(w.now.Sub(w.started).Seconds())%3 != 0 { // the time between one try and the next
			continue
		}
		for _, pod := range inOrder(asked) {
			if w.evict(pod) {
				delete(asked, pod)
			}
		}
	}
	return out
}

func (w *world) look(list []*corev1.Pod) drain.Step {
	return drain.Next(drain.Input{
		Pods: list, Budgets: w.budgets, Policy: strict(), Now: w.now, Started: w.started, Deadline: w.deadline,
	})
}

func TestDrainsAgainstAnEvictionAPI(t *testing.T) {
	var total counts
	for seed := range drains {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			w := newWorld(rand.New(rand.NewPCG(uint64(seed), 11)))
			blockers := w.blockers()
			limit := 30 * time.Minute
			if len(blockers) > 0 {
				limit = 12 * time.Minute
			}
			out := simulate(w, limit)
			maps.DeleteFunc(blockers, func(uid string, _ bool) bool { return w.gone(uid) })
			for _, fault := range w.faults {
				t.Error(fault)
			}
			switch {
			case !w.deadline.IsZero() && !out.done:
				t.Errorf("there is no end %s after the deadline", w.now.Sub(w.deadline))
			case !w.deadline.IsZero() && w.now.Sub(w.deadline) > 10*time.Second:
				t.Errorf("it ends %s after the deadline", w.now.Sub(w.deadline))
			case w.deadline.IsZero() && out.done == (len(blockers) > 0):
				t.Errorf("done is %t, and %v block", out.done, blockers)
			}
			if left := w.left(); out.done && w.now.Before(w.deadline) && len(left) > 0 {
				t.Errorf("done, and %v are there", left)
			}
			for uid := range blockers {
				if at := out.told[uid]; !w.started.Add(time.Minute).After(w.now) && (at.IsZero() || at.Sub(w.started) > time.Minute) {
					t.Errorf("that %s blocks was told at %s, and the drain began at %s", uid, at, w.started)
				}
			}
			total.add(w.counts)
		})
	}
	t.Logf("%d drains: %+v", drains, total)
	for name, n := range map[string]int{
		"evictions": total.evicted, "refusals by a budget": total.refused, "answers that were lost": total.failed, "deletions": total.deleted,
		"pods of a name that was taken over": total.spared, "pods that never end": total.stuck, "pods with two budgets": total.overlapping,
		"pods that hold": total.holding,
	} {
		if n == 0 {
			t.Errorf("no drain met: %s", name)
		}
	}
}
