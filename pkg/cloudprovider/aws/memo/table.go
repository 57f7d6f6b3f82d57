// Package memo keeps the latest answers to questions that cost something to ask.
package memo

import "sync"

// Table holds at most a fixed number of values, the oldest going first. It is safe for concurrent use.
type Table[K comparable, V any] struct {
	mu     sync.Mutex
	size   int
	values map[K]V
	order  []K // oldest first
}

// NewTable returns an empty table for at most size values.
func NewTable[K comparable, V any](size int) *Table[K, V] {
	return &Table[K, V]{size: size, values: make(map[K]V, size)}
}

// Get returns the value kept under key.
func (t *Table[K, V]) Get(key K) (V, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	v, ok := t.values[key]
	return v, ok
}

// Values returns the values kept, the oldest first.
func (t *Table[K, V]) Values() []V {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]V, 0, len(t.order))
	for _, key := range t.order {
		out = append(out, t.values[key])
	}
	return out
}

// Put keeps a value, dropping the oldest where there is no room for it.
func (t *Table[K, V]) Put(key K, value V) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.values[key]; !ok {
		if len(t.order) == t.size {
			delete(t.values, t.order[0])
			t.order = append(t.order[:0], t.order[1:]...)
		}
		t.order = append(t.order, key)
	}
	t.values[key] = value
}
