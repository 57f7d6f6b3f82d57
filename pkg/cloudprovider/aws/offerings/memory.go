// Package offerings remembers where the cloud lately had no capacity, and how to find out whether it has some again.
package offerings

import (
	"sync"
	"time"

	"k8s.io/utils/clock"
)

const (
	// firstRest is for how long an offering is left alone that gave nothing. It grows with each try that is in vain. Where
	// nothing else served a request it does not: pods wait for no more than this and the ten seconds or so that a plan and a
	// launch take, less than a minute in all.
	firstRest = 45 * time.Second
	// LongestRest is the default of how long a rest may become. A shortage may last for hours, a limit of the account until a
	// person acts.
	LongestRest = 30 * time.Minute
	// growth is how many times more machines may be tried at once after each success, and how many times shorter the rest gets.
	growth = 4
	// closedFor is for how long nothing is asked of a capacity type that the account cannot buy at all.
	closedFor = 5 * time.Minute
	// proven is how many may be tried at once where no bound is needed any more.
	proven = 256
)

// Offering is a place and a way in which an instance type can be bought.
type Offering struct{ InstanceType, Zone, CapacityType string }

// Memory tells which offerings may be bought. One that gave nothing rests; then it is on trial: one machine may be tried there,
// and many only once that had success. It is safe for concurrent use.
type Memory struct {
	clock   clock.PassiveClock
	longest time.Duration

	mu         sync.Mutex
	generation uint64               // changes with what Standing answers
	lapses     map[Offering]lapse   // offering -> what is remembered of its shortage
	closed     map[string]time.Time // capacity type -> until when nothing of it may be bought
	next       time.Time            // the earliest time at which one of them changes by itself
}

// lapse is a shortage that was met. It is remembered beyond its rest, for the next rest to be longer.
type lapse struct {
	until time.Time     // end of the rest, later of the last success
	rest  time.Duration // as long as it would be if something else served
	trial int           // how many machines may be tried at once; 0 while it rests
}

// NewMemory returns an empty memory. No rest becomes longer than longest, or LongestRest if that is not positive.
func NewMemory(clock clock.PassiveClock, longest time.Duration) *Memory {
	if longest <= 0 {
		longest = LongestRest
	}
	return &Memory{clock: clock, longest: max(longest, firstRest), lapses: map[Offering]lapse{}, closed: map[string]time.Time{}}
}

// MarkUnavailable notes that the offering gave nothing. Failures of the same time do not add up.
func (m *Memory) MarkUnavailable(o Offering) { m.fail(o, m.longest) }

// MarkStarved notes the same of a request that nothing else served either: its pods wait, so that the rest is short.
func (m *Memory) MarkStarved(o Offering) { m.fail(o, firstRest) }

func (m *Memory) fail(o Offering, most time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pass()
	now := m.clock.Now()
	l, known := m.lapses[o]
	if known && l.trial == 0 {
		// It was asked for before it began to rest. Who starves since does not wait for the end of a long rest.
		if sooner := now.Add(most); sooner.Before(l.until) {
			l.until = sooner
		}
	} else {
		l.rest = min(max(2*l.rest, firstRest), m.longest)
		l.until, l.trial = now.Add(min(l.rest, most)), 0
		m.generation++
	}
	m.lapses[o] = l
	m.wake(m.changes(l))
}

// MarkAvailable notes that a request got instances of the offering.
func (m *Memory) MarkAvailable(o Offering) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pass()
	l, known := m.lapses[o]
	if !known {
		return
	}
	m.generation++
	l.until, l.rest, l.trial = m.clock.Now(), l.rest/growth, growth*max(l.trial, 1)
	if l.trial >= proven {
		delete(m.lapses, o)
		return
	}
	m.lapses[o] = l
	m.wake(m.changes(l))
}

// Close notes that the account can buy nothing of a capacity type for now.
func (m *Memory) Close(capacityType string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pass()
	until := m.clock.Now().Add(closedFor)
	m.closed[capacityType] = until
	m.generation++
	m.wake(until)
}

// Standing is whether an offering may be bought, and of how many machines at once; a trial of 0 is no bound.
type Standing struct {
	Available bool
	Trial     int
}

// Standing returns how the offering stands now.
func (m *Memory) Standing(instanceType, zone, capacityType string) Standing {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pass()
	if _, closed := m.closed[capacityType]; closed {
		return Standing{}
	}
	l, known := m.lapses[Offering{instanceType, zone, capacityType}]
	return Standing{Available: !known || l.trial > 0, Trial: l.trial}
}

// Remembered returns how each offering stands that gave nothing lately, in no particular order.
func (m *Memory) Remembered() map[Offering]Standing {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pass()
	out := make(map[Offering]Standing, len(m.lapses))
	for o, l := range m.lapses {
		out[o] = Standing{Available: l.trial > 0, Trial: l.trial}
	}
	return out
}

// Generation changes whenever an answer of Standing does, with time too.
func (m *Memory) Generation() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pass()
	return m.generation
}

// changes returns when a lapse changes by itself: its rest ends, or it is forgotten.
func (m *Memory) changes(l lapse) time.Time {
	if l.trial > 0 {
		return l.until.Add(m.longest)
	}
	return l.until
}

// pass does what time has come for. The caller holds the lock.
func (m *Memory) pass() {
	now := m.clock.Now()
	if m.next.IsZero() || now.Before(m.next) {
		return
	}
	m.next = time.Time{}
	for o, l := range m.lapses {
		if l.trial == 0 && !now.Before(l.until) {
			l.trial = 1
			m.lapses[o] = l
			m.generation++
		}
		if l.trial > 0 && !now.Before(m.changes(l)) {
			delete(m.lapses, o)
			m.generation++
			continue
		}
		m.wake(m.changes(l))
	}
	for capacityType, until := range m.closed {
		if !now.Before(until) {
			delete(m.closed, capacityType)
			m.generation++
			continue
		}
		m.wake(until)
	}
}

// wake has pass look again at a time. The caller holds the lock.
func (m *Memory) wake(at time.Time) {
	if m.next.IsZero() || at.Before(m.next) {
		m.next = at
	}
}
