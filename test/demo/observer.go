package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/operator"
)

// pod is what was seen of a Pod, with the moments at which a watch showed it.
type pod struct {
	namespace, name string
	workload        string // the Deployment that it belongs to
	node            string
	unschedulable   time.Time
	bound           time.Time
	running         time.Time
	gone            time.Time
}

// node is what was seen of a Node.
type node struct {
	name        string
	provisioner string
	labels      map[string]string
	joined      time.Time
	ready       time.Time
	emptied     time.Time // when its last pod left; zero while there are pods
	gone        time.Time
	pods        int // that are bound to it and not gone, those of DaemonSets aside
}

// machine is what was seen of a Machine.
type machine struct {
	object      *v1alpha5.Machine // the latest
	created     time.Time
	launched    time.Time
	registered  time.Time
	initialized time.Time
	deleting    time.Time
	gone        time.Time
}

// observer follows the cluster by watches. It tells the timeline what a person wants to know and wakes up who waits.
type observer struct {
	timeline *timeline
	cache    cache.Cache

	mu       sync.Mutex
	pods     map[string]*pod     // uid -> pod
	nodes    map[string]*node    // name -> node
	machines map[string]*machine // name -> machine
	changed  chan struct{}       // closed and replaced at every change
}

func newObserver(config *rest.Config, t *timeline) (*observer, error) {
	scheme, err := operator.NewScheme()
	if err != nil {
		return nil, err
	}
	c, err := cache.New(config, cache.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("building watches: %w", err)
	}
	return &observer{
		timeline: t, cache: c,
		pods: map[string]*pod{}, nodes: map[string]*node{}, machines: map[string]*machine{},
		changed: make(chan struct{}),
	}, nil
}

// start begins to watch and returns once everything that is there has been seen. It ends with the context.
func (o *observer) start(ctx context.Context) error {
	for _, w := range []struct {
		object       client.Object
		seen, forgot func(client.Object, time.Time)
	}{
		{&corev1.Node{}, o.seeNode, o.forgetNode},
		{&v1alpha5.Machine{}, o.seeMachine, o.forgetMachine},
		{&corev1.Pod{}, o.seePod, o.forgetPod},
	} {
		informer, err := o.cache.GetInformer(ctx, w.object, cache.BlockUntilSynced(false))
		if err != nil {
			return fmt.Errorf("watching: %w", err)
		}
		if _, err := informer.AddEventHandler(o.handler(w.seen, w.forgot)); err != nil {
			return fmt.Errorf("watching: %w", err)
		}
	}
	go func() { _ = o.cache.Start(ctx) }() // it ends with the context; before that it cannot fail
	if !o.cache.WaitForCacheSync(ctx) {
		return fmt.Errorf("watching: %w", context.Cause(ctx))
	}
	return nil
}

// handler runs the functions one at a time, with the moment of the event, and then wakes up who waits.
func (o *observer) handler(seen, forgot func(client.Object, time.Time)) toolscache.ResourceEventHandler {
	with := func(f func(client.Object, time.Time)) func(any) {
		return func(event any) {
			if lost, ok := event.(toolscache.DeletedFinalStateUnknown); ok {
				event = lost.Obj
			}
			o.mu.Lock()
			defer o.mu.Unlock()
			f(event.(client.Object), time.Now())
			close(o.changed)
			o.changed = make(chan struct{})
		}
	}
	update := with(seen)
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc: update, UpdateFunc: func(_, newer any) { update(newer) }, DeleteFunc: with(forgot),
	}
}

// await waits until the condition holds for what has been seen. It is called with the lock held.
func (o *observer) await(ctx context.Context, what string, condition func() bool) error {
	for {
		o.mu.Lock()
		holds, changed := condition(), o.changed
		o.mu.Unlock()
		if holds {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w", what, context.Cause(ctx))
		}
	}
}

func (o *observer) seePod(object client.Object, now time.Time) {
	p := object.(*corev1.Pod)
	seen, ok := o.pods[string(p.UID)]
	if !ok {
		seen = &pod{namespace: p.Namespace, name: p.Name, workload: p.Labels["app"]}
		o.pods[string(p.UID)] = seen
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
			first(&seen.unschedulable, now)
		}
	}
	if p.Spec.NodeName != "" && seen.bound.IsZero() {
		seen.node, seen.bound = p.Spec.NodeName, now
		o.occupy(p.Spec.NodeName, 1, now)
	}
	if p.Status.Phase == corev1.PodRunning {
		first(&seen.running, now)
	}
}

func (o *observer) forgetPod(object client.Object, now time.Time) {
	seen, ok := o.pods[string(object.GetUID())]
	if !ok {
		return
	}
	seen.gone = now
	if !seen.bound.IsZero() {
		o.occupy(seen.node, -1, now)
	}
}

// occupy counts the pods of a node.
func (o *observer) occupy(name string, change int, now time.Time) {
	n := o.node(name)
	n.pods += change
	switch {
	case n.pods > 0:
		n.emptied = time.Time{}
	case n.gone.IsZero():
		n.emptied = now
		o.timeline.add(now, "node", "%s is empty", name)
	}
}

// node returns the record of a node, which a pod may name before the node itself is seen.
func (o *observer) node(name string) *node {
	n, ok := o.nodes[name]
	if !ok {
		n = &node{name: name}
		o.nodes[name] = n
	}
	return n
}

func (o *observer) seeNode(object client.Object, now time.Time) {
	actual := object.(*corev1.Node)
	n := o.node(actual.Name)
	n.labels, n.provisioner = actual.Labels, actual.Labels[v1alpha5.ProvisionerNameLabel]
	if first(&n.joined, now) {
		o.timeline.add(now, "node", "%s joined", n.name)
	}
	for _, c := range actual.Status.Conditions {
		if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue && first(&n.ready, now) {
			cpu, memory := actual.Status.Allocatable.Cpu(), actual.Status.Allocatable.Memory()
			o.timeline.add(now, "node", "%s is ready: %dm CPU and %d MiB for pods", n.name, cpu.MilliValue(), memory.Value()>>20)
		}
	}
}

func (o *observer) forgetNode(object client.Object, now time.Time) {
	o.node(object.GetName()).gone = now
	o.timeline.add(now, "node", "%s is gone", object.GetName())
}

func (o *observer) seeMachine(object client.Object, now time.Time) {
	actual := object.(*v1alpha5.Machine)
	m, ok := o.machines[actual.Name]
	if !ok {
		m = &machine{created: now}
		o.machines[actual.Name] = m
	}
	m.object = actual
	if !ok {
		o.timeline.add(now, "decided", "%s", describeDecision(actual))
	}
	is := func(condition string) bool { return apimeta.IsStatusConditionTrue(actual.Status.Conditions, condition) }
	if is(v1alpha5.ConditionLaunched) && first(&m.launched, now) {
		o.timeline.add(now, "launched", "%s", describeInstance(actual))
	}
	if is(v1alpha5.ConditionRegistered) {
		first(&m.registered, now)
	}
	if is(v1alpha5.ConditionInitialized) && first(&m.initialized, now) {
		o.timeline.add(now, "machine", "%s is initialized, %s after the decision", actual.Name, seconds(now.Sub(m.created)))
	}
	if !actual.DeletionTimestamp.IsZero() && first(&m.deleting, now) {
		o.timeline.add(now, "machine", "%s goes: %s", actual.Name, describeEnd(actual))
	}
}

func (o *observer) forgetMachine(object client.Object, now time.Time) {
	if m, ok := o.machines[object.GetName()]; ok {
		m.gone = now
		o.timeline.add(now, "machine", "%s is terminated, %s after it was told to go", object.GetName(), seconds(now.Sub(m.deleting)))
	}
}

// first sets a moment that is not set yet and says whether it did.
func first(moment *time.Time, now time.Time) bool {
	if !moment.IsZero() {
		return false
	}
	*moment = now
	return true
}
