package main

import (
	"context"
	"fmt"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// worker makes requests one after the other, about objects that are its own.
type worker struct {
	client  client.Client
	name    string // of its objects
	cluster string
}

// act is a way to change an object; each is one that users have. Every act changes a spec, or the webhook would not be asked.
type act struct {
	name string
	// do makes the change of a turn.
	do func(ctx context.Context, w *worker, revision string) error
	// refused says that kerf has to refuse it, and the schema alone does not.
	refused bool
}

// acts are what workers do in turn.
func acts() []act {
	return []act{
		{name: "apply a Provisioner", do: func(ctx context.Context, w *worker, revision string) error {
			return w.apply(ctx, w.provisioner(w.name, revision))
		}},
		{name: "update a Provisioner", do: func(ctx context.Context, w *worker, revision string) error {
			return w.update(ctx, w.provisioner(w.name, revision), revision, "spec", "labels")
		}},
		{name: "patch a Provisioner", do: func(ctx context.Context, w *worker, revision string) error {
			patch := fmt.Sprintf(`{"spec":{"labels":{%q:%q}}}`, revisionKey, revision)
			return w.client.Patch(ctx, w.provisioner(w.name, revision), client.RawPatch("application/merge-patch+json", []byte(patch)))
		}},
		{name: "apply an AWSNodeTemplate", do: func(ctx context.Context, w *worker, revision string) error {
			return w.apply(ctx, w.template(revision))
		}},
		{name: "update an AWSNodeTemplate", do: func(ctx context.Context, w *worker, revision string) error {
			return w.update(ctx, w.template(revision), revision, "spec", "tags")
		}},
		{name: "create and delete a Provisioner", do: func(ctx context.Context, w *worker, revision string) error {
			short := w.provisioner(w.name+"-"+revision, revision)
			if err := w.client.Create(ctx, short); err != nil {
				return err
			}
			return w.client.Delete(ctx, short)
		}},
		{name: "apply a mistake", refused: true, do: func(ctx context.Context, w *worker, revision string) error {
			mistaken := object("karpenter.sh/v1alpha5", "Provisioner", w.name+"-mistaken", map[string]any{
				"provider": map[string]any{"subnetSelectors": map[string]any{revisionKey: revision}},
			})
			return w.apply(ctx, mistaken)
		}},
	}
}

// revisionKey is the key of what changes with every turn.
const revisionKey = "example.com/revision"

// work makes a request in each turn that it gets. It ends at the first error of its own; what the API server answers is
// recorded.
func (w *worker) work(ctx context.Context, turns <-chan int, r *report) error {
	// What is updated and patched has to be there.
	for _, first := range []*unstructured.Unstructured{w.provisioner(w.name, "first"), w.template("first")} {
		if err := w.apply(ctx, first); err != nil {
			return fmt.Errorf("creating %s: %w", first.GetKind(), err)
		}
	}
	all := acts()
	for turn := range turns {
		a := all[turn%len(all)]
		err := a.do(ctx, w, "r"+strconv.Itoa(turn))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.record(a, err)
	}
	return nil
}

// apply is server-side apply.
func (w *worker) apply(ctx context.Context, o *unstructured.Unstructured) error {
	return w.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(o), client.ForceOwnership)
}

// update reads an object and writes it with a new revision. kerf writes the status of the same object, so that what was read
// may be outdated: that is for every client to expect, and to do again.
func (w *worker) update(ctx context.Context, o *unstructured.Unstructured, revision string, fields ...string) error {
	return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		if err := w.client.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
			return err
		}
		if err := unstructured.SetNestedStringMap(o.Object, map[string]string{revisionKey: revision}, fields...); err != nil {
			return err
		}
		return w.client.Update(ctx, o)
	})
}

func (w *worker) provisioner(name, revision string) *unstructured.Unstructured {
	return object("karpenter.sh/v1alpha5", "Provisioner", name, map[string]any{
		"providerRef": map[string]any{"name": w.name},
		"labels":      map[string]any{revisionKey: revision},
	})
}

func (w *worker) template(revision string) *unstructured.Unstructured {
	discovery := map[string]any{"karpenter.sh/discovery": w.cluster}
	return object("karpenter.k8s.aws/v1alpha1", "AWSNodeTemplate", w.name, map[string]any{
		"subnetSelector": discovery, "securityGroupSelector": discovery, "tags": map[string]any{revisionKey: revision},
	})
}

func object(apiVersion, kind, name string, spec map[string]any) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	o.SetGroupVersionKind(schema.FromAPIVersionAndKind(apiVersion, kind))
	o.SetName(name)
	return o
}

// refusedByKerf says whether an answer is kerf's refusal of an object, and not that kerf could not be asked.
func refusedByKerf(err error) bool {
	return apierrors.IsInvalid(err) && apierrors.HasStatusCause(err, metav1.CauseType("FieldValueForbidden"))
}
