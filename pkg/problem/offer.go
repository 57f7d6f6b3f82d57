package problem

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/resources"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/pkg/state"
)

// Offer is a Provisioner and what it may buy.
type Offer struct {
	// Provisioner with its defaults applied.
	Provisioner *v1alpha5.Provisioner
	// InstanceTypes that it may buy.
	InstanceTypes cloudprovider.InstanceTypes
	// byName maps name -> instance type.
	byName map[string]*cloudprovider.InstanceType
}

// NewOffer returns what a Provisioner, with its defaults applied, may buy.
func NewOffer(provisioner *v1alpha5.Provisioner, instanceTypes cloudprovider.InstanceTypes) Offer {
	byName := make(map[string]*cloudprovider.InstanceType, len(instanceTypes))
	for _, t := range instanceTypes {
		byName[t.Name] = t
	}
	return Offer{Provisioner: provisioner, InstanceTypes: instanceTypes, byName: byName}
}

// Offers maps the name of a Provisioner -> its offer.
type Offers map[string]Offer

// provisioner translates an offer; used is what its machines have launched so far.
func (o Offer) provisioner(used corev1.ResourceList) solver.Provisioner {
	p := o.Provisioner
	requirements := scheduling.FromNodeSelector(v1alpha5.NodeSelectorRequirements(p.Spec.Requirements)).
		Union(scheduling.FromLabels(p.Spec.Labels)).
		Union(scheduling.FromLabels(map[string]string{v1alpha5.ProvisionerNameLabel: p.Name}))
	out := solver.Provisioner{
		Name: p.Name, Weight: p.Weight(), Requirements: requirements, Taints: v1alpha5.NodeTaints(p.Spec.Taints), InstanceTypes: o.InstanceTypes,
		MinValues: v1alpha5.MinValues(p.Spec.Requirements),
	}
	if p.Spec.Limits != nil {
		out.Remaining = corev1.ResourceList{}
		for name, limit := range p.Spec.Limits.Resources {
			limit.Sub(used[name])
			out.Remaining[name] = limit
		}
	}
	return out
}

// charge returns what an entry counts against whose limits; no name where that is nobody's.
//
// Machines on their way out do not count: what replaces them has to fit into the limits, or their pods could never leave. A Node
// of a provisioner whose Machine is not there, or not in the files, counts for as long as it is capacity that pods are placed on.
func (o Offers) charge(entry state.Entry) (string, corev1.ResourceList) {
	switch {
	case entry.Machine != nil && entry.Machine.DeletionTimestamp.IsZero():
		return entry.Machine.ProvisionerName(), o.launched(entry.Machine)
	case entry.Machine == nil && !entry.Deleting():
		return entry.Node.Labels[v1alpha5.ProvisionerNameLabel], withNode(entry.Node.Status.Capacity)
	default:
		return "", nil
	}
}

// withNode counts a node among what it has.
func withNode(capacity corev1.ResourceList) corev1.ResourceList {
	return resources.Sum(capacity, corev1.ResourceList{v1alpha5.ResourceNodes: *resource.NewQuantity(1, resource.DecimalSI)})
}

// launched returns what a Machine counts against its provisioner's limits until it is gone: its capacity or, before it has an
// instance, the most that it can become, and never less than what it was planned to hold.
func (o Offers) launched(machine *v1alpha5.Machine) corev1.ResourceList {
	capacity := machine.Status.Capacity
	if len(capacity) == 0 {
		capacity = machine.Spec.Resources.Requests
		for _, t := range o.flexibleTypes(machine) {
			capacity = resources.Max(capacity, t.Capacity)
		}
	}
	return withNode(capacity)
}

// least returns the least of each resource that a Machine without an instance will have for pods.
func (o Offers) least(machine *v1alpha5.Machine) corev1.ResourceList {
	var out corev1.ResourceList
	for _, t := range o.flexibleTypes(machine) {
		allocatable := t.Allocatable()
		for _, name := range t.OnRequest {
			if asked := machine.Spec.Resources.Requests[name]; asked.IsZero() {
				delete(allocatable, name)
			}
		}
		if out == nil {
			out = allocatable
			continue
		}
		for name, quantity := range out {
			if other := allocatable[name]; other.Cmp(quantity) < 0 {
				out[name] = other
			}
		}
	}
	if out == nil { // the types are gone from the catalogue: what was planned for it fits for sure
		return machine.Spec.Resources.Requests
	}
	return out
}

// open returns what the labels of a Machine without a Node may come to be: what it asks for, of what its instance types have. A
// label that is not there, or may only be absent, will be absent.
func (o Offers) open(machine *v1alpha5.Machine) scheduling.Requirements {
	asked := scheduling.FromNodeSelector(machine.Spec.Requirements)
	var offered scheduling.Requirements
	var zones []string
	for _, t := range o.flexibleTypes(machine) {
		zones = append(zones, zonesOf(t, asked.Union(scheduling.FromLabels(machine.Labels)), true)...)
		name := machine.Labels[corev1.LabelInstanceTypeStable]
		switch {
		case name != "" && name != t.Name: // it is another one by now
		case offered == nil:
			offered = maps.Clone(t.Requirements)
		default:
			either(offered, t.Requirements)
		}
	}
	if len(zones) > 0 {
		asked.Add(scheduling.NewRequirement(corev1.LabelTopologyZone, corev1.NodeSelectorOpIn, zones...))
	}
	return asked.Union(offered)
}

// either widens one by what else other lets labels be. A label that one of them does not have may be absent.
func either(one, other scheduling.Requirements) {
	for key, requirement := range one {
		if _, both := other[key]; !both {
			one[key] = requirement.Or(scheduling.NewRequirement(key, corev1.NodeSelectorOpDoesNotExist))
		}
	}
	for key, requirement := range other {
		old, both := one[key]
		if !both {
			old = scheduling.NewRequirement(key, corev1.NodeSelectorOpDoesNotExist)
		}
		one[key] = old.Or(requirement)
	}
}

// flexibleTypes returns the instance types that a Machine may become: those it lists that are sold, if only now and then, in its
// zones and as its capacity type. Should none be any more, those in its zones; or all that it lists.
func (o Offers) flexibleTypes(machine *v1alpha5.Machine) []*cloudprovider.InstanceType {
	asked := scheduling.FromNodeSelector(machine.Spec.Requirements).Union(scheduling.FromLabels(machine.Labels))
	var listed, there, sold []*cloudprovider.InstanceType
	byName := o[machine.ProvisionerName()].byName
	for _, requirement := range machine.Spec.Requirements {
		if requirement.Key != corev1.LabelInstanceTypeStable {
			continue
		}
		for _, name := range requirement.Values {
			t := byName[name]
			if t == nil {
				continue
			}
			listed = append(listed, t)
			if len(zonesOf(t, asked, false)) > 0 {
				there = append(there, t)
			}
			if len(zonesOf(t, asked, true)) > 0 {
				sold = append(sold, t)
			}
		}
	}
	switch {
	case len(sold) > 0:
		return sold
	case len(there) > 0:
		return there
	default:
		return listed
	}
}

// zonesOf returns the zones of those asked for in which the type is on offer, if only now and then: as the capacity type that is
// asked for, or as any.
func zonesOf(t *cloudprovider.InstanceType, asked scheduling.Requirements, asAsked bool) []string {
	var out []string
	for _, offering := range t.Offerings {
		if asked.Get(corev1.LabelTopologyZone).Has(offering.Zone) && (!asAsked || asked.Get(v1alpha5.CapacityTypeLabel).Has(offering.CapacityType)) {
			out = append(out, offering.Zone)
		}
	}
	return out
}
