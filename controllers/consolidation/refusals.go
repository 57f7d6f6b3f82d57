package consolidation

import (
	"context"
	"maps"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
	"github.com/kerf-autoscaler/kerf/pkg/state"
)

const (
	// mostTold is how many machines a pass says of why they stay: those of a large cluster that kerf is new to are told of one after the other.
	mostTold = 50
	// saidAgain is how long after it was said why a machine stays the same reason is put into other words: figures change all the time.
	saidAgain = time.Hour
	// takesTurns is how long it takes until budgets, or want of time, are the reason why a machine stays that said another: which machines it
	// falls upon changes with each decision.
	takesTurns = 10 * time.Minute
)

// tell has each machine say why it stays, once for each change, and reports whether nothing is left to say. Where not all machines were
// asked about, in part, those that nothing is said of go on saying what they said.
func (p *pass) tell(ctx context.Context, facts problem.Facts, refusals []disruption.Refusal, part bool) (bool, error) {
	of, counts := map[string]disruption.Refusal{}, map[string]int{}
	for _, refusal := range p.rolling(refusals, facts) {
		of[refusal.Machine] = refusal
		counts[refusal.Reason]++
	}
	if !part {
		p.journal.Metrics.DeprovisioningRefused.Reset()
	}
	for reason, n := range counts {
		p.journal.Metrics.DeprovisioningRefused.WithLabelValues(reason).Set(float64(n))
	}
	left, now, there := mostTold, p.journal.Clock.Now(), map[string]bool{}
	defer func() { maps.DeleteFunc(p.said, func(name string, _ time.Time) bool { return !there[name] }) }()
	for i := range facts.Snapshot.Entries {
		if machine := facts.Snapshot.Entries[i].Machine; machine != nil {
			there[machine.Name] = true
		}
	}
	for i := range facts.Snapshot.Entries {
		entry := &facts.Snapshot.Entries[i]
		if entry.Machine == nil || entry.Deleting() || entry.Machine.Status.Disruption != nil {
			continue
		}
		refusal, known := of[entry.Machine.Name]
		if part && !known || !p.isNews(entry.Machine, refusal, now) {
			continue
		}
		if left == 0 {
			return false, nil
		}
		left--
		if err := p.say(ctx, entry, refusal); err != nil {
			return false, err
		}
	}
	return true, nil
}

// rolling puts the refusals of drifted machines into other words that a roll-out keeps, not a budget.
func (p *pass) rolling(refusals []disruption.Refusal, facts problem.Facts) []disruption.Refusal {
	if len(p.rollouts) == 0 {
		return refusals
	}
	of := map[string]rollout{} // name of a drifted machine -> that of its provisioner
	for i := range facts.Snapshot.Entries {
		machine := facts.Snapshot.Entries[i].Machine
		if machine == nil || !machines.Conditions(machine).IsTrue(v1alpha5.ConditionDrifted) {
			continue
		}
		if r, has := p.rollouts[machine.ProvisionerName()]; has {
			of[machine.Name] = r
		}
	}
	out := slices.Clone(refusals)
	for i := range out {
		r, rolls := of[out[i].Machine]
		switch {
		case !rolls || out[i].Reason != disruption.ReasonBudget:
		case r.failed:
			out[i].Reason, out[i].Message = v1alpha5.ReasonCanaryFailed, "drifted, and the last machine that was made in place of one like it came to nothing"
		case !r.proven:
			out[i].Reason, out[i].Message = disruption.ReasonCanary, "drifted, and waits for the first machine of its provisioner that takes another one's place to be ready"
		}
	}
	return out
}

// isNews reports whether a machine does not say yet why it stays. What will be over in a moment is said only where nothing was said before.
func (p *pass) isNews(machine *v1alpha5.Machine, refusal disruption.Refusal, now time.Time) bool {
	said := machines.Conditions(machine).Get(v1alpha5.ConditionDisruptable)
	switch {
	case said == nil:
		return refusal.Reason != ""
	case said.Reason == disruption.ReasonAllHeld && refusal.Reason != said.Reason:
		return true // what held all machines is over for all of them at once
	case said.Reason == disruption.ReasonEmptyHeld && refusal.Reason == "":
		return false // that is no answer of a pass, and is taken back where it was given
	case refusal.Reason == disruption.ReasonUnsettled || refusal.Reason == disruption.ReasonNominated:
		return false
	}
	changed := said.Reason != refusal.Reason || said.Message != refusal.Message
	return changed && !now.Before(p.said[machine.Name].Add(standsFor(said.Reason, refusal.Reason)))
}

// standsFor is for how long a machine goes on giving a reason once there is another.
func standsFor(said, refused string) time.Duration {
	switch refused {
	case "", said: // it may be decided on in the next pass, or only figures are others
		return saidAgain
	case disruption.ReasonBudget, disruption.ReasonUntried:
		return takesTurns
	default:
		return 0
	}
}

// say writes down why a machine stays, on itself and for its node.
func (p *pass) say(ctx context.Context, entry *state.Entry, refusal disruption.Refusal) error {
	machine := entry.Machine.DeepCopy()
	p.said[machine.Name] = p.journal.Clock.Now()
	set := machines.Conditions(machine)
	if refusal.Reason == "" {
		set.Clear(v1alpha5.ConditionDisruptable)
	} else {
		set.False(v1alpha5.ConditionDisruptable, refusal.Reason, refusal.Message)
	}
	if err := machines.Write(ctx, p.client, entry.Machine, machine); err != nil {
		if apierrors.IsConflict(err) {
			return nil // the next pass says it
		}
		return err
	}
	if refusal.Reason == "" {
		return nil
	}
	ctrl.LoggerFrom(ctx).V(1).Info("machine stays", "machine", klog.KObj(machine), "node", machine.Status.NodeName,
		"reason", refusal.Reason, "why", refusal.Message)
	reason := events.ReasonUnconsolidatable
	if refusal.Reason == disruption.ReasonHeld || refusal.Reason == disruption.ReasonAllHeld || refusal.Reason == disruption.ReasonProtected {
		reason = events.ReasonDeprovisioningBlocked
	}
	told := []client.Object{machine}
	if entry.Node != nil {
		told = append(told, entry.Node)
	}
	for _, object := range told {
		p.journal.Events.Publish(events.Event{Object: object, Reason: reason, Message: refusal.Reason + ": " + refusal.Message})
	}
	return nil
}
