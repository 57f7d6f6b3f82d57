package cloudprovider

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/resources"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// InstanceType is a kind of machine that may be launched. Values are shared and never change after they are made.
type InstanceType struct {
	// Name of the type, e.g. m5.large.
	Name string
	// Requirements are the labels that a node of the type will have: one value where it is settled, several where the
	// offering decides (zone, capacity type), DoesNotExist for known labels that the type lacks.
	Requirements scheduling.Requirements
	// Offerings of the type, in order of zone and capacity type.
	Offerings Offerings
	// Capacity of a node in all.
	Capacity corev1.ResourceList
	// OnRequest are the resources of the capacity that a machine has only if its pods ask for them when it is launched.
	OnRequest []corev1.ResourceName
	// Overhead is the part of the capacity that is not for pods.
	Overhead Overhead
	// Special types (bare metal, accelerators) are for pods that nothing else can host: they boot slowly or hold devices that
	// others wait for, so they are no fallback for pods that did not ask.
	Special bool
}

// InstanceTypes is a list of instance types in order of name.
type InstanceTypes []*InstanceType

// Overhead is what a node keeps from its pods.
type Overhead struct {
	// KubeReserved is for the kubelet and the container runtime.
	KubeReserved corev1.ResourceList
	// SystemReserved is for the operating system.
	SystemReserved corev1.ResourceList
	// EvictionThreshold is what has to stay free lest the kubelet evicts.
	EvictionThreshold corev1.ResourceList
}

// Total returns the sum of the parts.
func (o Overhead) Total() corev1.ResourceList {
	return resources.Sum(o.KubeReserved, o.SystemReserved, o.EvictionThreshold)
}

// Allocatable returns what a node of the type has for pods; never negative.
func (i *InstanceType) Allocatable() corev1.ResourceList {
	overhead := i.Overhead.Total()
	for name := range overhead {
		if _, ok := i.Capacity[name]; !ok {
			delete(overhead, name) // e.g. pid, which is reserved but is no capacity
		}
	}
	return resources.Positive(resources.Sub(i.Capacity, overhead))
}

// Offering is a place and a way in which an instance type can be bought.
type Offering struct {
	// Zone, e.g. us-east-1a.
	Zone string
	// CapacityType is spot or on-demand.
	CapacityType string
	// Price in US dollars per hour.
	Price float64
	// Available is false where the price is unknown or the cloud has lately had no capacity.
	Available bool
	// Trial is how many machines may be on their way there at once that could be nothing else: the cloud lately had no capacity,
	// and has not shown yet that it has again. 0 is no bound.
	Trial int
}

// Offerings is a list of offerings.
type Offerings []Offering

// Compatible returns the available offerings whose zone and capacity type meet the requirements.
func (o Offerings) Compatible(r scheduling.Requirements) Offerings {
	zone, capacityType := r.Get(corev1.LabelTopologyZone), r.Get(v1alpha5.CapacityTypeLabel)
	return slices.DeleteFunc(slices.Clone(o), func(f Offering) bool {
		return !f.Available || !zone.Has(f.Zone) || !capacityType.Has(f.CapacityType)
	})
}

// Cheapest returns the offering with the lowest price; false when there is none. Ties go to the first.
func (o Offerings) Cheapest() (Offering, bool) {
	if len(o) == 0 {
		return Offering{}, false
	}
	return slices.MinFunc(o, func(a, b Offering) int { return cmp.Compare(a.Price, b.Price) }), true
}
