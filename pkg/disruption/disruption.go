// Package disruption decides which machines go, and says why: facts and the time in, commands out.
package disruption

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// Reasons of commands.
const (
	// ReasonEmpty says that nothing has run on the machine for ttlSecondsAfterEmpty.
	ReasonEmpty = "Empty"
)

// Input is all that a decision depends on.
type Input struct {
	// Now is the time of the decision.
	Now time.Time
	// Candidates are the initialized machines that are not being deleted.
	Candidates []Candidate
}

// Candidate is a machine that may go.
type Candidate struct {
	// Machine and Node are its names.
	Machine, Node string
	// Provisioner that it was made for.
	Provisioner string
	// TTLAfterEmpty is its provisioner's ttlSecondsAfterEmpty; nil never removes for emptiness.
	TTLAfterEmpty *time.Duration
	// EmptySince is when the last pod left; zero while there are pods.
	EmptySince time.Time
	// Nominated says that pods are expected to come.
	Nominated bool
	// Protected says that its owner asked to keep it.
	Protected bool
	// PricePerHour in US dollars; 0 when unknown.
	PricePerHour float64
}

// Command is a machine that goes.
type Command struct {
	// Machine and Node are its names.
	Machine, Node string
	// Provisioner that it was made for.
	Provisioner string
	// Reason in CamelCase, and the same for a person.
	Reason, Message string
}

// Method is one way of finding machines that should go.
type Method func(ctx context.Context, in Input) []Command

// Decide returns the commands of the first method that has any.
func Decide(ctx context.Context, in Input, methods ...Method) []Command {
	for _, method := range methods {
		if commands := method(ctx, in); len(commands) > 0 {
			return commands
		}
	}
	return nil
}

// Emptiness removes machines that have been empty for as long as their provisioner says, in order of name.
func Emptiness(_ context.Context, in Input) []Command {
	var out []Command
	for i := range in.Candidates {
		c := &in.Candidates[i]
		due, ok := EmptyAt(c)
		if !ok || in.Now.Before(due) || c.Nominated || c.Protected {
			continue
		}
		message := fmt.Sprintf("empty for %s, longer than ttlSecondsAfterEmpty %d of provisioner %s; saves $%.4f/h",
			in.Now.Sub(c.EmptySince).Round(time.Second), int64(c.TTLAfterEmpty.Seconds()), c.Provisioner, c.PricePerHour)
		out = append(out, Command{Machine: c.Machine, Node: c.Node, Provisioner: c.Provisioner, Reason: ReasonEmpty, Message: message})
	}
	slices.SortFunc(out, func(a, b Command) int { return cmp.Compare(a.Machine, b.Machine) })
	return out
}

// EmptyAt returns when a machine has been empty for long enough to go; false while it is not empty, or never goes for that.
func EmptyAt(c *Candidate) (time.Time, bool) {
	if c.TTLAfterEmpty == nil || c.EmptySince.IsZero() {
		return time.Time{}, false
	}
	return c.EmptySince.Add(*c.TTLAfterEmpty), true
}
