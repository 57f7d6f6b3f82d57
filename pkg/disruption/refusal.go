package disruption

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Reasons of refusals.
const (
	// ReasonProtected says that the machine or its node is annotated to stay.
	ReasonProtected = "Protected"
	// ReasonNominated says that pods are expected to come.
	ReasonNominated = "PodsExpected"
	// ReasonHeld says that a pod keeps the machine.
	ReasonHeld = "Held"
	// ReasonAllHeld says that a pause, or the brake, keeps every machine that could stay.
	ReasonAllHeld = "DisruptionHeld"
	// ReasonEmptyHeld says that the machine has been empty for long enough, and that something keeps it.
	ReasonEmptyHeld = "EmptyAndHeld"
	// ReasonBudget says that spec.disruption.budgets let no more machines go now.
	ReasonBudget = "BudgetUsedUp"
	// ReasonUntried says that others are more promising, and that trying those was all that there was time for.
	ReasonUntried = "NotTried"
	// ReasonCanary says that it has still to show whether what comes in place of machines works.
	ReasonCanary = "CanaryOnTrial"
	// ReasonUnsettled says that pods have come or gone a short while ago.
	ReasonUnsettled = "Unsettled"
	// ReasonMovedLately says that a pod there was moved a short while ago.
	ReasonMovedLately = "MovedLately"
	// ReasonNeeded says that the pods cost as much elsewhere, or have no other place.
	ReasonNeeded = "Needed"
	// ReasonNotWorthIt says that the move costs more than it saves.
	ReasonNotWorthIt = "NotWorthTheMove"
	// ReasonPriceUnknown says that nobody knows what the machine costs.
	ReasonPriceUnknown = "PriceUnknown"
)

// nominationRecheck is how soon a machine is looked at again that only expected pods keep.
const nominationRecheck = 10 * time.Second

// keeps returns what keeps a machine from going for any reason, "" for nothing, and until when if time will end it.
func (i *Input) keeps(c *Candidate) (reason, why string, until time.Time) {
	switch {
	case c.Protected:
		return ReasonProtected, "it or its node is annotated to be left alone", time.Time{}
	case c.Held != "":
		return ReasonHeld, c.Held, c.HeldUntil
	case c.Nominated:
		return ReasonNominated, "pods are expected to come to it", i.Now.Add(nominationRecheck)
	}
	return "", "", time.Time{}
}

func overBudget(c *Candidate, reason string) Refusal {
	return Refusal{Machine: c.Machine, Reason: ReasonBudget, Message: fmt.Sprintf(
		"the disruption budgets of provisioner %s let no more machines go now for the reason %s", c.Provisioner, reason)}
}

// firstOfEach returns the first refusal of each machine, in order of name: the first method's is the nearest to an answer.
func firstOfEach(refusals []Refusal) []Refusal {
	slices.SortStableFunc(refusals, func(a, b Refusal) int { return cmp.Compare(a.Machine, b.Machine) })
	return slices.CompactFunc(refusals, func(a, b Refusal) bool { return a.Machine == b.Machine })
}

// quotas is what is left of Input.Allowed.
type quotas map[Quota]int

func (i *Input) quotas() quotas { return maps.Clone(i.Allowed) }

// take reports whether one more may go, and counts it.
func (q quotas) take(of Quota) bool {
	n, bounded := q[of]
	if !bounded {
		return true
	}
	if n <= 0 {
		return false
	}
	q[of] = n - 1
	return true
}
