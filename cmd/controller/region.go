package main

import (
	"context"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kerf-autoscaler/kerf/pkg/operator"
)

// loadRetry is how long to wait until what has kept the AWS configuration from loading is looked at again.
const loadRetry = 5 * time.Second

// awaitAWS loads the AWS configuration. As long as that fails, as it does where nothing tells the region, the process is
// alive and not ready, and its probes say why: one that ended would be started again and again, and say so to nobody.
func awaitAWS(ctx context.Context, health *operator.Health, retry time.Duration, load func(context.Context) (awssdk.Config, error)) (awssdk.Config, error) {
	ticks := time.NewTicker(retry)
	defer ticks.Stop()
	said := ""
	for {
		cfg, err := load(ctx)
		if err == nil {
			return cfg, nil
		}
		health.Check(operator.CheckAWS, func() error { return err })
		if reason := err.Error(); reason != said {
			said = reason
			ctrl.Log.Info("AWS configuration does not load and will be tried again", "reason", reason)
		}
		select {
		case <-ctx.Done():
			return awssdk.Config{}, ctx.Err()
		case <-ticks.C:
		}
	}
}
