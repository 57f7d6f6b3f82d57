package main

import (
	"context"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kerf-autoscaler/kerf/pkg/operator"
)

// loadRetry is how long to wait until what could not be loaded is tried again.
const loadRetry = 5 * time.Second

// await loads what the controllers cannot begin without. As long as that fails, as it does for AWS where nothing tells the region,
// the process is alive and not ready, and a check of its probes says why: one that ended would be started again and again, say so
// to nobody, and leave requests to its webhooks without an answer each time. It returns false when ctx ends before.
func await[T any](ctx context.Context, health *operator.Health, check string, retry time.Duration, load func(context.Context) (T, error)) (T, bool) {
	ticks := time.NewTicker(retry)
	defer ticks.Stop()
	said := ""
	for {
		loaded, err := load(ctx)
		if err == nil {
			return loaded, true
		}
		health.Check(check, func() error { return err })
		if reason := err.Error(); reason != said && ctx.Err() == nil {
			said = reason
			ctrl.Log.Info("controllers cannot start yet and will be tried again", "check", check, "reason", reason)
		}
		select {
		case <-ctx.Done():
			return loaded, false
		case <-ticks.C:
		}
	}
}
