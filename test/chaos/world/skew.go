package world

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// A process whose clock is ahead of the API server's takes all that it reads to be older than it is, and dates all that it writes too late.
// There is one clock in a world, which the process has for its own; so the times in what it reads are put back as it gets them, and those in
// what it writes put forward.

// clockOf returns how far the clock of a process is ahead of the API server's.
func (p *Plan) clockOf(process int) time.Duration {
	if len(p.Clocks) == 0 {
		return 0
	}
	return p.Clocks[(process-1)%len(p.Clocks)].Truncate(time.Second) // as the API keeps times
}

// skew returns how far the clocks of any two may be apart, the API server's among them.
func (p *Plan) skew() time.Duration {
	var least, most time.Duration
	for _, ahead := range p.Clocks {
		least, most = min(least, ahead), max(most, ahead)
	}
	return most - least
}

// moveText moves all times in a JSON document.
func moveText(text []byte, by time.Duration) ([]byte, error) {
	var document any
	if err := json.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("reading what holds times: %w", err)
	}
	moved, err := json.Marshal(moveIn(document, by))
	if err != nil {
		return nil, fmt.Errorf("writing what holds times: %w", err)
	}
	return moved, nil
}

func moveIn(value any, by time.Duration) any {
	switch v := value.(type) {
	case map[string]any:
		for key := range v {
			v[key] = moveIn(v[key], by)
		}
	case []any:
		for i := range v {
			v[i] = moveIn(v[i], by)
		}
	case string:
		if moved, ok := moveWord(v, by); ok {
			return moved
		}
	}
	return value
}

// move moves all times in an object or a list, which may share what it has with a cache.
func move(object runtime.Object, by time.Duration) {
	copied := object.DeepCopyObject()
	moveFields(reflect.ValueOf(copied).Elem(), by)
	reflect.ValueOf(object).Elem().Set(reflect.ValueOf(copied).Elem())
}

// moveFields moves the times in a value that belongs to nobody else.
func moveFields(value reflect.Value, by time.Duration) {
	switch value.Kind() { //nolint:exhaustive // nothing else holds times
	case reflect.Pointer, reflect.Interface:
		if !value.IsNil() && value.Elem().CanSet() {
			moveFields(value.Elem(), by)
		}
	case reflect.Slice:
		for i := range value.Len() {
			moveFields(value.Index(i), by)
		}
	case reflect.Map:
		moveEntries(value, by)
	case reflect.String:
		if moved, ok := moveWord(value.String(), by); ok {
			value.SetString(moved)
		}
	case reflect.Struct:
		moveStruct(value, by)
	}
}

func moveStruct(value reflect.Value, by time.Duration) {
	switch at := value.Addr().Interface().(type) {
	case *metav1.Time:
		if !at.IsZero() {
			at.Time = at.Add(by)
		}
	case *metav1.MicroTime:
		if !at.IsZero() {
			at.Time = at.Add(by)
		}
	default:
		for i := range value.NumField() {
			if value.Type().Field(i).IsExported() {
				moveFields(value.Field(i), by)
			}
		}
	}
}

// moveEntries moves the times among annotations; no other map holds any.
func moveEntries(value reflect.Value, by time.Duration) {
	entries, ok := reflect.TypeAssert[map[string]string](value)
	if !ok {
		return
	}
	for key, text := range entries {
		if moved, is := moveWord(text, by); is {
			entries[key] = moved
		}
	}
}

// moveWord moves what is a time.
func moveWord(text string, by time.Duration) (string, bool) {
	if len(text) < len("2006-01-02T15:04:05Z") || text[4] != '-' || text[10] != 'T' {
		return "", false
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	return at.Add(by).Format(time.RFC3339Nano), err == nil
}

// askew is a client of a process whose clock is ahead.
type askew struct {
	client.Client
	ahead time.Duration
}

// Get reads an object.
func (a *askew) Get(ctx context.Context, key client.ObjectKey, object client.Object, o ...client.GetOption) error {
	if err := a.Client.Get(ctx, key, object, o...); err != nil {
		return err
	}
	move(object, -a.ahead)
	return nil
}

// List reads objects.
func (a *askew) List(ctx context.Context, list client.ObjectList, o ...client.ListOption) error {
	if err := a.Client.List(ctx, list, o...); err != nil {
		return err
	}
	move(list, -a.ahead)
	return nil
}

// Create makes an object.
func (a *askew) Create(ctx context.Context, object client.Object, o ...client.CreateOption) error {
	move(object, a.ahead)
	defer move(object, -a.ahead)
	return a.Client.Create(ctx, object, o...)
}

// Patch changes an object.
func (a *askew) Patch(ctx context.Context, object client.Object, patch client.Patch, _ ...client.PatchOption) error {
	return a.patch(object, patch, func(p client.Patch) error { return a.Client.Patch(ctx, object, p) })
}

// patch sends what a patch says with its times put forward. Whoever sent it is given the object as it is stored then.
func (a *askew) patch(object client.Object, patch client.Patch, send func(client.Patch) error) error {
	data, err := patch.Data(object)
	if err != nil {
		return fmt.Errorf("making a patch: %w", err)
	}
	if data, err = moveText(data, a.ahead); err != nil {
		return err
	}
	if err := send(client.RawPatch(patch.Type(), data)); err != nil {
		return err
	}
	move(object, -a.ahead)
	return nil
}

// Status returns the writer of the status.
func (a *askew) Status() client.SubResourceWriter {
	return &askewStatus{SubResourceWriter: a.Client.Status(), client: a}
}

type askewStatus struct {
	client.SubResourceWriter
	client *askew
}

// Patch changes the status.
func (s *askewStatus) Patch(ctx context.Context, object client.Object, patch client.Patch, _ ...client.SubResourcePatchOption) error {
	return s.client.patch(object, patch, func(p client.Patch) error { return s.SubResourceWriter.Patch(ctx, object, p) })
}

// askewCache is the cache of such a process; what reads from it is a client of its own.
type askewCache struct {
	cache.Cache
	ahead time.Duration
}

// GetInformer returns a way to subscribe to the events of a kind.
func (c *askewCache) GetInformer(ctx context.Context, object client.Object, o ...cache.InformerGetOption) (cache.Informer, error) {
	informer, err := c.Cache.GetInformer(ctx, object, o...)
	if err != nil {
		return nil, err
	}
	return &askewInformer{Informer: informer, cache: c}, nil
}

type askewInformer struct {
	cache.Informer
	cache *askewCache
}

// AddEventHandler subscribes a handler.
func (i *askewInformer) AddEventHandler(handler toolscache.ResourceEventHandler) (toolscache.ResourceEventHandlerRegistration, error) {
	return i.Informer.AddEventHandler(i.cache.moved(handler))
}

// AddEventHandlerWithOptions is the same.
func (i *askewInformer) AddEventHandlerWithOptions(
	handler toolscache.ResourceEventHandler, o toolscache.HandlerOptions,
) (toolscache.ResourceEventHandlerRegistration, error) {
	return i.Informer.AddEventHandlerWithOptions(i.cache.moved(handler), o)
}

// moved returns a handler that is told of events with their times put back.
func (c *askewCache) moved(handler toolscache.ResourceEventHandler) toolscache.ResourceEventHandler {
	put := func(told any) any {
		object, ok := told.(client.Object)
		if !ok {
			return told
		}
		copied := object.DeepCopyObject()
		moveFields(reflect.ValueOf(copied).Elem(), -c.ahead)
		return copied
	}
	return toolscache.ResourceEventHandlerDetailedFuncs{
		AddFunc:    func(o any, initial bool) { handler.OnAdd(put(o), initial) },
		UpdateFunc: func(before, after any) { handler.OnUpdate(put(before), put(after)) },
		DeleteFunc: func(o any) { handler.OnDelete(put(o)) },
	}
}
