package provisioning

import (
	"slices"
	"time"

	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/pkg/state"
)

// A provisioner makes at most ten machines a minute that are the first to try whether the cloud has capacity again: some at once,
// and one more each interval.
const (
	firstTries     = 4
	firstTryEvery  = 10 * time.Second
	firstTryTrials = 1 // the trial of an offering where nothing had success yet
)

// answerPatience is how long a machine on trial keeps others from the same: one that nobody answers says nothing.
const answerPatience = 30 * time.Second

// pace maps provisioner -> the tries that it has left. Only provisioning passes use it, one at a time.
type pace map[string]*rate.Limiter

func (p pace) of(provisioner string) *rate.Limiter {
	limiter, ok := p[provisioner]
	if !ok {
		limiter = rate.NewLimiter(rate.Every(firstTryEvery), firstTries)
		p[provisioner] = limiter
	}
	return limiter
}

// place is an offering of an instance type.
type place struct{ instanceType, zone, capacityType string }

// places maps an offering -> how many more machines may be tried there.
type places map[place]int

// placesOf returns the offerings on trial, less what is on its way to them.
func placesOf(instanceTypes cloudprovider.InstanceTypes, entries []state.Entry, now time.Time) places {
	var out places
	for _, t := range instanceTypes {
		for _, o := range t.Offerings {
			if !o.Available || o.Trial == 0 {
				continue
			}
			if out == nil {
				out = places{}
			}
			out[place{t.Name, o.Zone, o.CapacityType}] = o.Trial
		}
	}
	if out == nil {
		return nil
	}
	for i := range entries {
		if machine := entries[i].Machine; machine != nil && onTheWay(machine, now) {
			requirements := scheduling.FromNodeSelector(machine.Spec.Requirements)
			out.take(requirements.Get(corev1.LabelInstanceTypeStable).Has, requirements)
		}
	}
	return out
}

// onTheWay reports whether a machine may soon show whether there is capacity for it.
func onTheWay(machine *v1alpha5.Machine, now time.Time) bool {
	answered := machine.Status.ProviderID != "" || machine.Status.Launch != nil && machine.Status.Launch.Answered
	return !answered && now.Sub(machine.CreationTimestamp.Time) < answerPatience
}

// take counts a machine wherever it may be tried.
func (p places) take(isType func(string) bool, requirements scheduling.Requirements) {
	zone, capacityType := requirements.Get(corev1.LabelTopologyZone), requirements.Get(v1alpha5.CapacityTypeLabel)
	for at := range p {
		if isType(at.instanceType) && zone.Has(at.zone) && capacityType.Has(at.capacityType) {
			p[at]--
		}
	}
}

// closed returns the instance types without the offerings that may not be tried now. Paused says that this holds for all those
// where nothing had success yet.
func closed(instanceTypes cloudprovider.InstanceTypes, left places, paused bool) cloudprovider.InstanceTypes {
	if left == nil {
		return instanceTypes
	}
	out := slices.Clone(instanceTypes)
	for i, t := range out {
		shut := func(o cloudprovider.Offering) bool {
			return o.Available && o.Trial > 0 && (paused && o.Trial <= firstTryTrials || left[place{t.Name, o.Zone, o.CapacityType}] <= 0)
		}
		if !slices.ContainsFunc(t.Offerings, shut) {
			continue
		}
		copied := *t
		copied.Offerings = slices.Clone(t.Offerings)
		for k, o := range copied.Offerings {
			copied.Offerings[k].Available = o.Available && !shut(o)
		}
		out[i] = &copied
	}
	return out
}

// admit divides planned machines into those to make now and those that would be a herd where the cloud lately had no capacity, or
// where machines lately came to nothing.
// The latter's pods are planned for anew once the first have left.
func (c *catalogue) admit(planned []solver.Machine, pace pace, now time.Time) (admitted, held []solver.Machine) {
	for i := range planned {
		machine := &planned[i]
		offer := c.offers[machine.Provisioner]
		left := c.left[machine.Provisioner]
		room, first := trialOf(machine, offer, left)
		if c.restraints[machine.Provisioner].restrains(machine) || room == 0 || first && !pace.of(machine.Provisioner).AllowN(now, 1) {
			held = append(held, *machine)
			continue
		}
		for _, other := range c.left { // an offering is the same one whoever buys it
			other.take(func(name string) bool { return slices.Contains(machine.InstanceTypes, name) }, machine.Requirements)
		}
		admitted = append(admitted, *machine)
	}
	return admitted, held
}

// trialOf returns how many machines like this one may still be tried: negative if it may become something that is not on trial.
// First says that it could only be where nothing had success yet.
func trialOf(machine *solver.Machine, offer problem.Offer, left places) (room int, first bool) {
	if len(left) == 0 {
		return -1, false
	}
	room, first = -1, true
	for _, t := range offer.InstanceTypes {
		if !slices.Contains(machine.InstanceTypes, t.Name) {
			continue
		}
		for _, o := range t.Offerings.Compatible(machine.Requirements) {
			if o.Trial == 0 {
				return -1, false
			}
			first = first && o.Trial <= firstTryTrials
			n := max(left[place{t.Name, o.Zone, o.CapacityType}], 0)
			if room < 0 || n < room {
				room = n
			}
		}
	}
	return room, first && room >= 0
}
