package world

import (
	"context"
	"fmt"
	"reflect"
	"sync"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// runs is the manager of a process: kerf's controllers register with it as with any, and run with their own watches, predicates,
// reconcilers and rates, on queues that the conductor hands out.
type runs struct {
	manager.Manager // what kerf does not use is not there
	process         *process
	client, live    client.Client
	cache           cache.Cache
	runnables       []manager.Runnable
}

// GetClient returns the client that reads from the cache.
func (r *runs) GetClient() client.Client { return r.client }

// GetAPIReader returns the client that reads past it.
func (r *runs) GetAPIReader() client.Reader { return r.live }

// GetCache returns the cache.
func (r *runs) GetCache() cache.Cache { return r.cache }

// GetScheme returns the kinds that there are.
func (r *runs) GetScheme() *runtime.Scheme { return r.process.world.scheme }

// GetLogger returns a logger that says nothing: the history says it all.
func (r *runs) GetLogger() logr.Logger { return logr.Discard() }

// Elected returns a channel that is closed: a process of this world leads from the start.
func (r *runs) Elected() <-chan struct{} {
	elected := make(chan struct{})
	close(elected)
	return elected
}

// GetControllerOptions returns what holds for all controllers.
func (r *runs) GetControllerOptions() config.Controller {
	return config.Controller{SkipNameValidation: new(true)}
}

// GetEventRecorder returns a recorder that writes into the history.
func (r *runs) GetEventRecorder(string) events.EventRecorder { return &teller{process: r.process} }

// Add takes what is to be run. Controllers get a queue of the conductor's, and as many workers as the plan says.
func (r *runs) Add(runnable manager.Runnable) error {
	// The type is internal to controller-runtime; its fields are exported for whoever makes it.
	made := reflect.Indirect(reflect.ValueOf(runnable))
	if made.Kind() == reflect.Struct {
		if field := made.FieldByName("NewQueue"); field.IsValid() {
			limit := func(name string, limiter workqueue.TypedRateLimiter[reconcile.Request]) workqueue.TypedRateLimitingInterface[reconcile.Request] {
				return r.process.addQueue(name, limiter)
			}
			if !reflect.TypeOf(limit).AssignableTo(field.Type()) {
				return fmt.Errorf("a controller makes its queue as %s", field.Type())
			}
			field.Set(reflect.ValueOf(limit))
			workers := made.FieldByName("MaxConcurrentReconciles")
			workers.SetInt(min(workers.Int(), int64(r.process.world.plan.Workers)))
		}
	}
	r.runnables = append(r.runnables, runnable)
	return nil
}

// start runs everything, each in a goroutine of its own, until the context ends.
func (r *runs) start(ctx context.Context) {
	for _, runnable := range r.runnables {
		go func() {
			if err := runnable.Start(ctx); err != nil && !r.process.isDead() {
				r.process.world.fail(fmt.Errorf("running %T: %w", runnable, err))
			}
		}()
	}
}

// teller writes the events that kerf publishes into the history.
type teller struct{ process *process }

// Eventf publishes an event.
//
//nolint:revive // client-go has this many arguments
func (t *teller) Eventf(regarding, _ runtime.Object, _, reason, _, note string, args ...any) {
	if object, ok := regarding.(client.Object); ok && !t.process.isDead() {
		t.process.world.tell(t.process.number, string(object.GetUID()), reason, fmt.Sprintf(note, args...))
	}
}

// once guards what goroutines of a process may touch at the same time.
type once struct {
	mu   sync.Mutex
	dead bool
}

func (o *once) isDead() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.dead
}

func (o *once) die() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.dead = true
}
