package apiserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// locks are what a patch may say of the version that it is about.
type locks struct {
	Metadata struct {
		UID             types.UID `json:"uid"`
		ResourceVersion string    `json:"resourceVersion"`
	} `json:"metadata"`
}

// Patch applies a merge patch, to the status alone or to all but it, and returns the object as stored then.
func (s *Store) Patch(by string, object client.Object, data []byte, status bool) (client.Object, error) {
	kind, err := s.kindOf(object)
	if err != nil {
		return nil, err
	}
	before, err := s.find(kind, client.ObjectKeyFromObject(object))
	if err != nil {
		return nil, err
	}
	var asked locks
	if err := json.Unmarshal(data, &asked); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	preconditions := &metav1.Preconditions{}
	if asked.Metadata.UID != "" {
		preconditions.UID = &asked.Metadata.UID
	}
	if asked.Metadata.ResourceVersion != "" {
		preconditions.ResourceVersion = &asked.Metadata.ResourceVersion
	}
	if err := check(preconditions, kind, before); err != nil {
		return nil, err
	}
	after, err := s.merge(before, data)
	if err != nil {
		return nil, err
	}
	if status {
		return s.patchStatus(by, kind, before, after)
	}
	if statusIsApart(kind) {
		if err := setStatus(after, before); err != nil {
			return nil, err
		}
	}
	keepIdentity(before, after)
	if !before.GetDeletionTimestamp().IsZero() {
		for _, finalizer := range after.GetFinalizers() {
			if !slices.Contains(before.GetFinalizers(), finalizer) {
				return nil, apierrors.NewInvalid(object.GetObjectKind().GroupVersionKind().GroupKind(), object.GetName(), nil)
			}
		}
	}
	s.bump(before, after)
	return s.settle(by, VerbUpdate, kind, before, after), nil
}

func (s *Store) patchStatus(by, kind string, before, after client.Object) (client.Object, error) {
	changed := copyOf(before)
	if err := setStatus(changed, after); err != nil {
		return nil, err
	}
	return s.commit(by, VerbStatus, kind, before, changed), nil
}

// merge returns the object with a patch applied.
func (s *Store) merge(before client.Object, data []byte) (client.Object, error) {
	encoded, err := json.Marshal(before)
	if err != nil {
		return nil, fmt.Errorf("encoding %T: %w", before, err)
	}
	var document, patch any
	for _, part := range []struct {
		text []byte
		into *any
	}{{encoded, &document}, {data, &patch}} {
		decoder := json.NewDecoder(bytes.NewReader(part.text))
		decoder.UseNumber() // a float would round large integers
		if err := decoder.Decode(part.into); err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
	}
	merged, err := json.Marshal(mergePatch(document, patch))
	if err != nil {
		return nil, fmt.Errorf("encoding the patched %T: %w", before, err)
	}
	return s.decode(merged, before)
}

// mergePatch applies a JSON merge patch (RFC 7386): objects are merged, null takes away, all else replaces.
func mergePatch(document, patch any) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	out, ok := document.(map[string]any)
	if !ok {
		out = map[string]any{}
	}
	for key, change := range changes {
		if change == nil {
			delete(out, key)
			continue
		}
		out[key] = mergePatch(out[key], change)
	}
	return out
}

// statusIsApart reports whether a write to the object itself leaves its status alone.
func statusIsApart(kind string) bool { return hasStatus(kind) || kind == "Node" || kind == "Pod" }

// keepIdentity undoes what nobody may change.
func keepIdentity(before, after client.Object) {
	after.SetUID(before.GetUID())
	after.SetCreationTimestamp(before.GetCreationTimestamp())
	after.SetDeletionTimestamp(before.GetDeletionTimestamp())
	after.SetDeletionGracePeriodSeconds(before.GetDeletionGracePeriodSeconds())
}
