// Package apiserver is an API server in memory: objects with their resource versions, optimistic locks, finalizers, status
// subresources, preconditions, evictions and watches, as far as kerf relies on them. It has no goroutines and no clock of its own, so
// that whoever drives it decides on the order of everything.
package apiserver

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// Change is one write as it was committed. Its objects are shared and must not be changed.
type Change struct {
	// Revision counts writes, from 1.
	Revision int64
	At       time.Time
	// By is who wrote.
	By   string
	Verb string
	Kind string
	// Before and After are the object; nil when it was not there, or is not any more.
	Before, After client.Object
}

// Object returns the object that the change is about, as it was last.
func (c Change) Object() client.Object {
	if c.After != nil {
		return c.After
	}
	return c.Before
}

// Verbs of changes.
const (
	VerbCreate = "create"
	VerbUpdate = "update"
	VerbStatus = "status"
	VerbDelete = "delete"
	VerbEvict  = "evict"
)

// Store holds the objects. It is not safe for concurrent use.
type Store struct {
	scheme  *runtime.Scheme
	now     func() time.Time
	objects map[string]map[types.NamespacedName]client.Object // kind -> objects; those are never changed, only replaced
	changes []Change
	uids    int
}

// NewStore returns a store without objects.
func NewStore(scheme *runtime.Scheme, now func() time.Time) *Store {
	return &Store{scheme: scheme, now: now, objects: map[string]map[types.NamespacedName]client.Object{}}
}

// Changes returns all writes so far.
func (s *Store) Changes() []Change { return s.changes }

func (s *Store) kindOf(object runtime.Object) (string, error) {
	gvk, err := apiutil.GVKForObject(object, s.scheme)
	if err != nil {
		return "", fmt.Errorf("looking up the kind of %T: %w", object, err)
	}
	return strings.TrimSuffix(gvk.Kind, "List"), nil
}

// resource names a kind in errors.
func resource(kind string) schema.GroupResource {
	return schema.GroupResource{Resource: strings.ToLower(kind) + "s"}
}

// find returns the stored object, which must not be changed.
func (s *Store) find(kind string, key types.NamespacedName) (client.Object, error) {
	object, ok := s.objects[kind][key]
	if !ok {
		return nil, apierrors.NewNotFound(resource(kind), key.Name)
	}
	return object, nil
}

// of returns the objects of a kind in order of namespace and name. They must not be changed.
func (s *Store) of(kind string) []client.Object {
	out := make([]client.Object, 0, len(s.objects[kind]))
	for _, object := range s.objects[kind] {
		out = append(out, object)
	}
	slices.SortFunc(out, byName)
	return out
}

func byName(a, b client.Object) int {
	if c := strings.Compare(a.GetNamespace(), b.GetNamespace()); c != 0 {
		return c
	}
	return strings.Compare(a.GetName(), b.GetName())
}

// commit records a write and makes it the truth. An update that changes nothing is none.
func (s *Store) commit(by, verb, kind string, before, after client.Object) client.Object {
	if before != nil && after != nil {
		after.SetResourceVersion(before.GetResourceVersion())
		if equality.Semantic.DeepEqual(before, after) {
			return before
		}
	}
	revision := int64(len(s.changes) + 1)
	key := client.ObjectKeyFromObject(Change{Before: before, After: after}.Object())
	if after != nil {
		after.SetResourceVersion(strconv.FormatInt(revision, 10))
		if s.objects[kind] == nil {
			s.objects[kind] = map[types.NamespacedName]client.Object{}
		}
		s.objects[kind][key] = after
	} else {
		delete(s.objects[kind], key)
	}
	s.changes = append(s.changes, Change{Revision: revision, At: s.now(), By: by, Verb: verb, Kind: kind, Before: before, After: after})
	return after
}

// Create stores a new object and returns it as stored. As with a real server, it gets its name, UID and times here, loses a status
// that only the subresource may write, and keeps whole seconds.
func (s *Store) Create(by string, object client.Object) (client.Object, error) {
	kind, err := s.kindOf(object)
	if err != nil {
		return nil, err
	}
	created, err := s.roundTrip(object)
	if err != nil {
		return nil, err
	}
	s.uids++
	if created.GetName() == "" {
		created.SetName(fmt.Sprintf("%s%05d", created.GetGenerateName(), s.uids))
	}
	if _, there := s.objects[kind][client.ObjectKeyFromObject(created)]; there {
		return nil, apierrors.NewAlreadyExists(resource(kind), created.GetName())
	}
	// Spread, so that the order of UIDs is not that of creation, as it never is.
	created.SetUID(types.UID(fmt.Sprintf("%08x-%04d", uint32(s.uids)*2654435761, s.uids)))
	created.SetCreationTimestamp(metav1.NewTime(s.now().Truncate(time.Second)))
	created.SetGeneration(1)
	created.SetDeletionTimestamp(nil)
	if hasStatus(kind) {
		if err := setStatus(created, nil); err != nil {
			return nil, err
		}
	}
	return s.commit(by, VerbCreate, kind, nil, created), nil
}

// roundTrip returns a copy that has been through JSON, as everything has that a server stores.
func (s *Store) roundTrip(object client.Object) (client.Object, error) {
	encoded, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("encoding %T: %w", object, err)
	}
	return s.decode(encoded, object)
}

// decode makes an object of the type of like from JSON.
func (s *Store) decode(encoded []byte, like client.Object) (client.Object, error) {
	gvk, err := apiutil.GVKForObject(like, s.scheme)
	if err != nil {
		return nil, fmt.Errorf("looking up the kind of %T: %w", like, err)
	}
	made, err := s.scheme.New(gvk)
	if err != nil {
		return nil, fmt.Errorf("making a %s: %w", gvk.Kind, err)
	}
	out, ok := made.(client.Object)
	if !ok {
		return nil, fmt.Errorf("a %s is no object", gvk.Kind)
	}
	if err := json.Unmarshal(encoded, out); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return out, nil
}

// Change rewrites an object, status and all, as a component of the cluster does that reads before it writes. What has been deleted
// and has no finalizer left goes.
func (s *Store) Change(by string, object client.Object, change func(client.Object)) error {
	kind, err := s.kindOf(object)
	if err != nil {
		return err
	}
	before, err := s.find(kind, client.ObjectKeyFromObject(object))
	if err != nil {
		return err
	}
	changed := copyOf(before)
	change(changed)
	after, err := s.roundTrip(changed)
	if err != nil {
		return err
	}
	s.bump(before, after)
	s.settle(by, VerbUpdate, kind, before, after)
	return nil
}

// settle commits an update; one that takes the last finalizer off an object that is being deleted removes it.
func (s *Store) settle(by, verb, kind string, before, after client.Object) client.Object {
	if !after.GetDeletionTimestamp().IsZero() && len(after.GetFinalizers()) == 0 && len(before.GetFinalizers()) > 0 {
		s.commit(by, VerbDelete, kind, before, nil)
		return after
	}
	return s.commit(by, verb, kind, before, after)
}

// bump counts generations: a change of the spec makes a new one.
func (s *Store) bump(before, after client.Object) {
	after.SetGeneration(before.GetGeneration())
	if !equality.Semantic.DeepEqual(specOf(before), specOf(after)) {
		after.SetGeneration(before.GetGeneration() + 1)
	}
}

// Deletion is how something is deleted.
type Deletion struct {
	Preconditions *metav1.Preconditions
	// Grace replaces the time that a pod has to end.
	Grace *int64
}

// Delete marks an object as being deleted, or removes it when nothing holds it.
func (s *Store) Delete(by, verb string, object client.Object, how Deletion) error {
	kind, err := s.kindOf(object)
	if err != nil {
		return err
	}
	before, err := s.find(kind, client.ObjectKeyFromObject(object))
	if err != nil {
		return err
	}
	if err := check(how.Preconditions, kind, before); err != nil {
		return err
	}
	grace := graceOf(before, how.Grace)
	if len(before.GetFinalizers()) == 0 && grace == 0 {
		s.commit(by, verb, kind, before, nil)
		return nil
	}
	after := copyOf(before)
	due := metav1.NewTime(s.now().Add(time.Duration(grace) * time.Second).Truncate(time.Second))
	if old := before.GetDeletionTimestamp(); old == nil || grace > 0 && due.Before(old) {
		after.SetDeletionTimestamp(&due)
		if grace > 0 {
			after.SetDeletionGracePeriodSeconds(&grace)
		}
	}
	s.commit(by, verb, kind, before, after)
	return nil
}

// Remove takes an object away at once, whatever holds it, as a kubelet does with a pod that has ended.
func (s *Store) Remove(by string, object client.Object) {
	kind, err := s.kindOf(object)
	if err != nil {
		return
	}
	if before, err := s.find(kind, client.ObjectKeyFromObject(object)); err == nil {
		s.commit(by, VerbDelete, kind, before, nil)
	}
}

func check(preconditions *metav1.Preconditions, kind string, object client.Object) error {
	if preconditions == nil {
		return nil
	}
	if uid := preconditions.UID; uid != nil && *uid != object.GetUID() {
		return apierrors.NewConflict(resource(kind), object.GetName(), fmt.Errorf("the UID in the precondition is %s, that of the object %s", *uid, object.GetUID()))
	}
	if revision := preconditions.ResourceVersion; revision != nil && *revision != object.GetResourceVersion() {
		return apierrors.NewConflict(resource(kind), object.GetName(), fmt.Errorf("the object is of another version than %s", *revision))
	}
	return nil
}

// graceOf returns the seconds that a pod on a node has to end; other objects have none.
func graceOf(object client.Object, asked *int64) int64 {
	pod, ok := object.(*corev1.Pod)
	switch {
	case !ok || pod.Spec.NodeName == "":
		return 0
	case asked != nil:
		return *asked
	case pod.Spec.TerminationGracePeriodSeconds != nil:
		return *pod.Spec.TerminationGracePeriodSeconds
	default:
		return corev1.DefaultTerminationGracePeriodSeconds
	}
}

func copyOf(object client.Object) client.Object {
	copied, ok := object.DeepCopyObject().(client.Object)
	if !ok {
		return object
	}
	return copied
}

// Objects returns the objects of a kind in order of namespace and name. They are shared and must not be changed.
func (s *Store) Objects(kind string) []client.Object { return s.of(kind) }
