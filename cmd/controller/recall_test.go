package main

import (
	"context"
	"fmt"
	"reflect"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// recall answers a list that was asked for before from memory, as long as nothing was written since. Over hours of simulated time most lists
// are such, and the server of client-go's tests decodes each object from JSON for each.
type recall struct {
	mu     sync.Mutex
	writes int
	lists  map[string]recalled
}

type recalled struct {
	list   client.ObjectList
	writes int // how many there had been before the list was made
}

// wrote forgets all lists. It is called when a write is done: until its writer hears of that, the list from before is as true as the one after.
func (r *recall) wrote(err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writes++
	return err
}

func (r *recall) list(ctx context.Context, server client.WithWatch, into client.ObjectList, opts ...client.ListOption) error {
	asked := (&client.ListOptions{}).ApplyOptions(opts)
	key := fmt.Sprintf("%T in %q with labels %v and fields %v", into, asked.Namespace, asked.LabelSelector, asked.FieldSelector)
	r.mu.Lock()
	known, ok := r.lists[key]
	writes := r.writes
	r.mu.Unlock()
	if !ok || known.writes != writes {
		if err := server.List(ctx, into, opts...); err != nil {
			return err
		}
		known = recalled{list: into.DeepCopyObject().(client.ObjectList), writes: writes}
		r.mu.Lock()
		r.lists[key] = known
		r.mu.Unlock()
		return nil
	}
	reflect.ValueOf(into).Elem().Set(reflect.ValueOf(known.list.DeepCopyObject()).Elem())
	return nil
}

// newRecall returns the functions that put a recall before a server. stamp is how objects are created.
func newRecall(stamp func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error) interceptor.Funcs {
	r := &recall{lists: map[string]recalled{}}
	return interceptor.Funcs{
		List: r.list,
		Create: func(ctx context.Context, k client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			return r.wrote(stamp(ctx, k, o, opts...))
		},
		Update: func(ctx context.Context, k client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			return r.wrote(k.Update(ctx, o, opts...))
		},
		Patch: func(ctx context.Context, k client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			return r.wrote(k.Patch(ctx, o, p, opts...))
		},
		Delete: func(ctx context.Context, k client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			return r.wrote(k.Delete(ctx, o, opts...))
		},
		DeleteAllOf: func(ctx context.Context, k client.WithWatch, o client.Object, opts ...client.DeleteAllOfOption) error {
			return r.wrote(k.DeleteAllOf(ctx, o, opts...))
		},
		SubResourceCreate: func(ctx context.Context, k client.Client, name string, o, sub client.Object, opts ...client.SubResourceCreateOption) error {
			return r.wrote(k.SubResource(name).Create(ctx, o, sub, opts...))
		},
		SubResourceUpdate: func(ctx context.Context, k client.Client, name string, o client.Object, opts ...client.SubResourceUpdateOption) error {
			return r.wrote(k.SubResource(name).Update(ctx, o, opts...))
		},
		SubResourcePatch: func(ctx context.Context, k client.Client, name string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			return r.wrote(k.SubResource(name).Patch(ctx, o, p, opts...))
		},
	}
}
