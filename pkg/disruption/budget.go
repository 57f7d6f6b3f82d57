package disruption

import (
	"fmt"
	"math"
	"time"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// Unbounded is how many machines may go where no budget says otherwise.
const Unbounded = math.MaxInt

// longestChain bounds the look ahead at windows that overlap. Where a schedule is denser than its windows are long they never end.
const longestChain = 100

// Fleet counts the machines of one provisioner.
type Fleet struct {
	// Total is how many are initialized and have an instance that nobody has begun to end.
	Total int
	// Unavailable is how many of those are on their way out, or have a node that is not ready.
	Unavailable int
}

// Allowance is how many more machines of a provisioner may go.
type Allowance struct {
	// Machines is how many more; Unbounded if no budget says.
	Machines int
	// Held says which budget lets no more go, and why, for a person; "" if none does.
	Held string
	// Until is when the next window of a budget that is about the reason begins or ends. Time alone changes nothing before that; it is
	// zero if it never does.
	Until time.Time
}

// Allowed returns how many more machines a provisioner may lose for a reason now. Of the budgets that apply the strictest counts, of
// equally strict ones the first. A budget that cannot be read, which only a cluster without webhooks has, lets none go.
func Allowed(budgets []v1alpha5.Budget, reason v1alpha5.DisruptionReason, fleet Fleet, now time.Time) Allowance {
	out := Allowance{Machines: Unbounded}
	for i := range budgets {
		b := &budgets[i]
		if !b.About(reason) {
			continue
		}
		w, err := windowOf(b, now)
		if !w.until.IsZero() && (out.Until.IsZero() || w.until.Before(out.Until)) {
			out.Until = w.until
		}
		if err == nil && !w.open {
			continue
		}
		limit := 0
		if err == nil {
			limit, err = b.Limit(fleet.Total)
		}
		if left := max(0, limit-fleet.Unavailable); left < out.Machines {
			out.Machines = left
			out.Held = held(b, limit, fleet, err)
		}
	}
	if out.Machines > 0 {
		out.Held = ""
	}
	return out
}

// held says why a budget lets no more machines go.
func held(b *v1alpha5.Budget, limit int, fleet Fleet, err error) string {
	if err != nil {
		return fmt.Sprintf("held by budget %q, which cannot be read and so lets none go: %s", b, err)
	}
	return fmt.Sprintf("held by budget %q: %d of %d nodes may be on their way out or not ready, and %d are", b, limit, fleet.Total, fleet.Unavailable)
}

// window is whether a budget applies, and until when that is sure to stay so, zero for ever.
type window struct {
	open  bool
	until time.Time
}

// windowOf returns the window that a time is in, or in front of. Windows begin at their start and are over at their end; a start
// within a window makes it longer.
func windowOf(b *v1alpha5.Budget, now time.Time) (window, error) {
	if b.Schedule == nil && b.Duration == nil {
		return window{open: true}, nil
	}
	if b.Schedule == nil || b.Duration == nil {
		return window{}, fmt.Errorf("schedule and duration go together")
	}
	schedule, err := v1alpha5.ParseSchedule(*b.Schedule)
	if err != nil {
		return window{}, fmt.Errorf("schedule %q: %w", *b.Schedule, err)
	}
	// In UTC no hour is left out or comes twice.
	now = now.UTC()
	start := schedule.Next(now.Add(-b.Duration.Duration))
	if start.IsZero() || start.After(now) {
		return window{until: start}, nil
	}
	end := start.Add(b.Duration.Duration)
	for range longestChain {
		next := schedule.Next(start)
		if next.IsZero() || next.After(end) {
			break
		}
		start, end = next, next.Add(b.Duration.Duration)
	}
	return window{open: true, until: end}, nil
}
