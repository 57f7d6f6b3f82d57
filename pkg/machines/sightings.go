package machines

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// Sightings remembers since when this process has seen something of Machines. It is safe for concurrent use.
//
// Time that passes between two moments is told by one clock only. A time that is stored on a Machine is of the API server or of the
// replica that wrote it, and those clocks may be minutes away from this one: held against it, a Machine could be given up before it
// had any of its time. So the time that ends in something that cannot be taken back counts from when this process first saw that it
// began, which is never before it did. What that costs is that it begins anew with a new leader.
type Sightings struct {
	clock clock.PassiveClock

	mu sync.Mutex
	// seen maps the name of a Machine -> what was seen of it.
	seen map[string]seen
}

// seen is what was seen of one Machine.
type seen struct {
	uid types.UID
	// first maps what begins -> when that was, as it is stored, and since when this process has seen it.
	first map[string]sighting
}

type sighting struct{ stored, since time.Time }

// NewSightings returns sightings of nothing.
func NewSightings(clock clock.PassiveClock) *Sightings {
	return &Sightings{clock: clock, seen: map[string]seen{}}
}

// Since returns since when this process has seen something of a Machine that began at a stored time. If it began anew, so does that.
func (s *Sightings) Since(machine *v1alpha5.Machine, what string, stored time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	stored = stored.Truncate(time.Second) // as the API server keeps it
	of, ok := s.seen[machine.Name]
	if !ok || of.uid != machine.UID {
		of = seen{uid: machine.UID, first: map[string]sighting{}}
		s.seen[machine.Name] = of
	}
	first, ok := of.first[what]
	if !ok || !first.stored.Equal(stored) {
		first = sighting{stored: stored, since: s.clock.Now()}
		of.first[what] = first
	}
	return first.since
}

// Forget drops what was seen of the Machine of a name.
func (s *Sightings) Forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.seen, name)
}
