package live

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/chaos/history"
)

// observer watches what the API server commits. It talks to it directly: nothing is kept from it.
type observer struct {
	direct   client.WithWatch
	recorder *recorder
	// forced reports whether kerf has asked to delete a pod of the name.
	forced func(name string) bool

	mu sync.Mutex
	// objects maps kind -> key -> what there is. They are shared and not to be changed.
	objects map[string]map[client.ObjectKey]client.Object
	// others are the UIDs of objects that somebody else than kerf has deleted.
	others map[types.UID]bool
	// changed holds a token when something has.
	changed chan struct{}
}

func newObserver(direct client.WithWatch, recorder *recorder, forced func(string) bool) *observer {
	return &observer{
		direct: direct, recorder: recorder, forced: forced, objects: map[string]map[client.ObjectKey]client.Object{},
		others: map[types.UID]bool{}, changed: make(chan struct{}, 1),
	}
}

// The kinds that are observed.
const (
	kindMachine, kindNode, kindPod, kindProvisioner = "Machine", "Node", "Pod", "Provisioner"
)

func kinds() map[string]func() client.ObjectList {
	return map[string]func() client.ObjectList{
		kindMachine:     func() client.ObjectList { return &v1alpha5.MachineList{} },
		kindNode:        func() client.ObjectList { return &corev1.NodeList{} },
		kindPod:         func() client.ObjectList { return &corev1.PodList{} },
		kindProvisioner: func() client.ObjectList { return &v1alpha5.ProvisionerList{} },
	}
}

// relistAfter is how long to wait until what could not be watched is tried again.
const relistAfter = 50 * time.Millisecond

// follow observes one kind until the context ends. It goes on where it was when the API server has been away.
func (o *observer) follow(ctx context.Context, kind string, list func() client.ObjectList) {
	ticks := time.NewTicker(relistAfter)
	defer ticks.Stop()
	for ctx.Err() == nil {
		if version, err := o.list(ctx, kind, list()); err == nil {
			o.watch(ctx, kind, list(), version)
		}
		select {
		case <-ctx.Done():
		case <-ticks.C:
		}
	}
}

// list takes in what there is, and what has gone unseen.
func (o *observer) list(ctx context.Context, kind string, list client.ObjectList) (string, error) {
	if err := o.direct.List(ctx, list); err != nil {
		return "", fmt.Errorf("listing: %w", err)
	}
	items, err := meta.ExtractList(list)
	if err != nil {
		return "", fmt.Errorf("reading a list: %w", err)
	}
	there, last := map[client.ObjectKey]bool{}, o.last(kind)
	for _, item := range items {
		if object, ok := item.(client.Object); ok {
			there[client.ObjectKeyFromObject(object)] = true
			o.intended(object, last)
			o.take(kind, object, number(object.GetResourceVersion()), false)
		}
	}
	for key, object := range o.copy(kind) {
		if !there[key] {
			o.take(kind, object, number(list.GetResourceVersion()), true)
		}
	}
	return list.GetResourceVersion(), nil
}

func (o *observer) watch(ctx context.Context, kind string, list client.ObjectList, version string) {
	watching, err := o.direct.Watch(ctx, list, &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: version}})
	if err != nil {
		return
	}
	defer watching.Stop()
	for event := range watching.ResultChan() {
		object, ok := event.Object.(client.Object)
		if !ok || event.Type == watch.Error {
			return
		}
		o.take(kind, object, number(object.GetResourceVersion()), event.Type == watch.Deleted)
	}
}

// number reads a version, which is a number.
func number(version string) uint64 {
	n, err := strconv.ParseUint(version, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// last returns the newest version that was seen of a kind; 0 is none.
func (o *observer) last(kind string) uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	newest := uint64(0)
	for _, object := range o.objects[kind] {
		newest = max(newest, number(object.GetResourceVersion()))
	}
	return newest
}

// intended records the intent of a machine that was written while nothing could be watched, as of what was last seen before: a list
// shows only what came of it, and that may be an instance.
func (o *observer) intended(object client.Object, last uint64) {
	machine, ok := object.(*v1alpha5.Machine)
	if !ok || machine.Status.Launch == nil || last == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	key := client.ObjectKeyFromObject(object)
	before, seen := o.objects[kindMachine][key].(*v1alpha5.Machine)
	asked := machine.DeepCopy()
	if seen {
		if before.UID != machine.UID || before.Status.Launch != nil {
			return
		}
		asked = before.DeepCopy()
	}
	asked.DeletionTimestamp, asked.Status = nil, v1alpha5.MachineStatus{Launch: machine.Status.Launch.DeepCopy()}
	asked.Status.Launch.Answered = false
	asked.ResourceVersion = strconv.FormatUint(last, 10)
	write := &history.Write{Kind: kindMachine, After: asked}
	if seen {
		write.Before = before
	}
	o.objects[kindMachine][key] = asked
	o.attribute(write)
	o.recorder.add(last, history.Event{Write: write})
}

// take records a change, and who has made it.
func (o *observer) take(kind string, object client.Object, version uint64, gone bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.objects[kind] == nil {
		o.objects[kind] = map[client.ObjectKey]client.Object{}
	}
	key := client.ObjectKeyFromObject(object)
	before := o.objects[kind][key]
	if before != nil && number(before.GetResourceVersion()) >= version && !gone {
		return // it has been seen
	}
	write := &history.Write{Kind: kind, Before: before, After: object}
	if gone {
		write.Before, write.After = object, nil
		delete(o.objects[kind], key)
	} else {
		o.objects[kind][key] = object
	}
	o.attribute(write)
	o.recorder.add(version, history.Event{Write: write})
	select {
	case o.changed <- struct{}{}:
	default:
	}
}

// attribute tells who wrote. The rest of the cluster is played by few, who say what they delete; machines are kerf's alone.
func (o *observer) attribute(write *history.Write) {
	write.Verb, write.By = verbOf(write), "somebody"
	object := write.Object()
	ended := write.Kind == kindPod && write.After == nil && !object.GetDeletionTimestamp().IsZero() // by its kubelet
	if write.Kind == kindPod && write.Verb == "delete" && !ended && !o.forced(object.GetName()) {
		write.Verb = "evict"
	}
	disowned := o.others[object.GetUID()] && write.After != nil && write.Verb != "create"
	if (write.Kind == kindMachine || write.Verb == "delete" || write.Verb == "evict") && !ended && !disowned {
		write.By = history.ByKerf
	}
}

// verbOf says what was done, whoever did it.
func verbOf(write *history.Write) string {
	switch {
	case write.Before == nil:
		return "create"
	case write.After == nil, !write.After.GetDeletionTimestamp().IsZero() && write.Before.GetDeletionTimestamp().IsZero():
		return "delete"
	default:
		return "update"
	}
}

// disown says that somebody else than kerf is about to delete an object.
func (o *observer) disown(object client.Object) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.others[object.GetUID()] = true
}

// copy returns all objects of a kind.
func (o *observer) copy(kind string) map[client.ObjectKey]client.Object {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := make(map[client.ObjectKey]client.Object, len(o.objects[kind]))
	maps.Copy(out, o.objects[kind])
	return out
}

// observed returns all objects of a kind, by their type.
func observed[T client.Object](o *observer, kind string) []T {
	var out []T
	for _, object := range o.copy(kind) {
		if typed, ok := object.(T); ok {
			out = append(out, typed)
		}
	}
	return out
}
