package consolidation

import (
	"context"
	"fmt"
	"time"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
)

// account returns what the budgets of a provisioner count.
func (r *rations) account(ctx context.Context, provisioner *v1alpha5.Provisioner, now time.Time) (disruption.Account, error) {
	counted, err := r.census(ctx, provisioner.Name, now, true)
	return disruption.Account{Budgets: provisioner.Budgets(), Fleet: counted.fleet}, err
}

// grant has a command written down that takes machines which it was decided on as they are there, unless budgets hold it that others have
// drawn on since, which is what it returns.
func (r *rations) grant(ctx context.Context, c *disruption.Command, facts problem.Facts, there map[string]*v1alpha5.Machine, now time.Time,
	write func() error,
) (*disruption.Hold, error) {
	if err := r.turn.Acquire(ctx, 1); err != nil {
		return nil, fmt.Errorf("waiting for another decision: %w", err)
	}
	defer r.turn.Release(1)
	accounts := map[string]disruption.Account{}
	for _, target := range c.Machines {
		if _, known := accounts[target.Provisioner]; known {
			continue
		}
		account, err := r.account(ctx, facts.Offers[target.Provisioner].Provisioner, now)
		if err != nil {
			return nil, err
		}
		accounts[target.Provisioner] = account
	}
	granted, held := disruption.Ration([]disruption.Command{*c}, disruption.Rations{Now: now, Accounts: accounts})
	if len(granted) == 0 {
		return &held[0], nil
	}
	for _, target := range c.Machines { // before it is known whether it was written: what had no answer may have been
		r.remember(there[target.Machine])
	}
	return nil, write()
}
