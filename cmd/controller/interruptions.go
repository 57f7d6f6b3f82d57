package main

import (
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kerf-autoscaler/kerf/controllers/aws/interruption"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/journal"
	"github.com/kerf-autoscaler/kerf/pkg/options"
)

// interruptions adds the reader of the queue to a manager, if there is one to read. That the queue cannot be read makes nothing unready.
func (p *process) interruptions(mgr ctrl.Manager, provider *aws.Provider) error {
	queue := provider.Interruptions()
	if queue == nil {
		return nil
	}
	return interruption.NewController(
		interruption.World{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Queue: queue, Offerings: provider, Instances: provider},
		interruption.Settings{
			ReplaceOnRebalance: p.options.RebalancePolicy == options.RebalanceReplace, PauseDisruption: p.options.PauseDisruption,
		},
		journal.Journal{
			Events: events.NewRecorder(mgr.GetEventRecorder("kerf"), clock.RealClock{}), Metrics: p.metrics, Clock: clock.RealClock{}, Pulse: p.pulse,
		},
	).Register(mgr)
}
