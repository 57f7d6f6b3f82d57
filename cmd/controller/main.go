// Command controller runs kerf in a cluster.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/kerf-autoscaler/kerf/controllers"
	"github.com/kerf-autoscaler/kerf/controllers/aws/inlineprovider"
	"github.com/kerf-autoscaler/kerf/controllers/aws/nodetemplate"
	"github.com/kerf-autoscaler/kerf/controllers/aws/refresh"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws"
	"github.com/kerf-autoscaler/kerf/pkg/metrics"
	"github.com/kerf-autoscaler/kerf/pkg/operator"
	"github.com/kerf-autoscaler/kerf/pkg/options"
)

// visibilityWindow is how long EC2 may take to show an instance that it has launched: AWS speaks of minutes.
const visibilityWindow = 5 * time.Minute

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

func run(ctx context.Context, o options.Options) error {
	logger, err := operator.NewLogger(os.Stderr, o.LogLevel)
	if err != nil {
		return err
	}
	ctrl.SetLogger(logger)
	klog.SetLogger(logger.WithName("client-go"))
	restConfig, err := operator.RestConfig(o)
	if err != nil {
		return err
	}
	uid, err := clusterUID(ctx, restConfig)
	if err != nil {
		return err
	}
	health := operator.NewHealth(logger)
	if err := health.Serve(ctx, o.BindAddress, o.HealthProbePort); err != nil {
		return err
	}
	awsConfig, err := awaitAWS(ctx, health, loadRetry, aws.LoadConfig)
	if errors.Is(err, context.Canceled) {
		return nil // asked to end before it began
	}
	if err != nil {
		return err
	}
	mgr, err := operator.NewManager(ctx, restConfig, o)
	if err != nil {
		return err
	}
	provider, err := aws.New(awsConfig, mgr.GetClient(), aws.Settings{
		ClusterName: o.ClusterName, ClusterUID: uid, ClusterEndpoint: o.ClusterEndpoint, ClusterCA: o.ClusterCA,
		ClusterVersion: o.ClusterVersion, ServiceCIDR: o.ClusterServiceCIDR, Tags: o.Tags, IsolatedVPC: o.IsolatedVPC,
		DefaultInstanceProfile: o.DefaultInstanceProfile, VMMemoryOverheadPercent: o.VMMemoryOverheadPercent,
		LaunchTemplateTTL: o.LaunchTemplateTTL, VisibilityWindow: visibilityWindow,
	}, clock.RealClock{})
	if err != nil {
		return err
	}
	health.Check("aws", provider.Ready)
	recorded, err := metrics.New(ctrlmetrics.Registry)
	if err != nil {
		return err
	}
	if err := errors.Join(
		controllers.Register(mgr, provider, recorded, controllers.Settings{
			ClusterUID: uid, BatchIdle: o.BatchIdle, BatchMax: o.BatchMax, LaunchTimeout: o.LaunchTimeout,
			RegistrationTimeout: o.RegistrationTimeout, VisibilityWindow: visibilityWindow,
		}),
		refresh.Register(mgr, provider.Tasks(), clock.RealClock{}),
		inlineprovider.NewController(mgr.GetClient()).Register(mgr),
		nodetemplate.NewController(mgr.GetClient(), nodetemplate.SourcesOf(provider.Discovery())).Register(mgr),
	); err != nil {
		return err
	}
	return mgr.Start(ctx)
}
