package state

import "maps"

// table is a map that snapshots share: it is copied before the first change after one was taken. The zero value is empty.
type table[K comparable, V any] struct {
	entries map[K]V
	// shared says that a snapshot has entries.
	shared bool
}

func (t *table[K, V]) set(key K, value V) {
	t.own()
	t.entries[key] = value
}

func (t *table[K, V]) remove(key K) {
	if _, ok := t.entries[key]; ok {
		t.own()
		delete(t.entries, key)
	}
}

// share returns the entries as they are now; they never change.
func (t *table[K, V]) share() map[K]V {
	t.shared = true
	return t.entries
}

func (t *table[K, V]) own() {
	switch {
	case t.entries == nil:
		t.entries = map[K]V{}
	case t.shared:
		t.entries = maps.Clone(t.entries)
	}
	t.shared = false
}
