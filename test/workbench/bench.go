package workbench

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/journal"
	"github.com/kerf-autoscaler/kerf/pkg/metrics"
)

// Bench is the place of work of one test. Tests of a package share the API server; unique names keep them apart.
type Bench struct {
	// Client sees every write at once.
	Client client.WithWatch
	// Clock starts at the present, because the API server stamps objects with the real time.
	Clock *clocktesting.FakeClock
	// Journal for the controller under test.
	Journal journal.Journal
	// Zone of Cloud, which no other bench has.
	Zone string
	// Told is what the controller told people through the journal.
	Told *Told

	t testing.TB
}

// New sets up a bench on the server that Run started.
func New(t testing.TB) *Bench {
	t.Helper()
	c, err := connect()
	if err != nil {
		t.Fatal(err)
	}
	recorded, err := metrics.New(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	told, clock := &Told{}, clocktesting.NewFakeClock(time.Now())
	return &Bench{
		Client: c, Clock: clock, Told: told, Zone: "zone-" + rand.String(8), t: t,
		Journal: journal.Journal{Events: events.NewRecorder(told, clock), Metrics: recorded, Clock: clock},
	}
}

// Name returns a name that no other object has.
func (b *Bench) Name(prefix string) string { return prefix + "-" + rand.String(8) }

// Namespace creates a namespace and returns its name.
func (b *Bench) Namespace() string {
	b.t.Helper()
	name := b.Name("test")
	b.Create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	return name
}

// Create creates objects, each with the status that it has.
func (b *Bench) Create(objects ...client.Object) {
	b.t.Helper()
	for _, object := range objects {
		withStatus, ok := object.DeepCopyObject().(client.Object)
		if !ok {
			b.t.Fatalf("a copy of %T is no object", object)
		}
		object.SetUID("")
		if err := b.Client.Create(b.t.Context(), object); err != nil {
			b.t.Fatalf("creating %T %s: %s", object, object.GetName(), err)
		}
		withStatus.SetName(object.GetName())
		withStatus.SetUID(object.GetUID())
		withStatus.SetResourceVersion(object.GetResourceVersion())
		err := b.Client.Status().Update(b.t.Context(), withStatus)
		if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) { // the kind has no status
			continue
		}
		if err != nil {
			b.t.Fatalf("writing the status of %T %s: %s", object, object.GetName(), err)
		}
		b.Reload(object)
	}
}

// Reload reads an object anew.
func (b *Bench) Reload(object client.Object) {
	b.t.Helper()
	if err := b.Client.Get(b.t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
		b.t.Fatalf("getting %T %s: %s", object, object.GetName(), err)
	}
}

// Gone reports whether an object, and not just one of its name, no longer exists.
func (b *Bench) Gone(object client.Object) bool {
	b.t.Helper()
	there, ok := object.DeepCopyObject().(client.Object)
	if !ok {
		b.t.Fatalf("a copy of %T is no object", object)
	}
	err := b.Client.Get(b.t.Context(), client.ObjectKeyFromObject(object), there)
	if client.IgnoreNotFound(err) != nil {
		b.t.Fatalf("getting %T %s: %s", object, object.GetName(), err)
	}
	return err != nil || there.GetUID() != object.GetUID()
}

// Delete deletes an object as a user would.
func (b *Bench) Delete(object client.Object, options ...client.DeleteOption) {
	b.t.Helper()
	if err := b.Client.Delete(b.t.Context(), object, options...); err != nil {
		b.t.Fatalf("deleting %T %s: %s", object, object.GetName(), err)
	}
}

// Release takes all finalizers off an object, after which one that is being deleted is gone.
func (b *Bench) Release(object client.Object) {
	b.t.Helper()
	patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata": {"finalizers": null}}`))
	if err := b.Client.Patch(b.t.Context(), object, patch); err != nil {
		b.t.Fatalf("releasing %T %s: %s", object, object.GetName(), err)
	}
}

// Update changes an object, as it is now, and its status.
func Update[T client.Object](b *Bench, object T, change func(T)) {
	b.t.Helper()
	b.Reload(object)
	change(object)
	wanted, ok := object.DeepCopyObject().(client.Object)
	if !ok {
		b.t.Fatalf("a copy of %T is no object", object)
	}
	if err := b.Client.Update(b.t.Context(), object); err != nil {
		b.t.Fatalf("updating %T %s: %s", object, object.GetName(), err)
	}
	wanted.SetResourceVersion(object.GetResourceVersion())
	if err := b.Client.Status().Update(b.t.Context(), wanted); err != nil {
		b.t.Fatalf("updating the status of %T %s: %s", object, object.GetName(), err)
	}
	b.Reload(object)
}

// Reconcile reconciles the object of a name once and fails on an error.
func (b *Bench) Reconcile(r reconcile.Reconciler, name string) reconcile.Result {
	b.t.Helper()
	result, err := b.TryReconcile(r, name)
	if err != nil {
		b.t.Fatalf("reconciling %s: %s", name, err)
	}
	return result
}

// TryReconcile reconciles the object of a name once.
func (b *Bench) TryReconcile(r reconcile.Reconciler, name string) (reconcile.Result, error) {
	return r.Reconcile(b.t.Context(), reconcile.Request{NamespacedName: types.NamespacedName{Name: name}})
}

// Until repeats a step until it reports that it is done, and fails when that takes more than the given number of times.
func (b *Bench) Until(times int, what string, step func() bool) {
	b.t.Helper()
	for range times {
		if step() {
			return
		}
	}
	b.t.Fatalf("after %d steps there is still no end to: %s", times, what)
}
