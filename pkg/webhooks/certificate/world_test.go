package certificate

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/kerf-autoscaler/kerf/pkg/metrics"
)

// service is the name that webhooks of a world are called under.
const service = "kerf.kerf-system.svc"

// world is a cluster in the time of a synctest bubble: objects that many replicas read and write, and API servers that learn of
// changed webhook configurations late. What may be served is checked whenever something happens.
type world struct {
	t *testing.T
	// lag is how late an API server may be.
	lag    time.Duration
	client client.Client
	logs   *lockedBuffer

	mu sync.Mutex
	r  *rand.Rand
	// bundles maps configuration -> its bundles so far, the oldest first.
	bundles map[string][]heldBundle
	// refused maps object -> until when writing it is refused.
	refused map[string]time.Time
	// recovered is when the cluster has got over the last hard blow.
	recovered time.Time
	// verified maps what was found good before -> true.
	verified map[pairing]bool
	// checkFrom is when handshakes begin to count: the first certificate of all has to become known first.
	checkFrom time.Time
	replicas  []*replica
	// signers maps id of an authority that has signed a certificate -> true; leaves counts these.
	signers map[string]bool
	leaves  int
}

// heldBundle is what a configuration said for some time.
type heldBundle struct {
	bundle string
	// foreign is set where it was not kerf that wrote it.
	foreign bool
	// until is when the next one came; zero for the one of now.
	until time.Time
}

type pairing struct {
	leaf   *leaf
	bundle string
}

// replica is one kerf. It may be slow, cut off, and have a clock that is wrong.
type replica struct {
	world  *world
	keeper *Keeper
	cancel context.CancelFunc
	ended  chan struct{}
	// cutOff is until when it reaches no API server, in Unix nanoseconds.
	cutOff atomic.Int64
	seen   *leaf
}

type skewedClock struct {
	clock.RealClock
	offset time.Duration
}

func (c skewedClock) Now() time.Time { return c.RealClock.Now().Add(c.offset) }

// lockedBuffer is what replicas log into.
type lockedBuffer struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (b *lockedBuffer) logger() logr.Logger {
	return funcr.New(func(prefix, args string) {
		b.mu.Lock()
		defer b.mu.Unlock()
		fmt.Fprintln(&b.out, time.Now().Format(time.RFC3339), prefix, args)
	}, funcr.Options{})
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.out.String()
}

func testSettings() Settings {
	return Settings{
		Namespace: "kerf-system", Secret: "cert", Mutating: []string{"defaulting"}, Validating: []string{"validation"},
		Lifetime: time.Hour, AuthorityLifetime: 4 * time.Hour, Propagation: 10 * time.Minute,
	}
}

// objects returns what is installed with kerf.
func objects() []client.Object {
	secret := &corev1.Secret{}
	secret.Namespace, secret.Name = "kerf-system", "cert"
	config := admissionregistrationv1.WebhookClientConfig{Service: &admissionregistrationv1.ServiceReference{Name: "kerf", Namespace: "kerf-system"}}
	defaulting := &admissionregistrationv1.MutatingWebhookConfiguration{Webhooks: []admissionregistrationv1.MutatingWebhook{{Name: "a.kerf", ClientConfig: config}}}
	validation := &admissionregistrationv1.ValidatingWebhookConfiguration{
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{Name: "b.kerf", ClientConfig: config}, {Name: "c.kerf", ClientConfig: config}},
	}
	defaulting.Name, validation.Name = "defaulting", "validation"
	return []client.Object{secret, defaulting, validation}
}

func newWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	return &world{
		t: t, lag: testSettings().policy().propagation / 2, logs: &lockedBuffer{}, r: rand.New(rand.NewPCG(seed, 0)), client: newClient(t, objects()...),
		bundles: map[string][]heldBundle{"defaulting": {{foreign: true}}, "validation": {{foreign: true}}},
		refused: map[string]time.Time{}, verified: map[pairing]bool{}, signers: map[string]bool{},
	}
}

// newClient returns a client of a cluster in memory; a small one, because there are many worlds.
func newClient(t *testing.T, objects ...client.Object) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), admissionregistrationv1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	tracker := clienttesting.NewObjectTracker(scheme, serializer.NewCodecFactory(scheme).UniversalDecoder())
	return fake.NewClientBuilder().WithScheme(scheme).WithObjectTracker(tracker).WithObjects(objects...).Build()
}

// random returns a number below n.
func (w *world) random(n int64) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.r.Int64N(n)
}

// start starts a replica.
func (w *world) start(settings Settings) *replica {
	w.t.Helper()
	recorded, err := metrics.New(prometheus.NewRegistry())
	if err != nil {
		w.t.Fatal(err)
	}
	// Of the time to propagate half is for API servers, and half for what two clocks differ by.
	skew := time.Duration(w.random(3)-1) * settings.policy().propagation / 4
	r := &replica{world: w, ended: make(chan struct{})}
	r.keeper, err = New(settings, r, writer{replica: r}, recorded, skewedClock{offset: skew})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(ctrl.LoggerInto(w.t.Context(), w.logs.logger().WithValues("replica", w.random(1000))))
	r.cancel = cancel
	go func() {
		defer close(r.ended)
		if err := r.keeper.Start(ctx); err != nil {
			w.t.Errorf("the keeper ended with %s", err)
		}
	}()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.replicas = append(w.replicas, r)
	return r
}

// stop ends a replica, wherever it is.
func (w *world) stop(r *replica) {
	r.cancel()
	<-r.ended
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.replicas {
		if w.replicas[i] == r {
			w.replicas = append(w.replicas[:i], w.replicas[i+1:]...)
			return
		}
	}
}

// call makes a call to an API server: it takes its time, sometimes fails, and sometimes only seems to.
func (r *replica) call(ctx context.Context, do func() error) error {
	r.travel(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if luck := r.world.random(100); luck < 2 || time.Now().UnixNano() < r.cutOff.Load() {
		return errors.New("the API server is not reachable")
	}
	r.world.check()
	err := do()
	r.world.check()
	r.travel(ctx)
	if luck := r.world.random(100); luck < 2 {
		return errors.New("the answer of the API server is lost")
	}
	return err
}

// travel takes as long as a call does on its way, which once in a while is very long.
func (r *replica) travel(ctx context.Context) {
	longest := 200 * time.Millisecond
	if r.world.random(15) == 0 {
		longest = 4 * time.Minute
	}
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(r.world.random(int64(longest)))):
	}
}

func (r *replica) Get(ctx context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	return r.call(ctx, func() error { return r.world.client.Get(ctx, key, object) })
}

func (r *replica) List(context.Context, client.ObjectList, ...client.ListOption) error {
	return errors.New("nothing is listed")
}

// writer is the other side of a replica's client.
type writer struct {
	client.Writer // what is not below is not called
	replica       *replica
}

func (c writer) Update(ctx context.Context, object client.Object, _ ...client.UpdateOption) error {
	w := c.replica.world
	return c.replica.call(ctx, func() error {
		return w.write(object.GetName(), false, func() error { return w.client.Update(ctx, object) })
	})
}

func (c writer) Patch(ctx context.Context, object client.Object, patch client.Patch, _ ...client.PatchOption) error {
	w := c.replica.world
	return c.replica.call(ctx, func() error {
		return w.write(object.GetName(), false, func() error { return w.client.Patch(ctx, object, patch) })
	})
}

// write writes an object and keeps what API servers may see of it. Replicas hear of it late, and sometimes not at all.
func (w *world) write(name string, foreign bool, do func() error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if time.Now().Before(w.refused[name]) && !foreign {
		return errors.New("nobody may write this now")
	}
	if err := do(); err != nil {
		return err
	}
	for _, r := range w.replicas {
		if w.r.IntN(10) > 0 {
			time.AfterFunc(time.Duration(w.r.Int64N(int64(2*time.Second))), r.keeper.wake)
		}
	}
	held, ok := w.bundles[name]
	if !ok {
		return nil
	}
	for _, configuration := range testSettings().configurations() {
		if configuration.GetName() != name {
			continue
		}
		if err := w.client.Get(w.t.Context(), client.ObjectKeyFromObject(configuration), configuration); err != nil {
			return err
		}
		held[len(held)-1].until = time.Now()
		w.bundles[name] = append(held, heldBundle{bundle: string(webhooksOf(configuration)[0].config.CABundle), foreign: foreign})
	}
	return nil
}

// check verifies what each replica serves against each bundle that an API server may hold.
func (w *world) check() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	for _, r := range w.replicas {
		served := r.keeper.served()
		if served == nil {
			continue
		}
		if served != r.seen {
			r.seen, w.signers[served.authority] = served, true
			w.leaves++
		}
		for name, held := range w.bundles {
			for _, b := range held {
				if now.Before(w.checkFrom) || b.foreign || (!b.until.IsZero() && now.Sub(b.until) > w.lag) {
					continue
				}
				if err := w.verify(served, b.bundle, now); err != nil {
					w.t.Errorf("at %s: %s with a bundle of %s that ended at %s: %s", now.Format(time.RFC3339), short(served.authority), name, b.until, err)
					w.checkFrom = now.Add(1000 * time.Hour) // once is enough
				}
			}
		}
	}
}

func (w *world) verify(served *leaf, bundle string, now time.Time) error {
	certificate := served.certificate.Leaf
	if now.Before(certificate.NotBefore) || now.After(certificate.NotAfter) {
		return fmt.Errorf("the certificate is valid from %s to %s", certificate.NotBefore, certificate.NotAfter)
	}
	if w.verified[pairing{served, bundle}] {
		return nil
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(bundle))
	if _, err := certificate.Verify(x509.VerifyOptions{Roots: roots, DNSName: service, CurrentTime: now}); err != nil {
		return err
	}
	w.verified[pairing{served, bundle}] = true
	return nil
}

// authorities returns what the Secret has.
func (w *world) authorities() authorities {
	w.t.Helper()
	v, err := cluster{settings: testSettings(), live: w.client}.look(w.t.Context(), clock.RealClock{})
	if err != nil {
		w.t.Fatal(err)
	}
	return v.authorities
}

// settled reports whether all that is served rests on an authority that every API server knows.
func (w *world) settled() bool {
	_, settled := w.authorities().signer(time.Now().Add(-w.lag))
	return settled
}

// end stops all replicas and checks what they logged.
func (w *world) end() {
	w.t.Helper()
	for len(w.replicas) > 0 {
		w.stop(w.replicas[0])
	}
	if logs := w.logs.String(); strings.Contains(logs, "PRIVATE KEY") || strings.Contains(logs, "BEGIN") {
		w.t.Errorf("the log has something that is nobody's business:\n%s", logs)
	}
	if w.t.Failed() {
		w.t.Logf("log:\n%s", w.logs)
	}
}
