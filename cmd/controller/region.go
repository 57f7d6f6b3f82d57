package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kerf-autoscaler/kerf/pkg/options"
)

// loadRetry is how long to wait until what has kept the AWS configuration from loading is looked at again.
const loadRetry = 5 * time.Second

// awaitAWS loads the AWS configuration. As long as that fails, as it does where nothing tells the region, the process is
// alive and not ready, and its probes say why: one that ended would be started again and again, and say so to nobody.
func awaitAWS(ctx context.Context, o options.Options, retry time.Duration, load func(context.Context) (awssdk.Config, error)) (awssdk.Config, error) {
	cfg, err := load(ctx)
	if err == nil {
		return cfg, nil
	}
	ctrl.Log.Error(err, "AWS cannot be reached and will be tried again")
	reason := &atomic.Value{}
	reason.Store(err.Error())
	stop, err := serveProbes(o, reason)
	if err != nil {
		return awssdk.Config{}, err
	}
	ticks := time.NewTicker(retry)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return awssdk.Config{}, errors.Join(ctx.Err(), stop())
		case <-ticks.C:
		}
		if cfg, err = load(ctx); err == nil {
			ctrl.Log.Info("AWS can be reached", "region", cfg.Region)
			return cfg, stop()
		}
		reason.Store(err.Error())
	}
}

// serveProbes answers probes: alive, and not ready for the reason. Stop frees the port for the manager, who takes over.
func serveProbes(o options.Options, reason *atomic.Value) (stop func() error, err error) {
	if o.HealthProbePort <= 0 {
		return func() error { return nil }, nil
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(o.BindAddress, strconv.Itoa(o.HealthProbePort)))
	if err != nil {
		return nil, fmt.Errorf("serving health probes: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusInternalServerError, fmt.Sprintf("[-]aws failed: %s\n", reason.Load()))
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: loadRetry}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	return func() error {
		closed := server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			return errors.Join(err, closed)
		}
		return closed
	}, nil
}

func answer(w http.ResponseWriter, status int, text string) {
	w.WriteHeader(status)
	if _, err := io.WriteString(w, text); err != nil {
		ctrl.Log.V(1).Info("a probe went away before its answer", "error", err.Error())
	}
}
