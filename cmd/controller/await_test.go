package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"

	"github.com/kerf-autoscaler/kerf/pkg/operator"
	"github.com/kerf-autoscaler/kerf/pkg/options"
)

// probePort returns a port of the loopback interface that was free a moment ago.
func probePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
	}()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestWithoutARegionTheProcessIsAliveAndNotReadyUntilThereIsOne(t *testing.T) {
	o := options.Options{BindAddress: "127.0.0.1", HealthProbePort: probePort(t)}
	endpoint := "http://" + net.JoinHostPort(o.BindAddress, strconv.Itoa(o.HealthProbePort))
	calls, second, known := 0, make(chan struct{}), make(chan struct{})
	load := func(context.Context) (awssdk.Config, error) {
		calls++
		switch calls {
		case 1:
			return awssdk.Config{}, errors.New("the AWS region is not known: set AWS_REGION")
		case 2:
			close(second)
			<-known
		}
		return awssdk.Config{Region: "us-east-1"}, nil
	}
	type result struct {
		cfg awssdk.Config
		ok  bool
	}
	done := make(chan result, 1)
	health := operator.NewHealth(logr.Discard())
	if err := health.Serve(t.Context(), o.BindAddress, o.HealthProbePort); err != nil {
		t.Fatal(err)
	}
	go func() {
		cfg, ok := await(t.Context(), health, operator.CheckAWS, time.Millisecond, load)
		done <- result{cfg, ok}
	}()
	<-second
	if status, body := get(t, endpoint+"/healthz"); status != http.StatusOK {
		t.Errorf("/healthz: %d %s", status, body)
	}
	if status, body := get(t, endpoint+"/readyz"); status == http.StatusOK || !strings.Contains(body, "set AWS_REGION") {
		t.Errorf("/readyz: %d %s", status, body)
	}
	close(known)
	if got := <-done; !got.ok || got.cfg.Region != "us-east-1" {
		t.Errorf("got region %q, %t", got.cfg.Region, got.ok)
	}
}

func TestWaitingForARegionEndsWithTheProcess(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	load := func(context.Context) (awssdk.Config, error) {
		cancel()
		return awssdk.Config{}, errors.New("the AWS region is not known")
	}
	if _, ok := await(ctx, operator.NewHealth(logr.Discard()), operator.CheckAWS, time.Hour, load); ok {
		t.Error("it was loaded")
	}
}

// An API server that does not answer at the start ends nothing: webhooks are answered meanwhile.
func TestTheClusterIsIdentifiedOnceTheAPIServerAnswers(t *testing.T) {
	asked := 0
	apiServer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Path == "/api":
			_, _ = io.WriteString(w, `{"kind":"APIVersions","versions":["v1"]}`)
		case r.URL.Path == "/apis":
			_, _ = io.WriteString(w, `{"kind":"APIGroupList","apiVersion":"v1","groups":[]}`)
		case r.URL.Path == "/api/v1":
			_, _ = io.WriteString(w, `{"kind":"APIResourceList","groupVersion":"v1","resources":[{"name":"namespaces","kind":"Namespace","namespaced":false,"verbs":["get"]}]}`)
		case r.URL.Path != "/api/v1/namespaces/kube-system":
			http.NotFound(w, r)
		case asked == 0:
			asked++
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"etcd has no leader","reason":"ServiceUnavailable","code":503}`)
		default:
			_, _ = io.WriteString(w, `{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"kube-system","uid":"u-1"}}`)
		}
	}))
	defer apiServer.Close()
	health := operator.NewHealth(logr.Discard())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	uid, ok := await(ctx, health, operator.CheckCluster, time.Millisecond, func(ctx context.Context) (string, error) {
		return clusterUID(ctx, &rest.Config{Host: apiServer.URL})
	})
	if !ok || uid != "u-1" {
		t.Errorf("got %q, %t", uid, ok)
	}
	recorder := httptest.NewRecorder()
	health.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/readyz/cluster", nil))
	if want := "cluster: identifying the cluster by its kube-system namespace: etcd has no leader\n"; recorder.Body.String() != want {
		t.Errorf("the probe was told %q, want %q", recorder.Body, want)
	}
}
