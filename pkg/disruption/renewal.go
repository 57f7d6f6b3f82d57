package disruption

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// Expiration replaces machines that are too old, the oldest first.
func Expiration(ctx context.Context, in *Input) Decision {
	return renew(ctx, in, ReasonExpired, func(c *Candidate) (time.Time, string) {
		if c.ExpiresAt.IsZero() || in.Now.Before(c.ExpiresAt) {
			return time.Time{}, ""
		}
		return c.ExpiresAt, fmt.Sprintf("older than ttlSecondsUntilExpired of provisioner %s allows since %s", c.Provisioner, c.ExpiresAt.UTC().Format(time.RFC3339))
	})
}

// Drift replaces machines that are not what their provisioner and template ask for now, those first that have not been for longest.
func Drift(ctx context.Context, in *Input) Decision {
	return renew(ctx, in, ReasonDrifted, func(c *Candidate) (time.Time, string) { return c.DriftedSince, c.Drifted })
}

// overdue is a machine that has to go whatever it costs.
type overdue struct {
	candidate *Candidate
	since     time.Time
	why       string
}

// renew replaces machines that have to go, as many as budgets let go: due says since when and why, "" for not.
func renew(ctx context.Context, in *Input, reason string, due func(*Candidate) (time.Time, string)) Decision {
	var items []overdue
	var out Decision
	for i := range in.Candidates {
		if expires := in.Candidates[i].ExpiresAt; in.Now.Before(expires) {
			out.again(expires)
		}
		if since, why := due(&in.Candidates[i]); why != "" {
			items = append(items, overdue{&in.Candidates[i], since, why})
		}
	}
	slices.SortStableFunc(items, func(a, b overdue) int {
		return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.candidate.Machine, b.candidate.Machine))
	})
	left, why := in.quotas(), map[string]string{}
	var set []*Candidate
	for _, it := range items {
		c := it.candidate
		if kept, message, until := in.keeps(c); kept != "" {
			out.again(until)
			out.Refusals = append(out.Refusals, Refusal{Machine: c.Machine, Reason: kept, Message: message})
		} else if len(set) == mostTogether || !left.take(Quota{c.Provisioner, reason}) {
			out.Refusals = append(out.Refusals, overBudget(c, reason))
		} else {
			set, why[c.Machine] = append(set, c), it.why
		}
	}
	if len(set) == 0 {
		return out
	}
	b := newBench(ctx, in)
	b.obliged = true
	moves := b.try(ctx, set, true).moves
	for i := range moves {
		m := &moves[i]
		if m.refusal.Reason != "" {
			for _, c := range m.candidates {
				out.Refusals = append(out.Refusals, Refusal{Machine: c.Machine, Reason: m.refusal.Reason, Message: m.refusal.Message})
			}
			continue
		}
		command := b.command(m)
		command.Reason = reason
		command.Message = why[command.Machines[0].Machine] + "; " + command.Message
		out.Commands = append(out.Commands, command)
	}
	return out
}
