package world

import (
	"errors"
	"maps"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Classes of faults that are neither steps nor AWS's.
const (
	// ClassCrash ends a process, ClassFreeze is a watch that shows nothing new for a time.
	ClassCrash  = "crash"
	ClassFreeze = "frozen-watch"
	// ClassAPILost loses the answer of a write that the API server has committed; ClassAPIRefused refuses it before.
	ClassAPILost    = "api-answer-lost"
	ClassAPIRefused = "api-refused"
	// ClassBehind has a process begin with what was, and not with what is.
	ClassBehind = "stale-start"
	// ClassClock has the clock of a process be wrong.
	ClassClock = "wrong-clock"
)

// errTimeout is what a client hears of an answer that was lost on its way.
var errTimeout = errors.New("http2: client connection lost")

// strikes reports whether a fault of the class strikes now.
func (w *World) strikes(class string) bool {
	since := w.since()
	i := slices.IndexFunc(w.plan.Windows, func(v Window) bool { return v.Class == class && since >= v.From && since < v.Until })
	if i < 0 || w.rand.Float64() >= w.plan.Windows[i].Share {
		return false
	}
	w.hits[class]++
	return true
}

// rewind has a process that is not the first begin as far behind as the plan says.
func (w *World) rewind(p *process) {
	if p.number == 1 {
		return
	}
	for _, kind := range slices.Sorted(maps.Keys(w.plan.Behind)) {
		if p.cache.Rewind(kind, time.Now().Add(-w.plan.Behind[kind].By)) {
			w.hits[ClassBehind]++
		}
	}
}

// lagFrom returns how a process that starts now sees changes: as all do, and those of kinds that it is behind with not before it has
// caught up.
func (w *World) lagFrom(process int) func(string, time.Time) time.Time {
	start := time.Now()
	return func(kind string, at time.Time) time.Time {
		due := w.lag(kind, at)
		if behind, ok := w.plan.Behind[kind]; ok && process > 1 {
			if caught := start.Add(behind.For); due.Before(caught) {
				return caught
			}
		}
		return due
	}
}

// decide says what becomes of a call of the API server; AWS has its own ways to fail.
func (w *World) decide(call *parked) decision {
	switch {
	case call.api == nil:
		return decision{}
	case w.strikes(ClassAPIRefused):
		return decision{skip: true, err: apierrors.NewTooManyRequests("the API server is overloaded", 1)}
	case w.strikes(ClassAPILost):
		return decision{err: errTimeout}
	default:
		return decision{}
	}
}
