package main

import (
	"fmt"
	"io"
	"math"
)

// tolerance is what floating-point sums may differ by, as a part of them.
const tolerance = 1e-9

// boundTolerance is the same for the values of linear programs that were solved in two ways.
const boundTolerance = 1e-6

// judge prints what kerf has to answer for, and plans that are none, and says whether there is anything.
func judge(out io.Writer, contests []contest) error {
	failed := false
	for _, c := range contests {
		for _, fault := range c.verdict() {
			failed = true
			fmt.Fprintf(out, "FAILED %s: %s\n", c.name, fault)
		}
		for _, remark := range c.remarks() {
			fmt.Fprintf(out, "%s: %s\n", c.name, remark)
		}
	}
	if failed {
		return errFailed
	}
	return nil
}

// void reports whether there is nothing to compare, since a side's plan could not be carried out.
func (c contest) void() bool { return len(c.kerf.faults)+len(c.karpenter.faults) > 0 }

// verdict returns what kerf did worse than Karpenter, and what either did wrong. Costs are compared where both place as many pods:
// who places more may spend more.
func (c contest) verdict() []string {
	if c.void() {
		return append(listed("kerf", c.kerf.faults), listed("Karpenter", c.karpenter.faults)...)
	}
	var out []string
	k, p := c.kerf, c.karpenter
	switch {
	case k.placed() < p.placed():
		out = append(out, fmt.Sprintf("kerf places %d pods, Karpenter %d; it refuses %s", k.placed(), p.placed(), k.refusal))
	case k.placed() == p.placed() && k.usd > p.usd*(1+tolerance):
		out = append(out, fmt.Sprintf("kerf costs $%.4f/h, Karpenter $%.4f/h", k.usd, p.usd))
	}
	if difference := math.Abs(k.claimedUSD - k.usd); math.IsNaN(difference) || difference > tolerance*max(1, k.usd) {
		out = append(out, fmt.Sprintf("kerf says its plan costs $%.6f/h, its machines cost $%.6f/h", k.claimedUSD, k.usd))
	}
	if most, what := c.highestBound(); k.claimedBound > most*(1+boundTolerance) {
		out = append(out, fmt.Sprintf("kerf claims a lower bound of $%.6f/h, %s $%.6f/h", k.claimedBound, what, most))
	}
	return out
}

// listed returns the first faults of a side's plan, and how many there are more.
func listed(side string, faults []string) []string {
	const most = 5
	var out []string
	for i, fault := range faults {
		if i == most {
			return append(out, fmt.Sprintf("%s's plan cannot be carried out: and %d faults more", side, len(faults)-i))
		}
		out = append(out, side+"'s plan cannot be carried out: "+fault)
	}
	return out
}

// highestBound returns what no claim of a lower bound may exceed, and what that is: what a plan for all pods costs, since whoever knows
// where pods may be, or that they cannot be cut into pieces, can prove more than the linear program.
func (c contest) highestBound() (most float64, what string) {
	most, what = math.Inf(1), "nobody says more than"
	for _, o := range []struct {
		outcome
		what string
	}{{c.kerf, "its own plan costs"}, {c.karpenter, "Karpenter's plan costs"}} {
		if o.placed() == c.pods && o.usd < most {
			most, what = o.usd, o.what
		}
	}
	return most, what
}

// remarks returns what has to be known to read the row.
func (c contest) remarks() []string {
	var out []string
	if n := c.karpenter.placed(); n < c.pods {
		out = append(out, fmt.Sprintf("Karpenter places %d of %d pods; it refuses %s", n, c.pods, c.karpenter.refusal))
	}
	if n := c.kerf.placed(); n < c.pods {
		out = append(out, fmt.Sprintf("kerf places %d of %d pods; it refuses %s", n, c.pods, c.kerf.refusal))
	}
	if k := c.karpenter; k.spoilt > 0 && k.spoilt < k.runs {
		out = append(out, fmt.Sprintf("%d of Karpenter's %d plans could not be carried out, and do not count; in the first, %s", k.spoilt, k.runs, k.spoiltBy))
	}
	if c.void() {
		out = append(out, "there is no row for it: a plan that cannot be carried out has no price")
	}
	return out
}
