package main

import (
	"github.com/kerf-autoscaler/kerf/controllers/consolidation"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/options"
)

// consolidationOf returns what a user has set of giving machines back.
func consolidationOf(o *options.Options) consolidation.Settings {
	c := o.Consolidation
	return consolidation.Settings{
		PauseDisruption: o.PauseDisruption, EmptyWindow: o.EmptyWindow, SettleFor: c.SettleFor, SteerNewPods: c.SteerNewPods,
		Brake: consolidation.BrakeSettings{MostUnready: c.MaxTotalUnready, FewUnready: c.OKTotalUnready},
		Disruption: disruption.Settings{
			EvictionCost: c.EvictionCost, Horizon: c.Horizon, LineageRest: c.MovedPodsRest, LeastSpotAlternatives: c.MinSpotAlternatives,
			DeletionCosts: c.SetPodDeletionCost,
		},
	}
}
