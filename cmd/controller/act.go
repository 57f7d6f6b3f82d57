package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/utils/clock"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/kerf-autoscaler/kerf/controllers"
	"github.com/kerf-autoscaler/kerf/controllers/aws/inlineprovider"
	"github.com/kerf-autoscaler/kerf/controllers/aws/measurement"
	"github.com/kerf-autoscaler/kerf/controllers/aws/nodetemplate"
	"github.com/kerf-autoscaler/kerf/controllers/aws/refresh"
	"github.com/kerf-autoscaler/kerf/controllers/provisioning"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws"
	"github.com/kerf-autoscaler/kerf/pkg/drain"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/operator"
	"github.com/kerf-autoscaler/kerf/pkg/options"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
)

// visibilityWindow is how long EC2 may take to show an instance that it has launched: AWS speaks of minutes.
const visibilityWindow = 5 * time.Minute

// act runs the controllers until ctx ends. It takes part in the election of the leader only once it can act: as long as the AWS
// configuration does not load here, it may load for another replica. What the controllers cannot begin without is waited for.
func (p *process) act(ctx context.Context) error {
	o := p.options
	uid, ok := await(ctx, p.health, operator.CheckCluster, loadRetry, func(ctx context.Context) (string, error) { return clusterUID(ctx, p.restConfig) })
	if !ok {
		return nil // asked to end before it began
	}
	p.health.Check(operator.CheckCluster, func() error { return nil })
	awsConfig, ok := await(ctx, p.health, operator.CheckAWS, loadRetry, aws.LoadConfig)
	if !ok {
		return nil
	}
	mgr, err := operator.NewManager(ctx, p.restConfig, o)
	if err != nil {
		return err
	}
	provider, err := aws.New(awsConfig, mgr.GetClient(), aws.Settings{
		ClusterName: o.ClusterName, ClusterUID: uid, ClusterEndpoint: o.ClusterEndpoint, ClusterCA: o.ClusterCA,
		ClusterVersion: o.ClusterVersion, ServiceCIDR: o.ClusterServiceCIDR, Tags: o.Tags, IsolatedVPC: o.IsolatedVPC,
		DefaultInstanceProfile: o.DefaultInstanceProfile, InterruptionQueue: o.InterruptionQueue, VMMemoryOverheadPercent: o.VMMemoryOverheadPercent,
		ReservedENIs: o.ReservedENIs, PrefixDelegation: o.PrefixDelegation,
		LaunchTemplateTTL: o.LaunchTemplateTTL, VisibilityWindow: visibilityWindow,
		CapacityBackoffMax: o.CapacityBackoffMax, APIShare: o.AWSAPIShare,
	}, clock.RealClock{})
	if err != nil {
		return err
	}
	for _, c := range provider.Collectors() {
		if err := ctrlmetrics.Registry.Register(c); err != nil {
			return fmt.Errorf("registering metrics of AWS: %w", err)
		}
	}
	p.health.Check(operator.CheckAWS, provider.Ready)
	if err := errors.Join(
		controllers.Register(mgr, provider, p.metrics, controllers.Settings{
			ClusterUID: uid, CloudName: "aws", Pulse: p.pulse, BatchIdle: o.BatchIdle, BatchMax: o.BatchMax, LaunchTimeout: o.LaunchTimeout,
			Provisioning: provisioning.Settings{ExpendableBelow: o.ExpendableBelow, Solver: solver.Settings{
				NodeFee: o.NodeFee, MostDearer: o.FallbackPriceRatio, Steps: o.SolverSteps,
				IgnorePreferences:   o.PreferencePolicy == options.PreferenceIgnore,
				MinValuesBestEffort: o.MinValuesPolicy == options.MinValuesBestEffort,
			}},
			Consolidation:       consolidationOf(&o),
			RegistrationTimeout: o.RegistrationTimeout, VisibilityWindow: visibilityWindow,
			Drain: drain.Policy{
				BarePods: drain.Hold(o.HoldBarePods), SystemPods: drain.Hold(o.HoldSystemPods), SystemPodsFor: o.HoldSystemPodsFor,
				LocalStorage: drain.Hold(o.HoldLocalStorage),
			},
		}),
		refresh.Register(mgr, provider.Tasks(), clock.RealClock{}),
		inlineprovider.NewController(mgr.GetClient(), events.NewRecorder(mgr.GetEventRecorder("kerf"), clock.RealClock{})).Register(mgr),
		measurement.NewController(mgr.GetClient(), provider.Measured()).Register(mgr),
		p.interruptions(mgr, provider),
		nodetemplate.NewController(mgr.GetClient(), nodetemplate.SourcesOf(provider.Discovery())).Register(mgr),
	); err != nil {
		return err
	}
	return mgr.Start(ctx)
}
