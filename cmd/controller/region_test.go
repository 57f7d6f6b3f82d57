package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/go-logr/logr"

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
		err error
	}
	done := make(chan result, 1)
	health := operator.NewHealth(logr.Discard())
	if err := health.Serve(t.Context(), o.BindAddress, o.HealthProbePort); err != nil {
		t.Fatal(err)
	}
	go func() {
		cfg, err := awaitAWS(t.Context(), health, time.Millisecond, load)
		done <- result{cfg, err}
	}()
	<-second
	if status, body := get(t, endpoint+"/healthz"); status != http.StatusOK {
		t.Errorf("/healthz: %d %s", status, body)
	}
	if status, body := get(t, endpoint+"/readyz"); status == http.StatusOK || !strings.Contains(body, "set AWS_REGION") {
		t.Errorf("/readyz: %d %s", status, body)
	}
	close(known)
	if got := <-done; got.err != nil || got.cfg.Region != "us-east-1" {
		t.Errorf("got region %q, %v", got.cfg.Region, got.err)
	}
}

func TestWaitingForARegionEndsWithTheProcess(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	load := func(context.Context) (awssdk.Config, error) {
		cancel()
		return awssdk.Config{}, errors.New("the AWS region is not known")
	}
	if _, err := awaitAWS(ctx, operator.NewHealth(logr.Discard()), time.Hour, load); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want that of the context", err)
	}
}
