package apiserver

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// Request is a call of the API server, before it is carried out.
type Request struct {
	Verb string // get, list, create, patch, delete, evict
	// Write is true of what may change something.
	Write bool
	Kind  string
	Name  string
	// Sub is the subresource, e.g. status.
	Sub string
	// Body tells requests apart that are alike in all else, such as two creations of generated names.
	Body string
	// On is the node whose pods are listed.
	On string
}

// Gate decides on each request when it is carried out, and whether its caller gets to know the answer. It calls do once or not at
// all, and returns what the caller is told instead of the answer, or nil.
type Gate func(ctx context.Context, request Request, do func()) error

// Client is a way to the store for one caller. Reads go to the store itself; a cached client reads elsewhere.
type Client struct {
	client.Client // what kerf does not use is not there
	store         *Store
	by            string
	gate          Gate
	// cache, if there is one, answers reads.
	cache *Cache
}

// NewClient returns a client that reads from a cache, or from the store itself where that is nil.
func NewClient(store *Store, by string, gate Gate, cache *Cache) *Client {
	return &Client{store: store, by: by, gate: gate, cache: cache}
}

// Scheme returns the kinds that there are.
func (c *Client) Scheme() *runtime.Scheme { return c.store.scheme }

// GroupVersionKindFor returns the kind of an object.
func (c *Client) GroupVersionKindFor(object runtime.Object) (schema.GroupVersionKind, error) {
	return apiutil.GVKForObject(object, c.store.scheme)
}

// Get reads an object.
func (c *Client) Get(ctx context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	kind, err := c.store.kindOf(object)
	if err != nil {
		return err
	}
	if c.cache != nil {
		return c.cache.get(kind, key, object)
	}
	var failed error
	told := c.gate(ctx, Request{Verb: "get", Kind: kind, Name: key.Name}, func() {
		found, err := c.store.find(kind, key)
		if failed = err; err == nil {
			assign(object, found)
		}
	})
	return errors.Join(told, failed)
}

// List reads the objects that the options select.
func (c *Client) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	kind, err := c.store.kindOf(list)
	if err != nil {
		return err
	}
	var selected client.ListOptions
	selected.ApplyOptions(options)
	if c.cache != nil {
		return c.cache.list(kind, list, &selected)
	}
	var failed error
	request := Request{Verb: "list", Kind: kind}
	if selected.FieldSelector != nil {
		request.On, _ = selected.FieldSelector.RequiresExactMatch("spec.nodeName")
	}
	told := c.gate(ctx, request, func() {
		failed = fill(list, c.store.of(kind), &selected, liveFields)
	})
	return errors.Join(told, failed)
}

// liveFields are those that the API server itself selects by.
func liveFields(object client.Object, name string) []string {
	if pod, ok := object.(*corev1.Pod); ok && name == "spec.nodeName" {
		return []string{pod.Spec.NodeName}
	}
	return nil
}

// fill puts copies of the selected objects into a list, or the objects themselves where none are wanted.
func fill(list client.ObjectList, objects []client.Object, selected *client.ListOptions, valuesOf func(client.Object, string) []string) error {
	var items []runtime.Object
	for _, object := range objects {
		if matches(object, selected, valuesOf) {
			if selected.UnsafeDisableDeepCopy == nil || !*selected.UnsafeDisableDeepCopy {
				object, _ = object.DeepCopyObject().(client.Object)
			}
			items = append(items, object)
		}
	}
	if err := meta.SetList(list, items); err != nil {
		return fmt.Errorf("making a list: %w", err)
	}
	return nil
}

func matches(object client.Object, selected *client.ListOptions, valuesOf func(client.Object, string) []string) bool {
	if selected.Namespace != "" && object.GetNamespace() != selected.Namespace {
		return false
	}
	if selected.LabelSelector != nil && !selected.LabelSelector.Matches(labels.Set(object.GetLabels())) {
		return false
	}
	if selected.FieldSelector == nil {
		return true
	}
	for _, requirement := range selected.FieldSelector.Requirements() {
		if !hasValue(valuesOf(object, requirement.Field), requirement) {
			return false
		}
	}
	return true
}

func hasValue(values []string, requirement fields.Requirement) bool {
	return slices.Contains(values, requirement.Value)
}

// assign makes an object a copy of another one.
func assign(into, from client.Object) {
	reflect.ValueOf(into).Elem().Set(reflect.ValueOf(from.DeepCopyObject()).Elem())
}

// do carries a write out and gives the caller the object as it is stored then.
func (c *Client) do(ctx context.Context, request Request, object client.Object, write func() (client.Object, error)) error {
	request.Write = true
	var failed error
	var stored client.Object
	told := c.gate(ctx, request, func() { stored, failed = write() })
	if err := errors.Join(told, failed); err != nil {
		if told != nil {
			return told
		}
		return failed
	}
	if stored != nil {
		assign(object, stored)
	}
	return nil
}

// Create makes an object.
func (c *Client) Create(ctx context.Context, object client.Object, _ ...client.CreateOption) error {
	kind, err := c.store.kindOf(object)
	if err != nil {
		return err
	}
	request := Request{Verb: "create", Kind: kind, Name: object.GetName(), Body: bodyOf(object)}
	return c.do(ctx, request, object, func() (client.Object, error) { return c.store.Create(c.by, object) })
}

// Delete deletes an object.
func (c *Client) Delete(ctx context.Context, object client.Object, options ...client.DeleteOption) error {
	kind, err := c.store.kindOf(object)
	if err != nil {
		return err
	}
	var asked client.DeleteOptions
	asked.ApplyOptions(options)
	return c.do(ctx, Request{Verb: "delete", Kind: kind, Name: object.GetName()}, object, func() (client.Object, error) {
		return nil, c.store.Delete(c.by, VerbDelete, object, Deletion{Preconditions: asked.Preconditions, Grace: asked.GracePeriodSeconds})
	})
}

// Patch applies a merge patch to all but the status.
func (c *Client) Patch(ctx context.Context, object client.Object, patch client.Patch, _ ...client.PatchOption) error {
	return c.patch(ctx, object, patch, "")
}

func (c *Client) patch(ctx context.Context, object client.Object, patch client.Patch, sub string) error {
	kind, err := c.store.kindOf(object)
	if err != nil {
		return err
	}
	if patch.Type() != types.MergePatchType {
		return fmt.Errorf("patches of type %s are not modelled", patch.Type())
	}
	data, err := patch.Data(object)
	if err != nil {
		return fmt.Errorf("making a patch: %w", err)
	}
	request := Request{Verb: "patch", Kind: kind, Name: object.GetName(), Sub: sub, Body: string(data)}
	return c.do(ctx, request, object, func() (client.Object, error) { return c.store.Patch(c.by, object, data, sub == "status") })
}

// Status returns the writer of the status.
func (c *Client) Status() client.SubResourceWriter { return &subresource{client: c, name: "status"} }

// SubResource returns the client of a subresource.
func (c *Client) SubResource(name string) client.SubResourceClient {
	return &subresource{client: c, name: name}
}

type subresource struct {
	client.SubResourceClient // what kerf does not use is not there
	client                   *Client
	name                     string
}

// Patch patches the status.
func (s *subresource) Patch(ctx context.Context, object client.Object, patch client.Patch, _ ...client.SubResourcePatchOption) error {
	if s.name != "status" {
		return fmt.Errorf("patches of subresource %s are not modelled", s.name)
	}
	return s.client.patch(ctx, object, patch, s.name)
}
