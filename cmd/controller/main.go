// Command controller runs kerf in a cluster.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/kerf-autoscaler/kerf/pkg/journal"
	"github.com/kerf-autoscaler/kerf/pkg/metrics"
	"github.com/kerf-autoscaler/kerf/pkg/operator"
	"github.com/kerf-autoscaler/kerf/pkg/options"
	"github.com/kerf-autoscaler/kerf/pkg/webhooks"
)

func main() {
	o, err := options.Parse(os.Args[1:], os.LookupEnv)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintf(os.Stderr, "controller: %s\ncontroller: --help lists the settings\n", err)
		os.Exit(2)
	}
	if err := run(ctrl.SetupSignalHandler(), o); err != nil {
		ctrl.Log.Error(err, "kerf ended")
		os.Exit(1)
	}
}

// process is what its parts have in common.
type process struct {
	options    options.Options
	restConfig *rest.Config
	health     *operator.Health
	metrics    *metrics.Metrics
	pulse      *journal.Pulse
}

// newProcess returns a process that is not ready, and says why from its first probe on.
func newProcess(o options.Options, restConfig *rest.Config, recorded *metrics.Metrics, logger logr.Logger) *process {
	health := operator.NewHealth(logger)
	health.Check(operator.CheckCluster, func() error { return errors.New("the cluster is not identified yet") })
	health.Check(operator.CheckAWS, func() error { return errors.New("the AWS configuration is not loaded yet") })
	health.Check(operator.CheckWebhook, func() error { return errors.New("the webhook server is not set up yet") })
	pulse := journal.NewPulse(clock.RealClock{})
	health.Alive(operator.CheckWork, pulse.Check)
	health.Alive(operator.CheckControllers, operator.Stuck(ctrlmetrics.Registry, journal.Patience))
	return &process{options: o, restConfig: restConfig, health: health, metrics: recorded, pulse: pulse}
}

// run runs the two sides of the process: the front, which faces the cluster, and the controllers, which act.
func run(ctx context.Context, o options.Options) error {
	logger, err := operator.NewLogger(os.Stderr, o.LogLevel)
	if err != nil {
		return err
	}
	ctrl.SetLogger(logger)
	limitMemory(o.MemoryLimit)
	klog.SetLogger(logger.WithName("client-go"))
	restConfig, err := operator.RestConfig(o)
	if err != nil {
		return err
	}
	recorded, err := metrics.New(ctrlmetrics.Registry)
	if err != nil {
		return err
	}
	p := newProcess(o, restConfig, recorded, logger)
	if err := p.health.Serve(ctx, o.BindAddress, o.HealthProbePort); err != nil {
		return err
	}
	front, err := p.front(ctx)
	if err != nil {
		return err
	}
	return operator.Run(ctx, o.WebhookDrain+webhooks.LastAnswers, append(front, p.act)...)
}
