package provisioning

import (
	"context"
	"maps"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// knownFor is how long a key that came once is no news: pods that stay pending ask again every few seconds.
const knownFor = time.Minute

// Batcher gathers triggers into windows: a window closes once nothing new came for the idle time, or after the longest time.
type Batcher[K comparable] struct {
	clock     clock.WithTicker
	idle, max time.Duration
	// arrived holds a token when a key came and the window has not noticed yet.
	arrived chan struct{}

	mu sync.Mutex
	// known maps key -> when it last came.
	known map[K]time.Time
	// news says that a key which was not known has come since the window looked.
	news bool
	// since is when the first key came that no window has closed on yet, zero for none.
	since time.Time
}

// NewBatcher returns a batcher whose windows close idle after the last new key and max after the first key at the latest.
func NewBatcher[K comparable](clock clock.WithTicker, idle, max time.Duration) *Batcher[K] {
	return &Batcher[K]{clock: clock, idle: idle, max: max, arrived: make(chan struct{}, 1), known: map[K]time.Time{}}
}

// Trigger puts a key into the present window, or opens one. A key that comes again does not prolong a window: those that
// wait for long must not make new ones wait with them.
func (b *Batcher[K]) Trigger(key K) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock.Now()
	if at, ok := b.known[key]; !ok || now.Sub(at) > knownFor {
		b.news = true
	}
	b.known[key] = now
	if b.since.IsZero() {
		b.since = now
	}
	select {
	case b.arrived <- struct{}{}:
	default: // the token is there already
	}
}

// Wait blocks until a window has opened and closed; false means that ctx ended. Keys that come after it returned, while a
// decision is being made, open the next window.
func (b *Batcher[K]) Wait(ctx context.Context) bool {
	select {
	case <-b.arrived:
		b.takeNews()
	case <-ctx.Done():
		return false
	}
	longest, idle := b.clock.NewTimer(b.max), b.clock.NewTimer(b.idle)
	defer longest.Stop()
	defer func() { idle.Stop() }()
	for {
		select {
		case <-b.arrived:
			if b.takeNews() {
				idle.Stop()
				idle = b.clock.NewTimer(b.idle)
			}
			continue
		case <-idle.C():
		case <-longest.C():
		case <-ctx.Done():
			return false
		}
		b.close()
		return true
	}
}

// takeNews reports whether a key that was not known has come since the last call.
func (b *Batcher[K]) takeNews() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	news := b.news
	b.news = false
	return news
}

// close ends a window; a key that came just now is part of it.
func (b *Batcher[K]) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock.Now()
	maps.DeleteFunc(b.known, func(_ K, at time.Time) bool { return now.Sub(at) > knownFor })
	b.news, b.since = false, time.Time{}
	select {
	case <-b.arrived:
	default:
	}
}

// Since returns since when a key waits for a window to close on it, zero for none.
func (b *Batcher[K]) Since() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.since
}
