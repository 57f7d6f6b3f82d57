// Package offerings remembers where the cloud lately had no capacity.
package offerings

import (
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// Offering is a place and a way in which an instance type can be bought.
type Offering struct{ InstanceType, Zone, CapacityType string }

// Memory keeps offerings without capacity for a time, after which they may be tried again. It is safe for concurrent use.
type Memory struct {
	clock clock.PassiveClock
	ttl   time.Duration

	mu         sync.Mutex
	generation uint64                 // changes with what Available answers
	until      map[Offering]time.Time // offering -> when it may be tried again
	next       time.Time              // the earliest of those times
}

// NewMemory returns an empty memory that keeps an offering for ttl.
func NewMemory(clock clock.PassiveClock, ttl time.Duration) *Memory {
	return &Memory{clock: clock, ttl: ttl, until: map[Offering]time.Time{}}
}

// MarkUnavailable keeps the offering from being chosen for a time that starts now.
func (m *Memory) MarkUnavailable(o Offering) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget()
	if _, known := m.until[o]; !known {
		m.generation++
	}
	m.until[o] = m.clock.Now().Add(m.ttl)
	if m.next.IsZero() || m.until[o].Before(m.next) {
		m.next = m.until[o]
	}
}

// Available reports whether the offering may be tried.
func (m *Memory) Available(instanceType, zone, capacityType string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget()
	_, known := m.until[Offering{instanceType, zone, capacityType}]
	return !known
}

// Generation changes whenever an answer of Available does, with time too.
func (m *Memory) Generation() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget()
	return m.generation
}

// forget drops what has expired. The caller holds the lock.
func (m *Memory) forget() {
	now := m.clock.Now()
	if m.next.IsZero() || now.Before(m.next) {
		return
	}
	m.next = time.Time{}
	for o, until := range m.until {
		if !now.Before(until) {
			delete(m.until, o)
			m.generation++
		} else if m.next.IsZero() || until.Before(m.next) {
			m.next = until
		}
	}
}
