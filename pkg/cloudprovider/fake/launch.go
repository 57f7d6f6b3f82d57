package fake

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// answer returns the provider ids that the machine's request got, serving the request when it is new.
func (p *Provider) answer(machine *v1alpha5.Machine) ([]string, error) {
	launch := machine.Status.Launch
	request := fmt.Sprintf("%d %v", launch.Size, machine.Spec.Requirements)
	if known, ok := p.answers[launch.Token]; ok {
		if known.request != request {
			return nil, fmt.Errorf("token %q was used for another request: %s", launch.Token, known.request)
		}
		return known.providerIDs, nil
	}
	requirements := scheduling.FromNodeSelector(machine.Spec.Requirements)
	if _, ok := requirements.Get(v1alpha5.CapacityTypeLabel).Single(); !ok {
		return nil, cloudprovider.NewCreateError("InvalidRequest",
			fmt.Errorf("machine %q does not ask for exactly one capacity type", machine.Name))
	}
	p.launches++
	got := answer{request: request}
	for range launch.Size {
		choice, ok := p.choose(requirements)
		if !ok {
			break
		}
		got.providerIDs = append(got.providerIDs, p.make(machine, choice))
	}
	slices.Sort(got.providerIDs)
	p.answers[launch.Token] = got
	return got.providerIDs, nil
}

// choice is an instance type with the offering that it is bought as.
type choice struct {
	instanceType *cloudprovider.InstanceType
	offering     cloudprovider.Offering
}

// choose returns the cheapest offering with capacity among what the machine may be; ties go to type and zone by name.
func (p *Provider) choose(requirements scheduling.Requirements) (choice, bool) {
	var choices []choice
	for _, t := range p.instanceTypes {
		if requirements.Conflict(t.Requirements) != "" {
			continue
		}
		for _, o := range t.Offerings.Compatible(requirements) {
			if p.left(Offering{t.Name, o.Zone, o.CapacityType}) {
				choices = append(choices, choice{t, o})
			}
		}
	}
	if len(choices) == 0 {
		return choice{}, false
	}
	return slices.MinFunc(choices, func(a, b choice) int {
		return cmp.Or(cmp.Compare(a.offering.Price, b.offering.Price),
			cmp.Compare(a.instanceType.Name, b.instanceType.Name), cmp.Compare(a.offering.Zone, b.offering.Zone))
	}), true
}

// make adds an instance and returns its provider id. The numbers in ids are scrambled so that their order is not that of creation.
func (p *Provider) make(machine *v1alpha5.Machine, c choice) string {
	p.made++
	const oddFactor = 0x9E3779B97F4A7C15 // odd, so that the product never repeats
	id := fmt.Sprintf("fake:///%s/i-%016x", c.offering.Zone, uint64(p.made)*oddFactor)
	labels := c.instanceType.Requirements.Labels()
	labels[corev1.LabelTopologyZone] = c.offering.Zone
	labels[v1alpha5.CapacityTypeLabel] = c.offering.CapacityType
	if name := machine.ProvisionerName(); name != "" {
		labels[v1alpha5.ProvisionerNameLabel] = name
	}
	p.instances[id] = &Instance{
		ProviderID:   id,
		InstanceType: c.instanceType.Name,
		Zone:         c.offering.Zone,
		CapacityType: c.offering.CapacityType,
		Price:        c.offering.Price,
		Group:        machine.Status.Launch.Group,
		Attempt:      machine.Status.Launch.Attempt,
		Launched:     p.now(),
		edition:      len(p.outdated),
		labels:       labels,
		capacity:     c.instanceType.Capacity,
		allocatable:  c.instanceType.Allocatable(),
	}
	p.take(Offering{c.instanceType.Name, c.offering.Zone, c.offering.CapacityType})
	return id
}
