package live

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/kerf-autoscaler/kerf/test/chaos/history"
)

// recorder puts what happened in order. The versions of objects come from one counter of the API server's, so they tell which write
// came before which, however late each was seen; a call of AWS has the version that was newest when it took effect.
type recorder struct {
	mu      sync.Mutex
	entries []entry
	// seen is the newest version that anybody has seen.
	seen uint64
	// closed says that the world has come to its end: what is cleared away is no part of it.
	closed bool
}

// entry is an event and the version that the API server had.
type entry struct {
	version uint64
	event   history.Event
}

func (r *recorder) add(version uint64, event history.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	event.At = time.Now()
	r.seen = max(r.seen, version)
	if !r.closed {
		r.entries = append(r.entries, entry{version, event})
	}
}

// end ends the recording.
func (r *recorder) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}

// call records a call that is about to take effect, and returns what takes note of how it went.
func (r *recorder) call(version uint64, process int, call *history.Call) func(func()) {
	r.add(version, history.Event{Process: process, Call: call})
	return func(change func()) {
		r.mu.Lock()
		defer r.mu.Unlock()
		change()
	}
}

// newest is the newest version that anybody has seen.
func (r *recorder) newest() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen
}

// history returns all that happened in its order. Of what was seen too late the time is that of what came after it.
func (r *recorder) history(terms history.Terms) history.History {
	r.mu.Lock()
	defer r.mu.Unlock()
	entries := slices.Clone(r.entries)
	slices.SortStableFunc(entries, func(a, b entry) int {
		if c := cmp.Compare(a.version, b.version); c != 0 {
			return c
		}
		return cmp.Compare(rank(a), rank(b))
	})
	out := history.History{Terms: terms}
	var next time.Time
	for i := range slices.Backward(entries) {
		event := entries[i].event
		if !next.IsZero() && event.At.After(next) {
			event.At = next
		}
		next = event.At
		out.Events = append(out.Events, event)
	}
	slices.Reverse(out.Events)
	return out
}

// rank puts the write of a version before what happened once it was there.
func rank(e entry) int {
	if e.event.Write != nil {
		return 0
	}
	return 1
}
