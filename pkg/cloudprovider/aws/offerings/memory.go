// Package offerings remembers where the cloud lately had no capacity.
package offerings

import (
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// An offering that gave nothing is left alone for firstRest, and twice as long each time that it is tried again in vain, up
// to longestRest: a shortage may pass within a minute, a limit of the account not before a person acts.
const (
	firstRest   = 45 * time.Second
	longestRest = 30 * time.Minute
)

// Offering is a place and a way in which an instance type can be bought.
type Offering struct{ InstanceType, Zone, CapacityType string }

// Memory keeps offerings that gave nothing for a time, after which they may be tried again. It is safe for concurrent use.
type Memory struct {
	clock clock.PassiveClock

	mu         sync.Mutex
	generation uint64            // changes with what Available answers
	rests      map[Offering]rest // offering -> how it is left alone
	next       time.Time         // the earliest time at which a rest ends or is forgotten
}

// rest is a time in which an offering is left alone. It is remembered beyond its end, for the next to be longer.
type rest struct {
	until time.Time
	long  time.Duration
	over  bool
}

// changes returns when the rest ends, or when it is over, is forgotten.
func (r rest) changes() time.Time {
	if r.over {
		return r.until.Add(longestRest)
	}
	return r.until
}

// NewMemory returns an empty memory.
func NewMemory(clock clock.PassiveClock) *Memory {
	return &Memory{clock: clock, rests: map[Offering]rest{}}
}

// MarkUnavailable keeps the offering from being chosen for a time that starts now. Failures of the same time do not add up.
func (m *Memory) MarkUnavailable(o Offering) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pass()
	r, known := m.rests[o]
	switch {
	case !known:
		r.long = firstRest
		m.generation++
	case r.over:
		r.long = min(2*r.long, longestRest)
		m.generation++
	}
	r.until, r.over = m.clock.Now().Add(r.long), false
	m.rests[o] = r
	m.wake(r)
}

// MarkAvailable notes that the offering gave an instance.
func (m *Memory) MarkAvailable(o Offering) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pass()
	if r, known := m.rests[o]; known && !r.over {
		m.generation++
	}
	delete(m.rests, o)
}

// Available reports whether the offering may be tried.
func (m *Memory) Available(instanceType, zone, capacityType string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pass()
	r, known := m.rests[Offering{instanceType, zone, capacityType}]
	return !known || r.over
}

// Generation changes whenever an answer of Available does, with time too.
func (m *Memory) Generation() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pass()
	return m.generation
}

// pass ends and forgets what time has come for. The caller holds the lock.
func (m *Memory) pass() {
	now := m.clock.Now()
	if m.next.IsZero() || now.Before(m.next) {
		return
	}
	m.next = time.Time{}
	for o, r := range m.rests {
		if !r.over && !now.Before(r.until) {
			r.over = true
			m.rests[o] = r
			m.generation++
		}
		if r.over && !now.Before(r.changes()) {
			delete(m.rests, o)
			continue
		}
		m.wake(r)
	}
}

func (m *Memory) wake(r rest) {
	if at := r.changes(); m.next.IsZero() || at.Before(m.next) {
		m.next = at
	}
}
