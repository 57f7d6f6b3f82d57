package apiserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

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

// merge returns the object with a patch applied. Only the fields that the patch names go through JSON: patches are what kerf does most.
func (s *Store) merge(before client.Object, data []byte) (client.Object, error) {
	patch, err := numbered(data)
	if err != nil {
		return nil, err
	}
	named, ok := patch.(map[string]any)
	if !ok {
		return nil, apierrors.NewBadRequest("a merge patch is an object")
	}
	after := copyOf(before)
	return after, mergeFields(reflect.ValueOf(after).Elem(), named)
}

// mergeFields applies what a patch says of the fields of a struct to them.
func mergeFields(fields reflect.Value, named map[string]any) error {
	for i := range fields.NumField() {
		name, _, _ := strings.Cut(fields.Type().Field(i).Tag.Get("json"), ",")
		change, touched := named[name]
		if !touched || name == "" { // the kind and its version are in a field without a name, and stay
			continue
		}
		if err := mergeField(fields.Field(i), change); err != nil {
			return err
		}
	}
	return nil
}

// mergeField applies what a patch says of a field to it: objects are merged, null takes away, all else replaces (RFC 7386).
func mergeField(field reflect.Value, change any) error {
	named, partly := change.(map[string]any)
	switch {
	case change == nil:
		field.SetZero()
		return nil
	case !partly:
		return replace(field, change)
	case field.Kind() == reflect.Struct && !inOwnWords(field):
		return mergeFields(field, named)
	case field.Kind() == reflect.Pointer && !field.IsNil() && field.Elem().Kind() == reflect.Struct && !inOwnWords(field):
		return mergeFields(field.Elem(), named)
	}
	encoded, err := json.Marshal(field.Interface())
	if err != nil {
		return fmt.Errorf("encoding a %s: %w", field.Type(), err)
	}
	document, err := numbered(encoded)
	if err != nil {
		return err
	}
	return replace(field, mergePatch(document, change))
}

// replace gives a field the value of a document.
func replace(field reflect.Value, document any) error {
	encoded, err := json.Marshal(document)
	if err != nil {
		return fmt.Errorf("encoding the patched %s: %w", field.Type(), err)
	}
	field.SetZero()
	if err := json.Unmarshal(encoded, field.Addr().Interface()); err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	return nil
}

// inOwnWords reports whether a value is written in another way than field by field.
func inOwnWords(field reflect.Value) bool {
	if _, own := reflect.TypeAssert[json.Marshaler](field); own {
		return true
	}
	for part := range reflect.Indirect(field).Type().Fields() {
		if part.Anonymous {
			return true
		}
	}
	return false
}

// numbered decodes JSON and leaves numbers as they are written: a float would round large integers.
func numbered(text []byte) (any, error) {
	var out any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&out); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return out, nil
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
