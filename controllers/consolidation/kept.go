package consolidation

import (
	"context"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
)

// kept reports whether no machine that could stay may go now. It tells of the first and the last time, and has machines say so that would
// be looked at.
func (p *pass) kept(ctx context.Context) (bool, error) {
	by, err := p.executor.held(ctx)
	if err != nil {
		return false, err
	}
	if by != p.held {
		ctrl.LoggerFrom(ctx).Info("whether machines may go that could stay has changed", "kept", by != "", "why", by)
		p.held, p.seen, p.again = by, 0, p.journal.Clock.Now()
	}
	if by == "" || p.journal.Clock.Now().Before(p.again) {
		return by != "", nil
	}
	if asked, err := p.asked(ctx); err != nil || !asked {
		return true, err
	}
	facts, _, err := p.market.Survey(ctx)
	if err != nil {
		return true, err
	}
	told, err := p.tell(ctx, facts, heldBack(facts, by), false)
	if told {
		p.again = p.journal.Clock.Now().Add(decidedAnew)
	}
	return true, err
}

// heldBack has every machine stay that could go.
func heldBack(facts problem.Facts, by string) []disruption.Refusal {
	var out []disruption.Refusal
	for i := range facts.Snapshot.Entries {
		entry := &facts.Snapshot.Entries[i]
		if !mayGo(entry) {
			continue
		}
		if offer, known := facts.Offers[entry.Machine.ProvisionerName()]; known {
			c := candidateOf(entry, offer)
			if c.Consolidate || c.Drifted != "" || !c.ExpiresAt.IsZero() {
				out = append(out, disruption.Refusal{Machine: c.Machine, Reason: disruption.ReasonAllHeld, Message: by})
			}
		}
	}
	return out
}
