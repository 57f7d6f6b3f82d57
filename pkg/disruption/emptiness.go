package disruption

import (
	"context"
	"fmt"
	"time"
)

// Emptiness removes machines that have been empty for as long as their provisioner says, in order of name.
func Emptiness(_ context.Context, in *Input) Decision {
	var out Decision
	left := in.quotas()
	for i := range in.Candidates {
		c := &in.Candidates[i]
		due, ok := EmptyAt(c)
		if !ok || in.Now.Before(due) {
			out.again(due)
			continue
		}
		if reason, why, until := in.keeps(c); reason != "" {
			out.again(until)
			out.Refusals = append(out.Refusals, Refusal{Machine: c.Machine, Reason: reason, Message: why})
			continue
		}
		if !left.take(Quota{c.Provisioner, ReasonEmpty}) {
			out.Refusals = append(out.Refusals, overBudget(c, ReasonEmpty))
			continue
		}
		out.Commands = append(out.Commands, Command{
			Machines: []Target{c.target()}, Reason: ReasonEmpty, SavingPerHour: c.PricePerHour,
			Message: fmt.Sprintf("empty for %s, longer than ttlSecondsAfterEmpty %d of provisioner %s; saves $%.4f/h",
				in.Now.Sub(c.EmptySince).Round(time.Second), int64(c.TTLAfterEmpty.Seconds()), c.Provisioner, c.PricePerHour),
		})
	}
	byName(out.Commands)
	return out
}

// EmptyAt returns when a machine has been empty for long enough to go; false while it is not empty, or never goes for that.
func EmptyAt(c *Candidate) (time.Time, bool) {
	if c.TTLAfterEmpty == nil || c.EmptySince.IsZero() {
		return time.Time{}, false
	}
	return c.EmptySince.Add(*c.TTLAfterEmpty), true
}
