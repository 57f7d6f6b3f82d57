package disruption

import (
	"fmt"
	"slices"
	"time"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
)

// cent is what two prices may differ by and still be the same, US dollars per hour: sums of fractions are not exact.
const cent = 1e-9

// finish reckons what a part of a plan is worth, and has what it buys be nothing that is worth less.
func (b *bench) finish(set []*Candidate, p part, machines []solver.Machine) move {
	var out move
	for _, i := range p.candidates {
		c := set[i]
		moving := b.in.World.Displaced(c.Node)
		out.candidates = append(out.candidates, c)
		out.pods += len(moving)
		out.saving += c.PricePerHour + b.settings.NodeFee
		out.cost += b.settings.costOf(c, moving, b.in.Now)
	}
	for _, m := range p.machines {
		out.machines = append(out.machines, machines[m])
		out.saving -= machines[m].PricePerHour + b.settings.NodeFee
		out.cost += machines[m].PricePerHour * overlap.Hours()
	}
	refuse := func(reason, message string, arguments ...any) move {
		out.refusal = Refusal{Machine: out.candidates[0].Machine, Reason: reason, Message: fmt.Sprintf(message, arguments...)}
		return out
	}
	switch {
	case p.failed != "":
		return refuse(ReasonNeeded, "%s", p.failed)
	case b.obliged:
		return out
	case out.saving <= cent:
		return refuse(ReasonNeeded, "its pods cost as much elsewhere")
	}
	least := b.leastSaving(&out)
	if out.saving <= least {
		b.soonest(b.paysFrom(&out))
		return refuse(ReasonNotWorthIt, "without it $%.4f/h would be saved, which is $%.4f in %s; moving %d pods is taken to cost $%.4f",
			out.saving, out.saving*b.horizon(&out), time.Duration(b.horizon(&out)*float64(time.Hour)).Round(time.Minute), out.pods, out.cost)
	}
	if why := b.restrict(&out, out.saving-max(least, cent)); why != "" {
		return refuse(ReasonNotWorthIt, "%s", why)
	}
	return out
}

// horizon is for how many hours the saving lasts: no longer than the machines would have been there. Where nothing has come or gone for
// long, it is taken to last half as long again.
func (b *bench) horizon(m *move) float64 {
	quiet := longestHorizon
	for _, c := range m.candidates {
		quiet = min(quiet, b.in.Now.Sub(c.quietSince())/2)
	}
	out := max(b.settings.Horizon, quiet)
	for _, c := range m.candidates {
		if !c.ExpiresAt.IsZero() {
			out = min(out, c.ExpiresAt.Sub(b.in.Now))
		}
	}
	return max(out.Hours(), 0)
}

// paysFrom is when the saving of a move will be taken to last for long enough to pay back what it costs; zero for never.
func (b *bench) paysFrom(m *move) time.Time {
	asked := m.cost / m.saving
	if m.saving <= cent || asked >= longestHorizon.Hours() {
		return time.Time{}
	}
	var out time.Time
	for _, c := range m.candidates {
		if at := c.quietSince().Add(time.Duration(2 * asked * float64(time.Hour))).Add(time.Second); at.After(out) {
			out = at
		}
	}
	return out
}

// leastSaving is what a move has to save per hour to pay back what it costs, US dollars.
func (b *bench) leastSaving(m *move) float64 {
	hours := b.horizon(m)
	switch {
	case b.settings.Eager:
		return 0
	case hours == 0:
		return m.saving + 1
	}
	return m.cost / hours
}

// net is what a move saves in all, less what it costs, US dollars.
func (b *bench) net(m *move) float64 {
	if b.settings.Eager {
		return m.saving
	}
	return m.saving*b.horizon(m) - m.cost
}

// restrict leaves the machines that are bought only with instance types that keep the move worth it wherever they are launched: slack
// is by how much they may be dearer together, US dollars per hour. It returns why that leaves too little.
func (b *bench) restrict(m *move, slack float64) string {
	total := 0.0
	for i := range m.machines {
		total += m.machines[i].PricePerHour
	}
	spot := slices.ContainsFunc(m.candidates, func(c *Candidate) bool { return c.CapacityType == v1alpha5.CapacityTypeSpot })
	for i := range m.machines {
		machine := &m.machines[i]
		most := machine.PricePerHour + slack*machine.PricePerHour/total
		kept := slices.DeleteFunc(slices.Clone(machine.InstanceTypes), func(name string) bool { return b.prices.most(machine, name) > most })
		switch {
		case len(kept) == 0:
			return "in some of its zones what would take its place is too dear"
		case len(kept) < len(machine.InstanceTypes) && b.prices.minValues[machine.Provisioner]:
			return "of the instance types that minValues asks for some are too dear to take its place"
		case spot && machine.CapacityType == v1alpha5.CapacityTypeSpot && len(kept) < b.settings.LeastSpotAlternatives:
			return fmt.Sprintf("only %d instance types are cheap enough to take its place as spot, too few to be had for long (%d are asked for)",
				len(kept), b.settings.LeastSpotAlternatives)
		}
		machine.InstanceTypes = kept
	}
	return ""
}

// priceList knows what instance types cost.
type priceList struct {
	// types maps provisioner -> name -> instance type.
	types map[string]map[string]*cloudprovider.InstanceType
	// taints maps provisioner -> the taints of its machines.
	taints map[string]scheduling.Taints
	// minValues are the provisioners that ask for a variety of instance types.
	minValues map[string]bool
}

func newPriceList(provisioners []solver.Provisioner) priceList {
	out := priceList{types: map[string]map[string]*cloudprovider.InstanceType{}, taints: map[string]scheduling.Taints{}, minValues: map[string]bool{}}
	for i := range provisioners {
		byName := make(map[string]*cloudprovider.InstanceType, len(provisioners[i].InstanceTypes))
		for _, t := range provisioners[i].InstanceTypes {
			byName[t.Name] = t
		}
		out.types[provisioners[i].Name] = byName
		out.taints[provisioners[i].Name] = provisioners[i].Taints
		out.minValues[provisioners[i].Name] = len(provisioners[i].MinValues) > 0
	}
	return out
}

// most returns the highest price at which a machine may be launched as a type, US dollars per hour.
func (l *priceList) most(machine *solver.Machine, name string) float64 {
	out := 0.0
	if t := l.types[machine.Provisioner][name]; t != nil {
		for _, offering := range t.Offerings.Compatible(machine.Requirements) {
			out = max(out, offering.Price)
		}
	}
	return out
}
