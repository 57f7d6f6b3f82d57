package consolidation

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kerf-autoscaler/kerf/pkg/pods"
)

// stirs remember when workload last came to a Node or left it. The Machine has that on record, too, but only as it goes from empty to not
// empty and back: a pod that came and went between two looks, or while the API server took no writes, is nowhere else. It is safe for
// concurrent use.
type stirs struct {
	clock clock.PassiveClock

	mu sync.Mutex
	// times maps the name of a Node -> when its last pod event was.
	times map[string]time.Time
}

func newStirs(clock clock.PassiveClock) *stirs {
	return &stirs{clock: clock, times: map[string]time.Time{}}
}

// last returns when workload last came to a Node or left it, as far as this process has heard; the zero time for never.
func (s *stirs) last(node string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.times[node]
}

// note takes in that a pod was like this, and is like that; nil where it was not there, or is not any more.
func (s *stirs) note(before, after client.Object) {
	was, is := workloadOf(before), workloadOf(after)
	if was == is {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, node := range []string{was, is} {
		if node != "" {
			s.times[node] = s.clock.Now()
		}
	}
}

// workloadOf returns the name of the Node that an object is workload of; "" for none.
func workloadOf(object client.Object) string {
	pod, ok := object.(*corev1.Pod)
	if !ok || pod == nil || !pods.IsReschedulable(pod) {
		return ""
	}
	return pod.Spec.NodeName
}

type requests = workqueue.TypedRateLimitingInterface[reconcile.Request]

// pods takes note of the events of pods. It wakes no Machine: marking does, by what it writes.
func (s *stirs) pods() handler.EventHandler {
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, _ requests) { s.note(nil, e.Object) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, _ requests) { s.note(e.ObjectOld, e.ObjectNew) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, _ requests) { s.note(e.Object, nil) },
	}
}

// nodes forgets Nodes that are gone.
func (s *stirs) nodes() handler.EventHandler {
	return handler.Funcs{DeleteFunc: func(_ context.Context, e event.DeleteEvent, _ requests) {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.times, e.Object.GetName())
	}}
}
