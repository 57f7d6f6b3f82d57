// Package eviction evicts pods one by one through the eviction API, which honours PodDisruptionBudgets.
package eviction

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/journal"
)

const (
	// workers is how many evictions are under way at a time.
	workers = 10
	// firstRetry and lastRetry space out evictions that a budget refuses.
	firstRetry, lastRetry = 200 * time.Millisecond, 10 * time.Second
)

// Key identifies a pod, and only that one: another pod of the same name is another key.
type Key struct {
	types.NamespacedName
	UID types.UID
}

// Queue evicts the pods that are put into it, and tries again those that a budget refuses. It keeps nothing that matters
// after a crash: whoever drains a node puts its pods in again.
type Queue struct {
	client  client.Client
	journal journal.Journal
	queue   workqueue.TypedRateLimitingInterface[Key]

	mu sync.Mutex
	// waiting maps key -> pod that is in the queue.
	waiting map[Key]*corev1.Pod
}

// NewQueue returns a queue that evicts once it is started.
func NewQueue(client client.Client, journal journal.Journal) *Queue {
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[Key](firstRetry, lastRetry)
	return &Queue{
		client: client, journal: journal,
		queue:   workqueue.NewTypedRateLimitingQueue(limiter),
		waiting: map[Key]*corev1.Pod{},
	}
}

// +kubebuilder:rbac:groups="",resources=pods/eviction,verbs=create
// +kubebuilder:rbac:groups="",resources=pods,verbs=delete

// Register adds the queue to a manager.
func (q *Queue) Register(mgr ctrl.Manager) error { return mgr.Add(q) }

// Add puts pods into the queue; those that are in it stay where they are.
func (q *Queue) Add(list ...*corev1.Pod) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, pod := range list {
		key := Key{client.ObjectKeyFromObject(pod), pod.UID}
		if _, there := q.waiting[key]; there {
			continue
		}
		q.waiting[key] = pod
		q.queue.Add(key)
	}
}

// Withdraw takes pods out of the queue that are not to be evicted any more. An eviction that is under way goes on.
func (q *Queue) Withdraw(list ...*corev1.Pod) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, pod := range list {
		delete(q.waiting, Key{client.ObjectKeyFromObject(pod), pod.UID})
	}
}

// Delete tells exactly this pod to end within a time. Unlike an eviction it asks no budget: it is for pods whose time is up. A
// pod that is gone, or replaced by another of its name, is no error.
func (q *Queue) Delete(ctx context.Context, pod *corev1.Pod, grace time.Duration) error {
	err := q.client.Delete(ctx, pod.DeepCopy(), client.Preconditions{UID: &pod.UID}, client.GracePeriodSeconds(int64(grace/time.Second)))
	switch {
	case apierrors.IsNotFound(err), apierrors.IsConflict(err):
		return nil
	case err != nil:
		return fmt.Errorf("deleting pod %s: %w", klog.KObj(pod), err)
	}
	message := fmt.Sprintf("Deleted from node %s, whose terminationGracePeriod ends, with %s to end itself", pod.Spec.NodeName, grace.Truncate(time.Second))
	q.journal.Metrics.PodsDeleted.Inc()
	q.journal.Events.Publish(events.Event{Object: pod, Warning: true, Reason: events.ReasonDeleted, Message: message})
	return nil
}

// Start evicts until ctx ends.
func (q *Queue) Start(ctx context.Context) error {
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for q.next(ctx) {
			}
		})
	}
	<-ctx.Done()
	q.queue.ShutDown()
	running.Wait()
	return nil
}

func (q *Queue) next(ctx context.Context) bool {
	key, shutdown := q.queue.Get()
	if shutdown {
		return false
	}
	defer q.queue.Done(key)
	q.mu.Lock()
	pod, there := q.waiting[key]
	q.mu.Unlock()
	if !there { // withdrawn meanwhile
		q.queue.Forget(key)
		return true
	}
	if err := q.Evict(ctx, pod); err != nil {
		q.queue.AddRateLimited(key)
		return true
	}
	q.queue.Forget(key)
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.waiting, key)
	return true
}

// Evict evicts exactly this pod, as it was when it was judged: its owner may have asked since for it to be left alone. One that is gone, that
// another of its name has replaced, or that has changed is no error: whoever drains its node sees it anew.
func (q *Queue) Evict(ctx context.Context, pod *corev1.Pod) error {
	eviction := &policyv1.Eviction{
		ObjectMeta:    metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name},
		DeleteOptions: &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &pod.UID, ResourceVersion: &pod.ResourceVersion}},
	}
	err := q.client.SubResource("eviction").Create(ctx, pod.DeepCopy(), eviction)
	switch {
	case err == nil:
		q.journal.Metrics.PodsEvicted.Inc()
		q.journal.Events.Publish(events.Event{Object: pod, Reason: events.ReasonEvicted, Message: "Evicted from node " + pod.Spec.NodeName + ", which is being removed"})
		return nil
	case apierrors.IsNotFound(err), apierrors.IsConflict(err): // conflict: the name has another UID now, or the pod another version
		return nil
	case apierrors.IsTooManyRequests(err):
		message := fmt.Sprintf("Not evicted from node %s yet: %s", pod.Spec.NodeName, err)
		q.journal.Events.Publish(events.Event{Object: pod, Warning: true, Reason: events.ReasonFailedDraining, Message: message})
		return fmt.Errorf("evicting pod %s: %w", klog.KObj(pod), err)
	default:
		ctrl.LoggerFrom(ctx).Error(err, "evicting pod", "pod", klog.KObj(pod))
		return fmt.Errorf("evicting pod %s: %w", klog.KObj(pod), err)
	}
}
