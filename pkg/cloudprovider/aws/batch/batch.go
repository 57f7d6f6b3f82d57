// Package batch merges the calls of many callers, about one thing each, into few calls about many things.
package batch

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrUnanswered says that a call was made and said nothing of what it was asked.
var ErrUnanswered = errors.New("the answer leaves it out")

// Answer is what a call says of one thing.
type Answer[V any] struct {
	Value V
	Err   error
}

// Settings of a Batcher.
type Settings struct {
	// Window is how long the first of a batch waits for others.
	Window time.Duration
	// Most is how many things one call may be about.
	Most int
	// Timeout bounds a call.
	Timeout time.Duration
	// Observe is told how many callers share a call that is about to be made, and how long the first of them waited. It may be nil.
	Observe func(callers int, waited time.Duration)
}

// Batcher gathers what is asked within a window. It is safe for concurrent use.
type Batcher[K comparable, V any] struct {
	call     func(context.Context, []K) map[K]Answer[V]
	settings Settings

	mu   sync.Mutex
	open *window[K, V]
}

// window is the callers of one call.
type window[K comparable, V any] struct {
	keys    []K
	asked   map[K]bool
	callers int
	full    chan struct{} // closed when no more fit
	done    chan struct{} // closed once there are answers
	answers map[K]Answer[V]
}

// New returns a batcher that makes calls with call, which answers for each of the keys; they are different and in the order in
// which they came.
func New[K comparable, V any](settings Settings, call func(context.Context, []K) map[K]Answer[V]) *Batcher[K, V] {
	return &Batcher[K, V]{call: call, settings: settings}
}

// Do asks for the key, together with others. The call begins after Do does, so that its answer is never older than the question.
// A caller that ends waits no longer; the call goes on for the others.
func (b *Batcher[K, V]) Do(ctx context.Context, key K) (V, error) {
	w := b.join(ctx, key)
	select {
	case <-w.done:
	case <-ctx.Done():
		var none V
		return none, ctx.Err()
	}
	answer, ok := w.answers[key]
	if !ok {
		return answer.Value, ErrUnanswered
	}
	return answer.Value, answer.Err
}

// join puts the key into the open window, or opens one.
func (b *Batcher[K, V]) join(ctx context.Context, key K) *window[K, V] {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.open
	if w == nil {
		w = &window[K, V]{asked: map[K]bool{}, full: make(chan struct{}), done: make(chan struct{})}
		b.open = w
		go b.serve(context.WithoutCancel(ctx), w)
	}
	w.callers++
	if !w.asked[key] {
		w.asked[key] = true
		w.keys = append(w.keys, key)
	}
	if len(w.keys) == b.settings.Most {
		b.open = nil
		close(w.full)
	}
	return w
}

// serve makes the call of a window once it has closed.
func (b *Batcher[K, V]) serve(ctx context.Context, w *window[K, V]) {
	opened, timer := time.Now(), time.NewTimer(b.settings.Window)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.full:
	}
	b.mu.Lock()
	if b.open == w {
		b.open = nil
	}
	b.mu.Unlock()
	if b.settings.Observe != nil {
		b.settings.Observe(w.callers, time.Since(opened))
	}
	ctx, cancel := context.WithTimeout(ctx, b.settings.Timeout)
	defer cancel()
	defer close(w.done)
	w.answers = b.call(ctx, w.keys)
}
