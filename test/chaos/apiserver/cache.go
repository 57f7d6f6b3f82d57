package apiserver

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Cache is what one process remembers of the store by its watches. The watch of each kind lags behind in its own way, and all that
// asks for the kind sees the same. Informers subscribe to it as to the real one.
type Cache struct {
	cache.Cache // what kerf does not use is not there
	store       *Store
	lag         func(kind string, at time.Time) time.Time
	objects     map[string]map[types.NamespacedName]client.Object // kind -> objects as seen
	seen        map[string]int                                    // kind -> how many of the store's changes have been looked at
	handlers    map[string][]toolscache.ResourceEventHandler
	indexes     map[string]map[string]client.IndexerFunc // kind -> name -> values

	mu sync.Mutex // those who read are many
	// sorted holds the order of a kind until it changes.
	sorted map[string][]client.Object
}

// NewCache returns a cache that holds what is in the store now. lag says when a change of a kind that was made at a time is seen.
func NewCache(store *Store, lag func(kind string, at time.Time) time.Time) *Cache {
	c := &Cache{
		store: store, lag: lag, objects: map[string]map[types.NamespacedName]client.Object{}, seen: map[string]int{},
		handlers: map[string][]toolscache.ResourceEventHandler{}, indexes: map[string]map[string]client.IndexerFunc{},
		sorted: map[string][]client.Object{},
	}
	for kind, objects := range store.objects {
		c.objects[kind] = map[types.NamespacedName]client.Object{}
		maps.Copy(c.objects[kind], objects)
	}
	return c
}

// Follow makes the cache watch a kind from now on. Handlers that come later are told of all that is there.
func (c *Cache) Follow(kinds ...string) {
	for _, kind := range kinds {
		c.seen[kind] = len(c.store.changes)
	}
}

// Handle adds a handler of the events of a kind, which is told of all that is there.
func (c *Cache) Handle(kind string, handler toolscache.ResourceEventHandler) {
	c.mu.Lock()
	c.handlers[kind] = append(c.handlers[kind], handler)
	c.mu.Unlock()
	for _, object := range c.of(kind) {
		handler.OnAdd(object, true)
	}
}

// IndexField adds an index.
func (c *Cache) IndexField(_ context.Context, object client.Object, name string, values client.IndexerFunc) error {
	kind, err := c.store.kindOf(object)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.indexes[kind] == nil {
		c.indexes[kind] = map[string]client.IndexerFunc{}
	}
	c.indexes[kind][name] = values
	return nil
}

// Advance takes in all that may be seen by now, in the order in which it was written within each kind, and tells the handlers.
// It returns when there is more to see; the zero time when nothing is known to come.
func (c *Cache) Advance(now time.Time, kinds []string) time.Time {
	var next time.Time
	for _, kind := range kinds {
		for c.seen[kind] < len(c.store.changes) {
			change := &c.store.changes[c.seen[kind]]
			if change.Kind == kind {
				if due := c.lag(kind, change.At); due.After(now) {
					if next.IsZero() || due.Before(next) {
						next = due
					}
					break
				}
				c.apply(change)
			}
			c.seen[kind]++
		}
	}
	return next
}

func (c *Cache) apply(change *Change) {
	for _, handler := range c.remember(change) {
		switch {
		case change.After == nil:
			handler.OnDelete(change.Before)
		case change.Before == nil:
			handler.OnAdd(change.After, false)
		default:
			handler.OnUpdate(change.Before, change.After)
		}
	}
}

// remember takes a change in and returns whom to tell of it.
func (c *Cache) remember(change *Change) []toolscache.ResourceEventHandler {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := client.ObjectKeyFromObject(change.Object())
	delete(c.sorted, change.Kind)
	if c.objects[change.Kind] == nil {
		c.objects[change.Kind] = map[types.NamespacedName]client.Object{}
	}
	if change.After != nil {
		c.objects[change.Kind][key] = change.After
	} else {
		delete(c.objects[change.Kind], key)
	}
	return c.handlers[change.Kind]
}

func (c *Cache) of(kind string) []client.Object {
	c.mu.Lock()
	defer c.mu.Unlock()
	if sorted, ok := c.sorted[kind]; ok {
		return sorted
	}
	out := make([]client.Object, 0, len(c.objects[kind]))
	for _, object := range c.objects[kind] {
		out = append(out, object)
	}
	slices.SortFunc(out, byName)
	c.sorted[kind] = out
	return out
}

func (c *Cache) get(kind string, key types.NamespacedName, object client.Object) error {
	c.mu.Lock()
	found, ok := c.objects[kind][key]
	c.mu.Unlock()
	if !ok {
		return apierrors.NewNotFound(resource(kind), key.Name)
	}
	assign(object, found)
	return nil
}

func (c *Cache) list(kind string, list client.ObjectList, selected *client.ListOptions) error {
	return fill(list, c.of(kind), selected, func(object client.Object, name string) []string {
		if values, ok := c.indexes[kind][name]; ok {
			return values(object)
		}
		return nil
	})
}

// WaitForCacheSync does not wait: what was there at the start is there.
func (c *Cache) WaitForCacheSync(context.Context) bool { return true }

// GetInformer returns a way to subscribe to the events of a kind.
func (c *Cache) GetInformer(_ context.Context, object client.Object, _ ...cache.InformerGetOption) (cache.Informer, error) {
	kind, err := c.store.kindOf(object)
	if err != nil {
		return nil, err
	}
	return &informer{cache: c, kind: kind}, nil
}

type informer struct {
	cache.Informer
	cache *Cache
	kind  string
}

// AddEventHandler subscribes a handler.
func (i *informer) AddEventHandler(handler toolscache.ResourceEventHandler) (toolscache.ResourceEventHandlerRegistration, error) {
	i.cache.Handle(i.kind, handler)
	return registration{}, nil
}

// AddEventHandlerWithOptions is the same.
func (i *informer) AddEventHandlerWithOptions(
	handler toolscache.ResourceEventHandler, _ toolscache.HandlerOptions,
) (toolscache.ResourceEventHandlerRegistration, error) {
	return i.AddEventHandler(handler)
}

type registration struct {
	toolscache.ResourceEventHandlerRegistration
}

// HasSynced is true: a handler is told of all that was there at the start when it is added.
func (registration) HasSynced() bool { return true }

// bodyOf is an object as text.
func bodyOf(object client.Object) string {
	encoded, err := json.Marshal(object)
	if err != nil {
		return err.Error()
	}
	return string(encoded)
}
