package options

import (
	"time"

	"github.com/spf13/pflag"
)

// Consolidation is what a user sets of how machines are given back.
type Consolidation struct {
	// Horizon is for how long a saving is taken to last.
	Horizon time.Duration
	// EvictionCost is what moving an ordinary pod is taken to cost, US dollars.
	EvictionCost float64
	// SettleFor is how long no pod has to come to a node, or leave it, before it goes to save money.
	SettleFor time.Duration
	// MovedPodsRest is for how long pods are left alone that were moved to save money.
	MovedPodsRest time.Duration
	// MinSpotAlternatives is how many instance types a spot machine must have to choose from that takes the place of another.
	MinSpotAlternatives int
	// SteerNewPods has new pods go last to nodes that are best left to empty by themselves.
	SteerNewPods bool
	// SetPodDeletionCost has ReplicaSets that shrink take those pods away first that are on nodes that are the soonest worth giving back.
	SetPodDeletionCost bool
	// MaxTotalUnready is how many nodes may be unready before none is removed that could stay, in percent; OKTotalUnready may be in any case.
	MaxTotalUnready, OKTotalUnready int
}

func (c *Consolidation) flags(flags *pflag.FlagSet) {
	flags.DurationVar(&c.Horizon, "consolidation-horizon", 4*time.Hour, "a saving is taken to last for at least this long, and for longer where pods neither come nor go: pods are moved to save money only if that saves more in this time than moving them is taken to cost")
	flags.Float64Var(&c.EvictionCost, "eviction-cost", 0.1, "what moving an ordinary pod is taken to cost, in US dollars; a pod costs more that is important or slow to start, and a pod of a job what it has run for")
	flags.DurationVar(&c.SettleFor, "consolidation-settle-duration", 5*time.Minute, "a node goes to save money once no pod has come to it or left it for this long, or for half of it where it has no more than one; pods of jobs and DaemonSets aside")
	flags.DurationVar(&c.MovedPodsRest, "moved-pods-rest", time.Hour, "pods that were moved to save money, or came in their place, are not moved again for this long, and for longer each time")
	flags.IntVar(&c.MinSpotAlternatives, "min-spot-alternatives", 15, "a spot machine takes the place of another spot machine only if it has this many instance types to choose from")
	flags.BoolVar(&c.SteerNewPods, "steer-new-pods", true, "taint nodes karpenter.sh/consolidation-candidate:PreferNoSchedule that may be consolidated and are the soonest empty if new pods go elsewhere, as far as other nodes have room")
	flags.BoolVar(&c.SetPodDeletionCost, "set-pod-deletion-cost", false, "annotate pods of ReplicaSets with controller.kubernetes.io/pod-deletion-cost, so that those on nodes that cost most for each of their pods are the first to go when their ReplicaSet shrinks; takes the right to patch pods")
	flags.IntVar(&c.MaxTotalUnready, "max-total-unready-percentage", 45, "while more of the cluster's nodes are not ready, none is removed that could stay; 0 counts none")
	flags.IntVar(&c.OKTotalUnready, "ok-total-unready-count", 3, "as many nodes may be not ready whatever part of the cluster they are")
}

// mostRest is longer than moves are remembered.
const mostRest = 7 * 24 * time.Hour

func (c *Consolidation) validate(refused *refusals) {
	refused.when(c.Horizon <= 0, "consolidation-horizon", "%s is not positive", c.Horizon)
	refused.when(!(c.EvictionCost > 0 && c.EvictionCost <= maxFee), "eviction-cost", "%g is not above 0 and up to %d", c.EvictionCost, maxFee)
	refused.when(c.SettleFor < 0, "consolidation-settle-duration", "%s is negative", c.SettleFor)
	refused.when(c.MovedPodsRest <= 0 || c.MovedPodsRest > mostRest, "moved-pods-rest", "%s is not above 0s and up to %s", c.MovedPodsRest, mostRest)
	refused.when(c.MinSpotAlternatives < 1, "min-spot-alternatives", "%d is below 1", c.MinSpotAlternatives)
	refused.when(c.MaxTotalUnready < 0 || c.MaxTotalUnready > 100, "max-total-unready-percentage", "%d is not from 0 to 100", c.MaxTotalUnready)
	refused.when(c.OKTotalUnready < 0, "ok-total-unready-count", "%d is negative", c.OKTotalUnready)
}
