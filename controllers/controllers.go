// Package controllers is the list of everything that kerf runs.
package controllers

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kerf-autoscaler/kerf/controllers/consolidation"
	"github.com/kerf-autoscaler/kerf/controllers/eviction"
	"github.com/kerf-autoscaler/kerf/controllers/lease"
	"github.com/kerf-autoscaler/kerf/controllers/machine/garbagecollection"
	"github.com/kerf-autoscaler/kerf/controllers/machine/lifecycle"
	"github.com/kerf-autoscaler/kerf/controllers/machine/marking"
	"github.com/kerf-autoscaler/kerf/controllers/machine/termination"
	"github.com/kerf-autoscaler/kerf/controllers/provisioner"
	"github.com/kerf-autoscaler/kerf/controllers/provisioning"
	controllersstate "github.com/kerf-autoscaler/kerf/controllers/state"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/drain"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/journal"
	"github.com/kerf-autoscaler/kerf/pkg/metrics"
	"github.com/kerf-autoscaler/kerf/pkg/state"
)

// Settings are what the controllers let a user set.
type Settings struct {
	// ClusterUID is the UID of the kube-system namespace.
	ClusterUID string
	// CloudName is what the cloud is called in metrics.
	CloudName string
	// Pulse takes note of work that has an end.
	Pulse *journal.Pulse
	// BatchIdle and BatchMax are the times that close a batch of pods.
	BatchIdle, BatchMax time.Duration
	// Provisioning is what plans are made by.
	Provisioning provisioning.Settings
	// LaunchTimeout and RegistrationTimeout bound the life of machines that do not become nodes.
	LaunchTimeout, RegistrationTimeout time.Duration
	// VisibilityWindow is how long the cloud may take to show an instance that it has launched.
	VisibilityWindow time.Duration
	// Drain says which pods are held that say nothing for themselves.
	Drain drain.Policy
	// Consolidation says when machines are given back.
	Consolidation consolidation.Settings
}

// consolidation returns the settings of that controller, with what follows from the others.
func (s *Settings) consolidation() consolidation.Settings {
	out := s.Consolidation
	out.Drain, out.ExpendableBelow = s.Drain, s.Provisioning.ExpendableBelow
	out.ReplacementPatience = s.LaunchTimeout + s.RegistrationTimeout + initialization
	return out
}

// initialization is how long a node may take from joining until it is ready for pods that are to move there.
const initialization = 10 * time.Minute

// Controller is something that a manager runs.
type Controller interface {
	Register(mgr ctrl.Manager) error
}

// Register adds every controller that is not a cloud's own to a manager.
func Register(mgr ctrl.Manager, provider cloudprovider.Provider, recorded *metrics.Metrics, settings Settings) error {
	for _, controller := range list(mgr, provider, recorded, settings) {
		if err := controller.Register(mgr); err != nil {
			return fmt.Errorf("registering %T: %w", controller, err)
		}
	}
	return nil
}

func list(mgr ctrl.Manager, provider cloudprovider.Provider, recorded *metrics.Metrics, settings Settings) []Controller {
	realClock := clock.RealClock{}
	client, live := mgr.GetClient(), mgr.GetAPIReader()
	told := journal.Journal{Events: events.NewRecorder(mgr.GetEventRecorder("kerf"), realClock), Metrics: recorded, Clock: realClock, Pulse: settings.Pulse}
	cluster := state.NewCluster()
	informers := controllersstate.NewInformers(mgr.GetCache(), cluster, told)
	by := func(controller string) cloudprovider.Provider {
		return &measured{provider: provider, metrics: recorded, clock: realClock, controller: controller, cloud: settings.CloudName}
	}
	batcher := provisioning.NewBatcher[types.UID](realClock, settings.BatchIdle, settings.BatchMax)
	evictions := eviction.NewQueue(client, told)
	market := provisioning.NewController(provisioning.World{Client: client, Live: live, Provider: by("provisioning"), Cluster: cluster},
		batcher, informers.Synced(), told, settings.Provisioning)
	return []Controller{
		informers,
		provisioning.NewTrigger(client, batcher),
		market,
		lifecycle.NewController(client, live, by("machine.lifecycle"), lifecycle.Settings{
			ClusterUID: settings.ClusterUID, LaunchTimeout: settings.LaunchTimeout, RegistrationTimeout: settings.RegistrationTimeout,
			VisibilityWindow: settings.VisibilityWindow,
		}, told),
		lifecycle.NewConsistency(client, told),
		marking.NewController(client, by("machine.marking"), told),
		consolidation.NewController(consolidation.World{Client: client, Live: live, Nominations: cluster, Market: market}, settings.consolidation(), told),
		evictions,
		termination.NewController(client, live, by("machine.termination"), evictions,
			termination.Settings{VisibilityWindow: settings.VisibilityWindow, Drain: settings.Drain}, told),
		termination.NewNodeController(client, live, by("node.termination"), told),
		garbagecollection.NewController(client, live, by("machine.garbagecollection"), told),
		lease.NewController(client, live, told),
		provisioner.NewController(client, recorded, realClock),
	}
}
