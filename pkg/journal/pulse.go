package journal

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// Patience is how long a piece of work may take that has an end of its own well before: then it is stuck.
const Patience = 110 * time.Second

// Pulse tells whether work goes on. What is stuck does not mend itself: whoever probes the process ends it. The zero value is not
// usable; a nil Pulse takes note of nothing.
type Pulse struct {
	clock clock.PassiveClock

	mu sync.Mutex
	// running maps a number -> work that has begun.
	running map[int]begun
	next    int
	// waiting maps a name -> since when somebody waits for it to happen, zero while nobody does.
	waiting map[string]func() time.Time
}

type begun struct {
	name string
	at   time.Time
}

// NewPulse returns a pulse of a process in which nothing has begun.
func NewPulse(clock clock.PassiveClock) *Pulse {
	return &Pulse{clock: clock, running: map[int]begun{}, waiting: map[string]func() time.Time{}}
}

// Begin notes that work has begun; whoever does it calls end.
func (p *Pulse) Begin(name string) (end func()) {
	if p == nil {
		return func() {}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next++
	number := p.next
	p.running[number] = begun{name: name, at: p.clock.Now()}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.running, number)
	}
}

// Await notes how to find out since when somebody waits for something to happen.
func (p *Pulse) Await(name string, since func() time.Time) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting[name] = since
}

// Check returns what has taken longer than anything does that is not stuck.
func (p *Pulse) Check() error {
	p.mu.Lock()
	now, late := p.clock.Now(), map[string]time.Duration{}
	for _, work := range p.running {
		late[work.name] = max(late[work.name], now.Sub(work.at))
	}
	waiting := maps.Clone(p.waiting)
	p.mu.Unlock()
	for name, since := range waiting { // they have locks of their own
		if at := since(); !at.IsZero() {
			late[name] = max(late[name], now.Sub(at))
		}
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(late)) {
		if took := late[name]; took > Patience {
			errs = append(errs, fmt.Errorf("%s takes %s", name, took.Round(time.Second)))
		}
	}
	return errors.Join(errs...)
}
