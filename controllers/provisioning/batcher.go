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

// Batcher gathers triggers into windows: a window closes once nothing new came for the idle time, or after the longest time. One that
// only known keys ask for stays open for longer each time that a decision came to nothing, up to the longest time: a thousand pods
// that nothing can host ask all the time, and the answer is the same until something happens.
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
	// haste says that a key which cannot wait for long has come since the window looked.
	haste bool
	// lull is how long a window without news stays open.
	lull time.Duration
	// since is when the first key came that no window has closed on yet, zero for none.
	since time.Time
}

// NewBatcher returns a batcher whose windows close idle after the last new key and max after the first key at the latest.
func NewBatcher[K comparable](clock clock.WithTicker, idle, max time.Duration) *Batcher[K] {
	return &Batcher[K]{clock: clock, idle: idle, max: max, arrived: make(chan struct{}, 1), known: map[K]time.Time{}, lull: idle}
}

// Trigger puts a key into the present window, or opens one. A key that comes again does not prolong a window: those that
// wait for long must not make new ones wait with them.
func (b *Batcher[K]) Trigger(key K) { b.trigger(key, false) }

// Wake is Trigger for a key that comes because something has happened: it is news, known or not.
func (b *Batcher[K]) Wake(key K) { b.trigger(key, true) }

// Hurry is Wake for a key that cannot wait for others: the window closes an idle time after the first such key, whatever comes.
func (b *Batcher[K]) Hurry(key K) {
	b.mu.Lock()
	b.haste = true
	b.mu.Unlock()
	b.trigger(key, true)
}

func (b *Batcher[K]) trigger(key K, news bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock.Now()
	if at, ok := b.known[key]; news || !ok || now.Sub(at) > knownFor {
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
	case <-ctx.Done():
		return false
	}
	wait := b.idle
	if !b.takeNews() {
		wait = b.quiet()
	}
	longest, idle, hurried := b.clock.NewTimer(b.max), b.clock.NewTimer(wait), false
	defer func() { longest.Stop() }()
	defer func() { idle.Stop() }()
	for {
		if !hurried && b.takeHaste() {
			longest.Stop()
			longest, hurried = b.clock.NewTimer(b.idle), true
		}
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

// Decided notes whether the decision on a window came to anything. If it did, what is left is decided on soon.
func (b *Batcher[K]) Decided(fruitful bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if fruitful {
		b.lull = b.idle
		return
	}
	b.lull = min(2*b.lull, max(b.max, b.idle))
}

// quiet returns how long a window without news stays open.
func (b *Batcher[K]) quiet() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lull
}

// takeNews reports whether a key that was not known has come since the last call.
func (b *Batcher[K]) takeNews() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	news := b.news
	b.news = false
	return news
}

// takeHaste reports whether a key that cannot wait has come since the last call.
func (b *Batcher[K]) takeHaste() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	haste := b.haste
	b.haste = false
	return haste
}

// close ends a window; a key that came just now is part of it.
func (b *Batcher[K]) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock.Now()
	maps.DeleteFunc(b.known, func(_ K, at time.Time) bool { return now.Sub(at) > knownFor })
	b.news, b.haste, b.since = false, false, time.Time{}
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
