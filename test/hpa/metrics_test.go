package hpa

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	metricsGroup   = "metrics.k8s.io"
	metricsVersion = "v1beta1"
)

// apiService has the API server ask a port of this machine for metrics.k8s.io. The Service is a name and nothing else: nobody runs kube-proxy
// here, so the API server is to call localhost itself. As with metrics-server, its certificate is one that nobody vouches for.
const apiService = `
apiVersion: v1
kind: Service
metadata: {name: metrics-server, namespace: kube-system}
spec: {type: ExternalName, externalName: localhost}
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.metrics.k8s.io}
spec:
  group: metrics.k8s.io
  version: v1beta1
  service: {name: metrics-server, namespace: kube-system, port: %s}
  insecureSkipTLSVerify: true
  groupPriorityMinimum: 100
  versionPriority: 100
`

// podMetrics is what the API of metrics says of a pod.
type podMetrics struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Timestamp         metav1.Time        `json:"timestamp"`
	Window            metav1.Duration    `json:"window"`
	Containers        []containerMetrics `json:"containers"`
}

type containerMetrics struct {
	Name  string              `json:"name"`
	Usage corev1.ResourceList `json:"usage"`
}

type podMetricsList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []podMetrics `json:"items"`
}

// meter is an API server of metrics.k8s.io over one load, which the ready pods that it is asked for share evenly.
type meter struct {
	pods   client.Reader
	window time.Duration
	// load is the CPU that the pods use together, in thousandths.
	load atomic.Int64
}

// startMeter serves metrics until the test ends, and returns once the API server passes requests on.
func startMeter(ctx context.Context, t *testing.T, w *world) *meter {
	t.Helper()
	m := &meter{pods: w.Client(), window: w.minute / 4}
	server := httptest.NewTLSServer(m.handler())
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.ApplyText(ctx, fmt.Sprintf(apiService, port)); err != nil {
		t.Fatal(err)
	}
	if out, err := w.Kubectl(ctx, "wait", "--for=condition=Available", "--timeout=1m", "apiservice/v1beta1.metrics.k8s.io"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return m
}

func (m *meter) handler() http.Handler {
	const root = "/apis/" + metricsGroup + "/" + metricsVersion
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+root, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, metav1.APIResourceList{
			TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: metricsGroup + "/" + metricsVersion,
			APIResources: []metav1.APIResource{{Name: "pods", Kind: "PodMetrics", Namespaced: true, Verbs: metav1.Verbs{"list"}}},
		})
	})
	mux.HandleFunc("GET "+root+"/namespaces/{namespace}/pods", func(w http.ResponseWriter, r *http.Request) {
		list, err := m.measure(r.Context(), r.PathValue("namespace"), r.URL.Query().Get("labelSelector"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer(w, list)
	})
	return mux
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // who asked has gone
}

// measure returns the metrics of the ready pods of a namespace that have the labels.
func (m *meter) measure(ctx context.Context, namespace, selector string) (podMetricsList, error) {
	selected, err := labels.Parse(selector)
	if err != nil {
		return podMetricsList{}, fmt.Errorf("parsing a selector: %w", err)
	}
	var pods corev1.PodList
	if err := m.pods.List(ctx, &pods, client.InNamespace(namespace), client.MatchingLabelsSelector{Selector: selected}); err != nil {
		return podMetricsList{}, fmt.Errorf("listing pods: %w", err)
	}
	return share(pods.Items, m.load.Load(), time.Now(), m.window), nil
}

// share divides the load by the pods that are ready for it.
func share(pods []corev1.Pod, load int64, now time.Time, window time.Duration) podMetricsList {
	list := podMetricsList{TypeMeta: metav1.TypeMeta{Kind: "PodMetricsList", APIVersion: metricsGroup + "/" + metricsVersion}, Items: []podMetrics{}}
	for i := range pods {
		if runs(&pods[i]) {
			list.Items = append(list.Items, podMetrics{
				ObjectMeta: metav1.ObjectMeta{Namespace: pods[i].Namespace, Name: pods[i].Name, Labels: pods[i].Labels},
				Timestamp:  metav1.NewTime(now), Window: metav1.Duration{Duration: window},
			})
		}
	}
	for i := range list.Items {
		used := resource.NewMilliQuantity(load/int64(len(list.Items)), resource.DecimalSI)
		list.Items[i].Containers = []containerMetrics{{Name: container, Usage: corev1.ResourceList{corev1.ResourceCPU: *used}}}
	}
	return list
}

// runs says whether a pod is ready and there to stay.
func runs(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue && p.DeletionTimestamp.IsZero()
		}
	}
	return false
}
