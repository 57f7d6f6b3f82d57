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
	if len(items) == 0 {
		return out
	}
	b := newBench(ctx, in)
	b.obliged = true
	why := map[string]string{}
	for len(items) > 0 && len(out.Commands) == 0 {
		set, rest := in.nextDue(&out, items, reason, why)
		if len(set) == 0 || b.spent(ctx) {
			break
		}
		items = rest
		for _, m := range b.renewed(ctx, set) {
			if m.refusal.Reason != "" {
				for _, c := range m.candidates {
					out.Refusals = append(out.Refusals, Refusal{Machine: c.Machine, Reason: m.refusal.Reason, Message: m.refusal.Message})
				}
				continue
			}
			command := b.command(&m)
			command.Reason = reason
			command.Message = why[command.Machines[0].Machine] + "; " + command.Message
			out.Commands = append(out.Commands, command)
		}
	}
	in.later(&out, items, reason)
	return out
}

// later refuses what is due and goes another time: budgets keep it, or it was not its turn.
func (i *Input) later(out *Decision, items []overdue, reason string) {
	left := i.quotas()
	for _, command := range out.Commands {
		for _, target := range command.Machines {
			left.take(Quota{target.Provisioner, reason})
		}
	}
	said := map[string]bool{}
	for _, refusal := range out.Refusals {
		said[refusal.Machine] = true
	}
	for _, it := range items {
		c := it.candidate
		switch {
		case said[c.Machine]:
		case left.take(Quota{c.Provisioner, reason}):
			out.Refusals = append(out.Refusals, Refusal{Machine: c.Machine, Reason: ReasonUntried, Message: "it is due, and others are that have been for longer"})
		default:
			out.Refusals = append(out.Refusals, overBudget(c, reason))
		}
	}
}

// nextDue returns the first machines that may go together, and those behind them: where those of the first cannot move, the others are not
// kept waiting for them. Why is noted by the names of machines.
func (i *Input) nextDue(out *Decision, items []overdue, reason string, why map[string]string) (set []*Candidate, rest []overdue) {
	left := i.quotas()
	for _, it := range items {
		c := it.candidate
		if kept, message, until := i.keeps(c); kept != "" {
			out.again(until)
			out.Refusals = append(out.Refusals, Refusal{Machine: c.Machine, Reason: kept, Message: message})
		} else if len(set) == mostTogether || !left.take(Quota{c.Provisioner, reason}) {
			rest = append(rest, it)
		} else {
			set, why[c.Machine] = append(set, c), it.why
		}
	}
	return set, rest
}

// renewed returns the moves of a set of machines, of each by itself where they do not go together.
func (b *bench) renewed(ctx context.Context, set []*Candidate) []move {
	if moves := b.try(ctx, set, true).moves; len(moves) > 0 {
		return moves
	}
	if len(set) == 1 {
		return []move{{candidates: set, refusal: Refusal{Reason: ReasonNeeded, Message: "pods that wait already would have it worse without it"}}}
	}
	var out []move
	for i := range set {
		if len(out) == 0 || out[len(out)-1].refusal.Reason != "" { // what follows was tried without what goes
			out = append(out, b.renewed(ctx, set[i:i+1])...)
		}
	}
	return out
}
