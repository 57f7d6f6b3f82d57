package fleet

import (
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

const (
	// maxInstanceTypes bounds the instance types of a request: the cheapest are enough to choose from.
	maxInstanceTypes = 60
	// maxConfigs is what EC2 takes of launch template configurations.
	maxConfigs = 50
)

// ErrNoOffering says that nothing that a machine may be is offered anywhere it may be.
var ErrNoOffering = errors.New("no instance type that the machine may be is offered in a zone that it may be in")

// Boot is what instance types have to agree on to share a launch template.
type Boot struct {
	ImageID string
	MaxPods int64
	// KubeReserved is what is reserved for the kubelet, printed; "" where the image decides.
	KubeReserved string
	// Cards and EFAInterfaces are those of the instance type where interfaces for EFA are asked for; else 0.
	Cards, EFAInterfaces int64
}

// Candidate is an instance type that can be launched.
type Candidate struct {
	Name string
	Boot Boot
	// Zones that offer it and have a subnet, in order.
	Zones []string
}

// Group is the overrides that share a launch template.
type Group struct {
	Boot      Boot
	Overrides []Override
}

// Choice is what a machine's requirements leave to choose from.
type Choice struct {
	CapacityType  string
	InstanceTypes []string // cheapest first
	zones         scheduling.Requirement
}

// ChoiceOf reads a machine's requirements. Their order is kept: it is part of the request.
func ChoiceOf(machine *v1alpha5.Machine) (Choice, error) {
	requirements := scheduling.FromNodeSelector(machine.Spec.Requirements)
	capacityType, ok := requirements.Get(v1alpha5.CapacityTypeLabel).Single()
	if !ok || capacityType != v1alpha5.CapacityTypeSpot && capacityType != v1alpha5.CapacityTypeOnDemand {
		return Choice{}, fmt.Errorf("spec.requirements of machine %q have to name one capacity type, spot or on-demand", machine.Name)
	}
	allowed := requirements.Get(corev1.LabelInstanceTypeStable)
	var names []string
	for _, r := range machine.Spec.Requirements {
		if v1alpha5.NormalizeLabel(r.Key) != corev1.LabelInstanceTypeStable || r.Operator != corev1.NodeSelectorOpIn {
			continue
		}
		for _, name := range r.Values {
			if allowed.Has(name) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	if len(names) == 0 {
		return Choice{}, fmt.Errorf("spec.requirements of machine %q have to list the instance types that it may be", machine.Name)
	}
	return Choice{
		CapacityType: capacityType, InstanceTypes: names[:min(len(names), maxInstanceTypes)], zones: requirements.Get(corev1.LabelTopologyZone),
	}, nil
}

// Plan groups candidates, given in the order of the choice, by launch template. Subnets maps a zone -> its subnet. The
// result depends on nothing else, so that a repeated launch repeats its request.
func (c Choice) Plan(candidates []Candidate, subnets map[string]string) ([]Group, error) {
	var groups []Group
	for _, candidate := range candidates {
		var overrides []Override
		for _, zone := range candidate.Zones {
			if subnet, ok := subnets[zone]; ok && c.zones.Has(zone) {
				overrides = append(overrides, Override{InstanceType: candidate.Name, Zone: zone, SubnetID: subnet})
			}
		}
		if len(overrides) == 0 {
			continue
		}
		i := slices.IndexFunc(groups, func(g Group) bool { return g.Boot == candidate.Boot })
		if i < 0 {
			if len(groups) == maxConfigs {
				continue
			}
			groups = append(groups, Group{Boot: candidate.Boot})
			i = len(groups) - 1
		}
		groups[i].Overrides = append(groups[i].Overrides, overrides...)
	}
	if len(groups) == 0 {
		return nil, ErrNoOffering
	}
	return groups, nil
}
