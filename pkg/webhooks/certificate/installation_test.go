package certificate

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/kerf-autoscaler/kerf/pkg/metrics"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

// installation is what users install, on a real API server, with replicas behind one address as a Service has them.
type installation struct {
	*workbench.Bench
	t        *testing.T
	settings Settings
	address  string

	mu      sync.Mutex
	serving []*liveReplica
}

// liveReplica is a kerf with the rights that kerf has.
type liveReplica struct {
	keeper *Keeper
	end    context.CancelFunc
	ended  chan error
}

// install applies config/, but for where webhooks are called: no Service leads to a test.
func install(t *testing.T, settings Settings) *installation {
	t.Helper()
	settings.Namespace, settings.Secret = "karpenter", "karpenter-cert"
	settings.Mutating = []string{"defaulting.webhook.karpenter.k8s.aws"}
	settings.Validating = []string{"validation.webhook.karpenter.sh", "validation.webhook.karpenter.k8s.aws"}
	i := &installation{Bench: workbench.New(t), t: t, settings: settings}
	i.serve()
	namespace := &corev1.Namespace{}
	namespace.Name = settings.Namespace
	if err := i.Client.Create(t.Context(), namespace); client.IgnoreAlreadyExists(err) != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"rbac/service_account.yaml", "rbac/role.yaml", "rbac/role_binding.yaml", "webhook/secret.yaml", "webhook/manifests.yaml"} {
		i.apply(filepath.FromSlash(file))
	}
	return i
}

func (i *installation) apply(file string) {
	i.t.Helper()
	path, err := workbench.FromRoot("config", file)
	if err != nil {
		i.t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		i.t.Fatal(err)
	}
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), len(content))
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			i.t.Fatal(err)
		}
		if len(object.Object) > 0 {
			i.create(object)
		}
	}
}

func (i *installation) create(object *unstructured.Unstructured) {
	i.t.Helper()
	hooks, _, err := unstructured.NestedSlice(object.Object, "webhooks")
	if err != nil {
		i.t.Fatal(err)
	}
	for _, hook := range hooks {
		hook, ok := hook.(map[string]any)
		if !ok {
			i.t.Fatalf("a webhook of %s is a %T", object.GetName(), hook)
		}
		hook["clientConfig"] = map[string]any{"url": "https://" + i.address}
	}
	if hooks != nil {
		if err := unstructured.SetNestedSlice(object.Object, hooks, "webhooks"); err != nil {
			i.t.Fatal(err)
		}
	}
	if err := i.Client.Create(i.t.Context(), object); err != nil {
		i.t.Fatalf("creating %s %s: %s", object.GetKind(), object.GetName(), err)
	}
	i.t.Cleanup(func() {
		if err := i.Client.Delete(context.WithoutCancel(i.t.Context()), object); client.IgnoreNotFound(err) != nil {
			i.t.Error(err)
		}
	})
}

// serve answers webhooks with the certificate of any replica. Every request is a connection, and every connection a handshake.
func (i *installation) serve() {
	i.t.Helper()
	config := &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		i.mu.Lock()
		defer i.mu.Unlock()
		if len(i.serving) == 0 {
			return nil, errors.New("no replica is ready")
		}
		chosen := &tls.Config{MinVersion: tls.VersionTLS12}
		i.serving[rand.IntN(len(i.serving))].keeper.TLS()(chosen)
		return chosen, nil
	}}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		i.t.Fatal(err)
	}
	i.address = listener.Addr().String()
	quiet := log.New(io.Discard, "", 0) // clients tell of failed handshakes
	answering := &http.Server{Handler: http.HandlerFunc(allow), ReadHeaderTimeout: time.Minute, ErrorLog: quiet}
	answering.SetKeepAlivesEnabled(false)
	ended := make(chan error, 1)
	go func() { ended <- answering.Serve(listener) }()
	i.t.Cleanup(func() {
		_ = answering.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			i.t.Error(err)
		}
	})
}

// allow allows everything.
func allow(w http.ResponseWriter, r *http.Request) {
	var review admissionv1.AdmissionReview
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil || review.Request == nil {
		http.Error(w, "not a review", http.StatusBadRequest)
		return
	}
	review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(review)
}

// asKerf returns a connection with the rights that the installation gives to kerf.
func (i *installation) asKerf() *rest.Config {
	i.t.Helper()
	restConfig, err := workbench.Config()
	if err != nil {
		i.t.Fatal(err)
	}
	restConfig.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:karpenter:karpenter", Groups: []string{"system:serviceaccounts", "system:authenticated"},
	}
	return restConfig
}

// start starts a replica, which serves once it is ready.
func (i *installation) start() {
	i.t.Helper()
	recorded, err := metrics.New(prometheus.NewRegistry())
	if err != nil {
		i.t.Fatal(err)
	}
	mgr, err := ctrl.NewManager(i.asKerf(), ctrl.Options{
		Scheme: i.Client.Scheme(), Metrics: server.Options{BindAddress: "0"}, Logger: logr.Discard(),
	})
	if err != nil {
		i.t.Fatal(err)
	}
	keeper, err := New(i.settings, mgr.GetAPIReader(), mgr.GetClient(), recorded, clock.RealClock{})
	if err != nil {
		i.t.Fatal(err)
	}
	if err := keeper.Register(mgr); err != nil {
		i.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(ctrl.LoggerInto(i.t.Context(), logr.Discard()))
	r := &liveReplica{keeper: keeper, end: cancel, ended: make(chan error, 1)}
	go func() { r.ended <- mgr.Start(ctx) }()
	i.t.Cleanup(func() { i.stop(r) })
	i.await("a replica is ready", keeper.Ready)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.serving = append(i.serving, r)

}

// stop takes a replica out of service and ends it.
func (i *installation) stop(r *liveReplica) {
	i.mu.Lock()
	for at := range i.serving {
		if i.serving[at] == r {
			i.serving = append(i.serving[:at:at], i.serving[at+1:]...)
			break
		}
	}
	i.mu.Unlock()
	r.end()
	if err, first := <-r.ended; first {
		close(r.ended)
		if err != nil {
			i.t.Errorf("a replica ended with %s", err)
		}
	}
}

// await waits until there is no reason left not to go on.
func (i *installation) await(what string, reason func() error) {
	i.t.Helper()
	ticks, end := time.NewTicker(20*time.Millisecond), time.Now().Add(10*time.Second)
	defer ticks.Stop()
	for {
		err := reason()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			i.t.Fatalf("waiting until %s: %s", what, err)
		}
		select {
		case <-i.t.Context().Done():
			i.t.Fatal(i.t.Context().Err())
		case <-ticks.C:
		}
	}
}

// see returns what is in the cluster.
func (i *installation) see() view {
	i.t.Helper()
	v, err := cluster{settings: i.settings, live: i.Client}.look(i.t.Context(), clock.RealClock{})
	if err != nil {
		i.t.Fatal(err)
	}
	return v
}

// tamper changes the webhooks of all configurations as somebody else would.
func (i *installation) tamper(change func(*admissionregistrationv1.WebhookClientConfig)) {
	i.t.Helper()
	for _, configuration := range i.see().configurations {
		for _, w := range webhooksOf(configuration) {
			change(w.config)
		}
		if err := i.Client.Update(i.t.Context(), configuration); err != nil {
			i.t.Fatal(err)
		}
	}
}
