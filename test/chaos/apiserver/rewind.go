package apiserver

import (
	"maps"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Rewind makes the cache begin with a kind as it was at an earlier time, as one does that lists from an API server which is behind the
// others. It is for a cache that follows the kind and has no handlers yet. It reports whether that hides anything.
func (c *Cache) Rewind(kind string, to time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	objects, seen := map[types.NamespacedName]client.Object{}, 0
	for ; seen < c.seen[kind]; seen++ {
		change := &c.store.changes[seen]
		if change.At.After(to) {
			break
		}
		if change.Kind != kind {
			continue
		}
		key := client.ObjectKeyFromObject(change.Object())
		if change.After != nil {
			objects[key] = change.After
		} else {
			delete(objects, key)
		}
	}
	hidden := !maps.Equal(objects, c.objects[kind])
	c.objects[kind], c.seen[kind] = objects, seen
	delete(c.sorted, kind)
	return hidden
}
