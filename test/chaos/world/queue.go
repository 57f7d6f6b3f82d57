package world

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// queue is a work queue whose items are handed out by the conductor. What it holds is a set: order is drawn, not kept.
type queue struct {
	process *process
	name    string
	limiter workqueue.TypedRateLimiter[reconcile.Request]

	mu         sync.Mutex
	dirty      map[reconcile.Request]bool
	processing map[reconcile.Request]bool
	delayed    map[reconcile.Request]time.Time
	idle       []chan reconcile.Request
	down       bool
}

var _ workqueue.TypedRateLimitingInterface[reconcile.Request] = (*queue)(nil)

func newQueue(p *process, name string, limiter workqueue.TypedRateLimiter[reconcile.Request]) *queue {
	return &queue{
		process: p, name: name, limiter: limiter,
		dirty: map[reconcile.Request]bool{}, processing: map[reconcile.Request]bool{}, delayed: map[reconcile.Request]time.Time{},
	}
}

// Add puts an item in.
func (q *queue) Add(item reconcile.Request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.down {
		q.dirty[item] = true
		q.process.world.gate.wake()
	}
}

// AddAfter puts an item in once a time has passed; the earliest time counts.
func (q *queue) AddAfter(item reconcile.Request, after time.Duration) {
	if after <= 0 {
		q.Add(item)
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	due := time.Now().Add(after)
	if before, ok := q.delayed[item]; !ok || due.Before(before) {
		q.delayed[item] = due
	}
	q.process.world.gate.wake()
}

// AddRateLimited puts an item in once the limiter allows it.
func (q *queue) AddRateLimited(item reconcile.Request) { q.AddAfter(item, q.limiter.When(item)) }

// Forget says that an item failed no more.
func (q *queue) Forget(item reconcile.Request) { q.limiter.Forget(item) }

// NumRequeues returns how often an item failed.
func (q *queue) NumRequeues(item reconcile.Request) int { return q.limiter.NumRequeues(item) }

// Len returns how many items wait.
func (q *queue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.dirty)
}

// Get waits until the conductor hands an item out.
func (q *queue) Get() (reconcile.Request, bool) {
	q.mu.Lock()
	if q.down {
		q.mu.Unlock()
		return reconcile.Request{}, true
	}
	handed := make(chan reconcile.Request, 1)
	q.idle = append(q.idle, handed)
	q.mu.Unlock()
	q.process.world.gate.wake()
	item, ok := <-handed
	return item, !ok
}

// Done says that an item has been processed.
func (q *queue) Done(item reconcile.Request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.processing, item)
	q.process.world.gate.wake()
}

// ShutDown ends the queue.
func (q *queue) ShutDown() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.down = true
	for _, worker := range q.idle {
		close(worker)
	}
	q.idle = nil
}

// ShutDownWithDrain ends the queue.
func (q *queue) ShutDownWithDrain() { q.ShutDown() }

// ShuttingDown reports whether the queue has ended.
func (q *queue) ShuttingDown() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.down
}

// ready moves what is due into the set, and returns the items that a worker could take now, in order, and when more will be due.
func (q *queue) ready(now time.Time) (items []reconcile.Request, next time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for item, due := range q.delayed {
		if !due.After(now) {
			delete(q.delayed, item)
			q.dirty[item] = true
		} else if next.IsZero() || due.Before(next) {
			next = due
		}
	}
	if len(q.idle) == 0 {
		return nil, next
	}
	for item := range q.dirty {
		if !q.processing[item] {
			items = append(items, item)
		}
	}
	slices.SortFunc(items, func(a, b reconcile.Request) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return items, next
}

// hand gives an item to the worker that was last busy: its stack has grown to what it needs.
func (q *queue) hand(item reconcile.Request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	last := len(q.idle) - 1
	worker := q.idle[last]
	q.idle = q.idle[:last]
	delete(q.dirty, item)
	q.processing[item] = true
	worker <- item
}
