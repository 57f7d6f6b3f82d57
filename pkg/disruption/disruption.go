// Package disruption decides which machines go, and says why: facts and the time in, commands out.
package disruption

import (
	"cmp"
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/solver"
)

// Reasons of commands.
const (
	// ReasonEmpty says that nothing has run on the machine for ttlSecondsAfterEmpty.
	ReasonEmpty = "Empty"
	// ReasonExpired says that the machine is older than ttlSecondsUntilExpired.
	ReasonExpired = "Expired"
	// ReasonDrifted says that the machine is not what its provisioner and template ask for now.
	ReasonDrifted = "Drifted"
	// ReasonUnderutilized says that the machine's pods cost less elsewhere.
	ReasonUnderutilized = "Underutilized"
)

// World answers what would have to be decided without some nodes. Pods of candidates are in it as they are.
type World interface {
	// Displaced returns the pods that would look for a new place without the node, in order of UID.
	Displaced(node string) []*corev1.Pod
	// Without returns the problem that is left when the nodes are gone.
	Without(nodes map[string]bool) solver.Problem
}

// Input is all that a decision depends on.
type Input struct {
	// Now is the time of the decision.
	Now time.Time
	// Candidates are the initialized machines that are not being deleted, in order of name.
	Candidates []Candidate
	// World in which decisions are tried; emptiness asks for none.
	World World
	// Allowed maps whose machines for what reason -> how many more of them may be disrupted now. What is not in it is not bounded.
	Allowed map[Quota]int
	// Settings say what a decision has to be worth.
	Settings Settings
}

// Quota is what a number of disruptions is allowed for.
type Quota struct{ Provisioner, Reason string }

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
	// Held says which pod keeps the machine, and why; "" for none.
	Held string
	// HeldUntil is when that is over; zero when only somebody's change ends it.
	HeldUntil time.Time
	// PricePerHour in US dollars; 0 when unknown.
	PricePerHour float64
	// InstanceType and CapacityType that it was bought as.
	InstanceType, CapacityType string
	// Consolidate says that its provisioner asks for what saves money, and nobody that this machine be left out.
	Consolidate bool
	// Waning says that it was found best to be left to empty by itself.
	Waning bool
	// SettledAt is from when on it may go to save money: for some time before nothing has come to it, or left it; pods that leave one that
	// is waning do not count, as that is what it is for.
	SettledAt time.Time
	// QuietSince is when the last pod has come to it, or left it in whatever way; zero for the same as SettledAt.
	QuietSince time.Time
	// ExpiresAt is when it is too old; zero for never.
	ExpiresAt time.Time
	// Drifted says in which way the machine is not what is asked for now; "" when it is.
	Drifted string
	// DriftedSince is when that was found.
	DriftedSince time.Time
}

// Command is a number of machines that go together.
type Command struct {
	// Machines that go, in order of name.
	Machines []Target
	// Replacements have to be there before anything goes.
	Replacements []solver.Machine
	// Reason in CamelCase, and the same for a person.
	Reason, Message string
	// Pods that move.
	Pods int
	// SavingPerHour is what the machines cost less their replacements, US dollars.
	SavingPerHour float64
	// Cost is what the move is taken to cost, US dollars.
	Cost float64
}

// Order has machines made that take the place of others.
type Order struct {
	// Machines to make, by the Names at the same places.
	Machines []solver.Machine
	Names    []string
	// For is the name of the machine that the command is recorded on.
	For string
}

// Target is a machine that goes.
type Target struct {
	// Machine and Node are its names.
	Machine, Node string
	// Provisioner that it was made for.
	Provisioner string
}

// byName puts commands in the order of their machines.
func byName(commands []Command) {
	slices.SortFunc(commands, func(a, b Command) int { return cmp.Compare(a.Machines[0].Machine, b.Machines[0].Machine) })
}

func (c *Candidate) quietSince() time.Time {
	if c.QuietSince.After(c.SettledAt) {
		return c.QuietSince
	}
	return c.SettledAt
}

func (c *Candidate) target() Target {
	return Target{Machine: c.Machine, Node: c.Node, Provisioner: c.Provisioner}
}

// Refusal is why a machine stays that might have gone.
type Refusal struct {
	// Machine is its name.
	Machine string
	// Reason in CamelCase, and the same for a person.
	Reason, Message string
}

// Decision is what becomes of the candidates.
type Decision struct {
	// Commands that can be carried out side by side.
	Commands []Command
	// Refusals have at most one entry for a machine, in order of name.
	Refusals []Refusal
	// Again is when time alone may make a difference; zero for never.
	Again time.Time
	// Waning are the machines that are best left to empty by themselves, in order of name.
	Waning []Target
	// DeletionCosts are the pods whose deletion is to cost something else than is written on them, those on the dearest machines first.
	DeletionCosts []PodCost
	// Partial says that not all methods were asked: of machines that nothing is said of, nothing is known.
	Partial bool
}

// again notes that time alone may make a difference.
func (d *Decision) again(at time.Time) {
	if !at.IsZero() && (d.Again.IsZero() || at.Before(d.Again)) {
		d.Again = at
	}
}

// Method is one way of finding machines that should go.
type Method func(ctx context.Context, in *Input) Decision

// Decide returns what the first method says that has any commands, and the refusals of all that were asked.
func Decide(ctx context.Context, in *Input, methods ...Method) Decision {
	var out Decision
	for i, method := range methods {
		decision := method(ctx, in)
		out.Refusals = append(out.Refusals, decision.Refusals...)
		out.again(decision.Again)
		out.Waning = append(out.Waning, decision.Waning...)
		out.DeletionCosts = append(out.DeletionCosts, decision.DeletionCosts...)
		if len(decision.Commands) > 0 {
			out.Commands, out.Partial = decision.Commands, i < len(methods)-1
			break
		}
	}
	out.Refusals = firstOfEach(out.Refusals)
	return out
}
