package faults

import (
	"slices"
	"time"
)

// Trouble is what befalls a call; its zero value is nothing.
type Trouble struct {
	Kind  string
	Delay time.Duration
}

// Before is what befalls a call before it is carried out.
func (i *Injector) Before(service, action string, now time.Time) Trouble {
	i.mu.Lock()
	defer i.mu.Unlock()
	for n, r := range i.plan.Down {
		if matches(r.Actions, service, action) && i.strikes(rule("down", n), r.When, action, now) {
			i.hits["down."+r.Kind]++
			return Trouble{Kind: r.Kind, Delay: time.Duration(r.Delay)}
		}
	}
	return Trouble{}
}

// Lost is what becomes of the answer of a call that was carried out.
func (i *Injector) Lost(service, action string, now time.Time) Trouble {
	i.mu.Lock()
	defer i.mu.Unlock()
	for n, r := range i.plan.Ambiguous {
		concerns := matches(r.Actions, service, action) && (len(r.Actions) > 0 || changes(action))
		if concerns && i.strikes(rule("ambiguous", n), r.When, action, now) {
			i.hits["ambiguous."+r.Kind]++
			return Trouble{Kind: r.Kind}
		}
	}
	return Trouble{}
}

// Empty says whether an EC2 read finds nothing.
func (i *Injector) Empty(action string, now time.Time) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	for n, r := range i.plan.Empty {
		actions := r.Actions
		if len(actions) == 0 {
			actions = []string{"DescribeInstances"}
		}
		if slices.Contains(actions, action) && i.strikes(rule("empty", n), r.When, action, now) {
			i.hits[EmptyHit]++
			return true
		}
	}
	return false
}

// ClockOffset is how far AWS's clock is ahead of the world's.
func (i *Injector) ClockOffset() time.Duration {
	i.mu.Lock()
	defer i.mu.Unlock()
	return time.Duration(i.plan.ClockOffset)
}

// Recalled judges a client token that was first used at some time, by the clock of now: whether it is still known. Same says whether the
// parameters are those of its first use.
func (i *Injector) Recalled(first, now time.Time, same bool) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch t := i.plan.Token; {
	case t != nil && now.Sub(first) >= time.Duration(t.Lifetime):
		i.hits[TokenForgotten]++
		return false
	case same:
		i.hits[TokenReplayed]++
	default:
		i.hits[TokenMismatch]++
	}
	return true
}
