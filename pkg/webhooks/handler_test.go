package webhooks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/metrics"
	"github.com/kerf-autoscaler/kerf/pkg/webhooks"
)

// peers are Provisioners that do not change.
type peers []v1alpha5.Provisioner

func (p peers) Known(context.Context) []v1alpha5.Provisioner { return p }

// brokenPeers panic when they are asked.
type brokenPeers struct{}

func (brokenPeers) Known(context.Context) []v1alpha5.Provisioner {
	panic("no peers") //nolint:forbidigo // what is tested is that it does no harm
}

// webhook is a handler as the API server sees it.
type webhook struct {
	handler  http.Handler
	registry *prometheus.Registry
}

func newWebhook(t testing.TB, others webhooks.Peers) *webhook {
	t.Helper()
	registry := prometheus.NewRegistry()
	recorded, err := metrics.New(registry)
	if err != nil {
		t.Fatal(err)
	}
	handler, err := webhooks.NewHandler(others, recorded, logr.Discard())
	if err != nil {
		t.Fatal(err)
	}
	return &webhook{handler, registry}
}

// ask sends a request about objects as they are, and returns the answer.
func (w *webhook) ask(t testing.TB, path string, operation admissionv1.Operation, object, stored string) *admissionv1.AdmissionResponse {
	t.Helper()
	kind := metav1.GroupVersionKind{Group: "karpenter.sh", Version: "v1alpha5", Kind: "Provisioner"}
	if strings.HasSuffix(path, "/awsnodetemplates") {
		kind = metav1.GroupVersionKind{Group: "karpenter.k8s.aws", Version: "v1alpha1", Kind: "AWSNodeTemplate"}
	}
	return w.send(t, path, &admissionv1.AdmissionRequest{
		UID: "request", Kind: kind, Name: "x", Operation: operation,
		Object: runtime.RawExtension{Raw: []byte(object)}, OldObject: runtime.RawExtension{Raw: []byte(stored)},
	})
}

func (w *webhook) send(t testing.TB, path string, request *admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
	t.Helper()
	for _, object := range []*runtime.RawExtension{&request.Object, &request.OldObject} {
		if len(object.Raw) == 0 {
			object.Raw = nil // as for what is not sent
		}
	}
	review := admissionv1.AdmissionReview{Request: request}
	review.SetGroupVersionKind(admissionv1.SchemeGroupVersion.WithKind("AdmissionReview"))
	body, err := json.Marshal(review)
	if err != nil {
		t.Fatal(err)
	}
	answer := w.post(path, "application/json", body)
	if answer.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", path, answer.Code, answer.Body)
	}
	var got admissionv1.AdmissionReview
	if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Response == nil || got.Response.UID != request.UID || got.Kind != "AdmissionReview" || got.APIVersion != "admission.k8s.io/v1" {
		t.Fatalf("this is no answer to the request: %s", answer.Body)
	}
	return got.Response
}

func (w *webhook) post(path, contentType string, body []byte) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	request.Header.Set("Content-Type", contentType)
	recorder := httptest.NewRecorder()
	w.handler.ServeHTTP(recorder, request)
	return recorder
}

// count returns what a metric has counted: value of a label -> number.
func (w *webhook) count(t *testing.T, name, label string) map[string]uint64 {
	t.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]uint64{}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			for _, pair := range m.GetLabel() {
				if pair.GetName() == label {
					counts[pair.GetValue()] += m.GetHistogram().GetSampleCount() + uint64(m.GetCounter().GetValue())
				}
			}
		}
	}
	return counts
}

func TestWhatIsNoAdmissionReviewIsRefused(t *testing.T) {
	w := newWebhook(t, peers{})
	for name, tc := range map[string]struct {
		contentType string
		body        []byte
		code        int32
		says        string
	}{
		"no body":           {"application/json", nil, 400, `about ""`},
		"another encoding":  {"application/yaml", []byte("a: b"), 400, "application/yaml"},
		"no JSON":           {"application/json", []byte("{"), 400, ""},
		"another kind":      {"application/json", []byte(`{"apiVersion":"v1","kind":"Pod"}`), 400, ""},
		"more than fits in": {"application/json", bytes.Repeat([]byte(" "), 8<<20), 413, "too large"},
	} {
		t.Run(name, func(t *testing.T) {
			recorder := w.post(webhooks.PathValidateProvisioners, tc.contentType, tc.body)
			var got admissionv1.AdmissionReview
			if err := json.Unmarshal(recorder.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if r := got.Response; r == nil || r.Allowed || r.Result.Code != tc.code || !strings.Contains(r.Result.Message, tc.says) {
				t.Errorf("got %s", recorder.Body)
			}
		})
	}
}

func TestOnlyPostsToKnownPathsAreAnswered(t *testing.T) {
	w := newWebhook(t, peers{})
	for _, tc := range []struct {
		method, path string
		want         int
	}{
		{http.MethodGet, webhooks.PathValidateProvisioners, http.StatusMethodNotAllowed},
		{http.MethodPost, "/validate/machines", http.StatusNotFound},
		{http.MethodPost, "/", http.StatusNotFound},
	} {
		recorder := httptest.NewRecorder()
		w.handler.ServeHTTP(recorder, httptest.NewRequest(tc.method, tc.path, nil))
		if recorder.Code != tc.want {
			t.Errorf("%s %s: %d, want %d", tc.method, tc.path, recorder.Code, tc.want)
		}
	}
}

func TestRequestsThatKerfDoesNotAskForAreRefused(t *testing.T) {
	w := newWebhook(t, peers{})
	for _, path := range []string{
		webhooks.PathDefaultProvisioners, webhooks.PathDefaultAWSNodeTemplates, webhooks.PathValidateProvisioners, webhooks.PathValidateAWSNodeTemplates,
	} {
		pod := w.send(t, path, &admissionv1.AdmissionRequest{
			UID: "1", Kind: metav1.GroupVersionKind{Version: "v1", Kind: "Pod"}, Operation: admissionv1.Create,
			Object: runtime.RawExtension{Raw: []byte(`{}`)},
		})
		if pod.Allowed || pod.Result.Code != 400 || !strings.Contains(pod.Result.Message, `not about "Pod"`) {
			t.Errorf("%s answers for a Pod: %+v", path, pod)
		}
		deleted := w.ask(t, path, admissionv1.Delete, "", `{}`)
		if deleted.Allowed || deleted.Result.Code != 400 || !strings.Contains(deleted.Result.Message, "not about DELETE") {
			t.Errorf("%s answers for DELETE: %+v", path, deleted)
		}
	}
}

func TestAPanicIsAnAnswerAndNotTheEndOfTheConnection(t *testing.T) {
	w := newWebhook(t, brokenPeers{})
	got := w.ask(t, webhooks.PathValidateProvisioners, admissionv1.Create, valid, "")
	if got.Allowed || got.Result.Code != 500 {
		t.Errorf("got %+v", got)
	}
	if diff := cmp.Diff(map[string]uint64{"failed": 1}, w.count(t, "karpenter_webhook_admissions", "outcome")); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}

func TestAnswersAreMeasuredAndCounted(t *testing.T) {
	w := newWebhook(t, peers{})
	for range 3 {
		w.ask(t, webhooks.PathValidateProvisioners, admissionv1.Create, valid, "")
	}
	w.ask(t, webhooks.PathValidateProvisioners, admissionv1.Create, invalid, "")
	w.ask(t, webhooks.PathValidateProvisioners, admissionv1.Create, "[]", "")
	w.ask(t, webhooks.PathDefaultProvisioners, admissionv1.Create, valid, "")
	w.ask(t, webhooks.PathDefaultAWSNodeTemplates, admissionv1.Create, "{}", "")
	if diff := cmp.Diff(map[string]uint64{"allowed": 4, "refused": 2, "failed": 1}, w.count(t, "karpenter_webhook_admissions", "outcome")); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	want := map[string]uint64{webhooks.PathValidateProvisioners: 5, webhooks.PathDefaultProvisioners: 1, webhooks.PathDefaultAWSNodeTemplates: 1}
	if diff := cmp.Diff(want, w.count(t, "karpenter_webhook_admission_duration_seconds", "webhook")); diff != "" {
		t.Errorf("durations measured (-want +got):\n%s", diff)
	}
}
