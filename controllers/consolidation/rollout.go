package consolidation

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
	"github.com/kerf-autoscaler/kerf/pkg/state"
)

// doubt is how long after a replacement failed no other drifted machine of the provisioner is replaced, until its status says the same.
const doubt = 5 * time.Minute

// rollout is how far a provisioner's machines have come on their way to what is asked for now.
type rollout struct {
	// since is when the last of those machines was found to have drifted that are there.
	since time.Time
	// proven says that a machine was made after that and is ready.
	proven bool
	// going is how many drifted machines are on their way out.
	going int
	// failed says that the last machine that was made came to nothing.
	failed bool
}

// most returns how many more drifted machines may go: one, as a canary, until it shows that what comes in their place works.
func (r rollout) most() int {
	switch {
	case r.failed:
		return 0
	case r.proven:
		return disruption.Unbounded
	default:
		return max(0, 1-r.going)
	}
}

// rollouts maps a provisioner with drifted machines -> how far it has come.
func rollouts(facts problem.Facts, now time.Time) map[string]rollout {
	out := map[string]rollout{}
	for i := range facts.Snapshot.Entries {
		entry := &facts.Snapshot.Entries[i]
		if entry.Machine == nil || !machines.Conditions(entry.Machine).IsTrue(v1alpha5.ConditionDrifted) {
			continue
		}
		name := entry.Machine.ProvisionerName()
		r, known := out[name]
		if offer, offers := facts.Offers[name]; !known && offers {
			r.failed = meta.IsStatusConditionFalse(offer.Provisioner.Status.Conditions, v1alpha5.ConditionRolloutProceeding)
		}
		r.drifted(entry, now)
		out[name] = r
	}
	for i := range facts.Snapshot.Entries {
		machine := facts.Snapshot.Entries[i].Machine
		if machine == nil {
			continue
		}
		if r, drifting := out[machine.ProvisionerName()]; drifting && r.isProvenBy(machine) {
			r.proven = true
			out[machine.ProvisionerName()] = r
		}
	}
	return out
}

// drifted counts a machine that has drifted.
func (r *rollout) drifted(entry *state.Entry, now time.Time) {
	set := machines.Conditions(entry.Machine)
	if since := set.Get(v1alpha5.ConditionDrifted).LastTransitionTime.Time; since.After(r.since) {
		r.since = since
	}
	goes := set.Get(v1alpha5.ConditionDisrupting)
	switch {
	case entry.Deleting() || set.IsTrue(v1alpha5.ConditionDisrupting):
		r.going++
	case goes != nil && goes.Reason == v1alpha5.ReasonReplacementFailed && now.Sub(goes.LastTransitionTime.Time) < doubt:
		r.failed = true
	}
}

// isProvenBy reports whether a machine was made since the last one drifted, and works.
func (r *rollout) isProvenBy(machine *v1alpha5.Machine) bool {
	set := machines.Conditions(machine)
	return machine.DeletionTimestamp.IsZero() && set.IsTrue(v1alpha5.ConditionInitialized) && !set.IsTrue(v1alpha5.ConditionDrifted) &&
		machine.CreationTimestamp.After(r.since)
}
