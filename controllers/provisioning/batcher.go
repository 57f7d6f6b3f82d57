package provisioning

import (
	"context"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// Batcher gathers triggers into windows: a window closes once nothing new came for the idle time, or after the longest time.
type Batcher[K comparable] struct {
	clock     clock.WithTicker
	idle, max time.Duration
	// arrived holds a token when a new key came and the window has not noticed yet.
	arrived chan struct{}

	mu sync.Mutex
	// keys of the present window.
	keys map[K]struct{}
}

// NewBatcher returns a batcher whose windows close idle after the last new key and max after the first at the latest.
func NewBatcher[K comparable](clock clock.WithTicker, idle, max time.Duration) *Batcher[K] {
	return &Batcher[K]{clock: clock, idle: idle, max: max, arrived: make(chan struct{}, 1), keys: map[K]struct{}{}}
}

// Trigger puts a key into the present window, or opens one. A key that comes again does not prolong the window.
func (b *Batcher[K]) Trigger(key K) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, again := b.keys[key]; again {
		return
	}
	b.keys[key] = struct{}{}
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
	longest, idle := b.clock.NewTimer(b.max), b.clock.NewTimer(b.idle)
	defer longest.Stop()
	defer func() { idle.Stop() }()
	for {
		select {
		case <-b.arrived:
			idle.Stop()
			idle = b.clock.NewTimer(b.idle)
			continue
		case <-idle.C():
		case <-longest.C():
		case <-ctx.Done():
			return false
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.keys = map[K]struct{}{}
		select {
		case <-b.arrived: // its key is in the window that closes now
		default:
		}
		return true
	}
}
