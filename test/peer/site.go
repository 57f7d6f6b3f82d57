package main

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
)

// site is a planned node as one offering: what would stand there.
type site struct {
	node         *corev1.Node
	provisioner  *solver.Provisioner
	instanceType *cloudprovider.InstanceType
	offering     cloudprovider.Offering
	demands      []demand // of the pods that are planned for it
}

func (s *site) String() string {
	return fmt.Sprintf("%s (%s, %s in %s)", s.node.Name, s.instanceType.Name, s.offering.CapacityType, s.offering.Zone)
}

// buy returns the node as it would be bought, nil if it cannot be, and what is wrong with it as long as it is looked at alone.
func (r *referee) buy(name string, planned plannedNode) (*site, []string) {
	p, ok := r.provisioners[planned.provisioner]
	if !ok {
		return nil, []string{fmt.Sprintf("%s is of provisioner %q, which there is not", name, planned.provisioner)}
	}
	var demands []demand
	for _, pod := range planned.pods {
		if d, ok := r.demands[pod.UID]; ok { // the others are faults already
			demands = append(demands, d)
		}
	}
	left := planned.requirements.Union(p.Requirements)
	var faults []string
	var sites []*site
	for _, typeName := range slices.Sorted(slices.Values(planned.instanceTypes)) {
		it, ok := r.stock[p.Name][typeName]
		if !ok {
			faults = append(faults, fmt.Sprintf("%s may be a %s, which provisioner %s does not sell", name, typeName, p.Name))
			continue
		}
		if s := r.asType(name, p, it, left); s != nil {
			s.demands = demands
			sites = append(sites, s)
		}
	}
	if len(sites) == 0 {
		return nil, append(faults, fmt.Sprintf("%s cannot be bought: none of %d instance types has an offering left; it has pod %s",
			name, len(planned.instanceTypes), firstName(planned.pods)))
	}
	slices.SortStableFunc(sites, func(a, b *site) int { return cmp.Compare(a.offering.Price, b.offering.Price) })
	for _, s := range sites {
		if own := s.faults(r.daemons); len(own) > 0 { // once is enough: types often fail for one reason
			faults = append(faults, own...)
			break
		}
	}
	return sites[0], faults
}

func firstName(pods []*corev1.Pod) string {
	if len(pods) == 0 {
		return "none"
	}
	return pods[0].Name
}

// asType returns the node as the cheapest offering of an instance type that the requirements leave; nil if there is none.
func (r *referee) asType(name string, p *solver.Provisioner, it *cloudprovider.InstanceType, left scheduling.Requirements) *site {
	offering, ok := it.Offerings.Compatible(left).Cheapest()
	if !ok {
		return nil
	}
	return r.asOffering(name, p, it, offering, left)
}

// asAny returns a node of a provisioner as each offering of an instance type, the cheapest first.
func (r *referee) asAny(p *solver.Provisioner, it *cloudprovider.InstanceType) []*site {
	offerings := it.Offerings.Compatible(p.Requirements)
	slices.SortStableFunc(offerings, func(a, b cloudprovider.Offering) int { return cmp.Compare(a.Price, b.Price) })
	var out []*site
	for _, offering := range offerings {
		if s := r.asOffering("any", p, it, offering, p.Requirements); s != nil {
			out = append(out, s)
		}
	}
	return out
}

// asOffering returns the node as an offering; nil if the labels that it would have are not what the requirements leave.
func (r *referee) asOffering(
	name string, p *solver.Provisioner, it *cloudprovider.InstanceType, offering cloudprovider.Offering, left scheduling.Requirements,
) *site {
	labels := it.Requirements.Labels()
	labels[v1alpha5.ProvisionerNameLabel] = p.Name
	labels[corev1.LabelHostname] = name
	labels[corev1.LabelTopologyZone], labels[v1alpha5.CapacityTypeLabel] = offering.Zone, offering.CapacityType
	for key, requirement := range left {
		value, there := labels[key]
		switch {
		case there && !requirement.Has(value), !there && r.typed[key] && !requirement.AllowsAbsent():
			return nil
		case !there && !r.typed[key] && requirement.Finite() && requirement.Len() > 0:
			labels[key] = requirement.Values()[0] // a label of the user's own: the machine gets one of the values that are left
		}
	}
	return &site{provisioner: p, instanceType: it, offering: offering, node: &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec:       corev1.NodeSpec{Taints: p.Taints},
		Status:     corev1.NodeStatus{Allocatable: it.Allocatable()},
	}}
}
