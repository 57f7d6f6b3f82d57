package admission_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/admission"
	"github.com/kerf-autoscaler/kerf/pkg/metrics"
	"github.com/kerf-autoscaler/kerf/pkg/webhooks"
	"github.com/kerf-autoscaler/kerf/pkg/webhooks/certificate"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

const (
	namespace = "karpenter"
	secret    = "karpenter-cert"
)

// alone is a cluster in which no Provisioner gets in the way of another one.
type alone struct{}

// Known returns none.
func (alone) Known(context.Context) []v1alpha5.Provisioner { return nil }

// serveWebhooks has the API server ask kerf's webhooks, as they are installed, until the test ends.
func serveWebhooks(t *testing.T, s server) {
	t.Helper()
	recorded, err := metrics.New(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b, installed := workbench.New(t), configurations(t, listener.Addr().String())
	b.Create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
	b.Create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: secret}})
	for _, c := range installed {
		b.Create(c)
	}
	keeper := newKeeper(t, b, recorded)
	httpServer := newServer(t, recorded, keeper)
	ended := make(chan error, 2)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context())) // the last to end
	go func() { ended <- httpServer.ServeTLS(listener, "", "") }()
	go func() { ended <- keeper.Start(ctx) }()
	t.Cleanup(func() {
		s.uninstall(t, b, installed)
		cancel()
		if err := httpServer.Close(); err != nil {
			t.Error(err)
		}
		for range cap(ended) {
			if err := <-ended; err != nil && !errors.Is(err, http.ErrServerClosed) {
				t.Error(err)
			}
		}
	})
	if err := s.awaitWebhooks(t.Context(), true); err != nil {
		t.Fatal(errors.Join(err, keeper.Ready()))
	}
}

func newKeeper(t *testing.T, b *workbench.Bench, recorded *metrics.Metrics) *certificate.Keeper {
	t.Helper()
	keeper, err := certificate.New(certificate.Settings{
		Namespace: namespace, Secret: secret, Lifetime: time.Hour,
		Mutating:   []string{webhooks.ConfigurationDefaulting},
		Validating: []string{webhooks.ConfigurationProvisioners, webhooks.ConfigurationAWSNodeTemplates},
	}, b.Client, b.Client, recorded, clock.RealClock{})
	if err != nil {
		t.Fatal(err)
	}
	return keeper
}

func newServer(t *testing.T, recorded *metrics.Metrics, keeper *certificate.Keeper) *http.Server {
	t.Helper()
	handler, err := webhooks.NewHandler(alone{}, recorded, logr.Discard())
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	keeper.TLS()(config)
	return &http.Server{
		Handler: handler, TLSConfig: config, ReadHeaderTimeout: patience,
		ErrorLog: log.New(io.Discard, "", 0), // the API server may come before there is a certificate
	}
}

// uninstall takes the webhook configurations away and waits until nobody asks the webhooks any more.
func (s server) uninstall(t *testing.T, b *workbench.Bench, installed []*unstructured.Unstructured) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	for _, c := range installed {
		if err := b.Client.Delete(ctx, c); err != nil {
			t.Error(err)
		}
	}
	if err := s.awaitWebhooks(ctx, false); err != nil {
		t.Error(err)
	}
}

// configurations returns the webhook configurations that kerf is installed with, for a server that is at an address.
func configurations(t *testing.T, address string) []*unstructured.Unstructured {
	t.Helper()
	file, err := workbench.FromRoot("config", "webhook", "manifests.yaml")
	if err != nil {
		t.Fatal(err)
	}
	objects, err := readObjects(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		hooks, _, err := unstructured.NestedSlice(object.Object, "webhooks")
		if err != nil || len(hooks) == 0 {
			t.Fatalf("%s has no webhooks (%v)", object.GetName(), err)
		}
		for _, h := range hooks {
			hook, ok := h.(map[string]any)
			path, found, err := unstructured.NestedString(hook, "clientConfig", "service", "path")
			if !ok || !found || err != nil {
				t.Fatalf("%s has a webhook without a path (%v)", object.GetName(), err)
			}
			hook["clientConfig"] = map[string]any{"url": "https://" + address + path}
		}
		if err := unstructured.SetNestedSlice(object.Object, hooks, "webhooks"); err != nil {
			t.Fatal(err)
		}
	}
	return objects
}

// awaitWebhooks waits until every webhook is asked, or none is.
func (s server) awaitWebhooks(ctx context.Context, asked bool) error {
	const header = "{apiVersion: karpenter.sh/v1alpha5, kind: Provisioner, metadata: {name: probe}, spec: "
	for webhook, probe := range map[string]struct {
		text   string
		answer func(stored *unstructured.Unstructured, warnings []string, err error) bool
	}{
		webhooks.PathDefaultProvisioners: {header + "{providerRef: {name: a}}}", func(stored *unstructured.Unstructured, _ []string, err error) bool {
			return err == nil && stored.Object["spec"].(map[string]any)["requirements"] != nil
		}},
		webhooks.PathValidateProvisioners: {header + "{provider: {}}}", func(_ *unstructured.Unstructured, _ []string, err error) bool {
			return len(causes(err)) > 0
		}},
		webhooks.PathValidateAWSNodeTemplates: {
			"{apiVersion: karpenter.k8s.aws/v1alpha1, kind: AWSNodeTemplate, spec: {subnetSelector: {}, securityGroupSelector: {}}}",
			func(_ *unstructured.Unstructured, warnings []string, _ error) bool { return len(warnings) > 0 },
		},
	} {
		object, err := parse(probe.text)
		if err != nil {
			return err
		}
		err = until(ctx, func() error {
			stored, warnings, err := s.send(ctx, row{given: object})
			if answered := probe.answer(stored, warnings, err); answered != asked || err != nil && len(causes(err)) == 0 {
				return fmt.Errorf("%s answers: %t, want %t: %w", webhook, answered, asked, errors.Join(err))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// expectVerdict checks what a client hears about a row from a server with webhooks.
func expectVerdict(t *testing.T, s server, decoder runtime.Decoder, r row) {
	t.Helper()
	stored, warnings, err := s.send(t.Context(), r)
	if r.CRD == crdRefuses && !legible(decoder, r) {
		expectRefusal(t, r, err)
		return
	}
	if err != nil && (len(causes(err)) == 0 || !strings.Contains(err.Error(), "denied the request")) {
		t.Fatalf("got %s, want an answer of the webhook", err)
	}
	compare(t, "errors", r.Errors, causes(err))
	if r.keepsSpec() { // the API server warns itself of what it lets pass only because it was stored
		warnings = nil
	}
	compare(t, "warnings", r.Warnings, warnings)
	if err != nil || r.kind() != "Provisioner" {
		return
	}
	compare(t, "requirements", requirements(t, decoder, expectedAs(t, decoder, r)), requirements(t, decoder, stored))
}

// legible reports whether the webhooks are asked about a row and can read its object; of others the API server judges alone.
func legible(decoder runtime.Decoder, r row) bool {
	_, unknown, err := decode(decoder, r.given)
	return err == nil && len(unknown) == 0 && r.kind() != "Machine" && !r.keepsSpec()
}

// expectedAs returns the object of a row as it should be stored: with defaults, unless the webhooks were not asked.
func expectedAs(t *testing.T, decoder runtime.Decoder, r row) *unstructured.Unstructured {
	t.Helper()
	if r.keepsSpec() {
		return r.given
	}
	object, _, err := decode(decoder, r.given)
	if err != nil {
		t.Fatal(err)
	}
	if provisioner, ok := object.(*v1alpha5.Provisioner); ok {
		admission.Default(provisioner)
	}
	out, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		t.Fatal(err)
	}
	return &unstructured.Unstructured{Object: out}
}

func requirements(t *testing.T, decoder runtime.Decoder, object *unstructured.Unstructured) []string {
	t.Helper()
	decoded, _, err := decode(decoder, object)
	if err != nil {
		t.Fatal(err)
	}
	provisioner, ok := decoded.(*v1alpha5.Provisioner)
	if !ok {
		t.Fatalf("a %T is no Provisioner", decoded)
	}
	var out []string
	for _, q := range provisioner.Spec.Requirements {
		out = append(out, fmt.Sprint(q.Key, q.Operator, q.Values, ptr.Deref(q.MinValues, 0)))
	}
	return out
}
