package cloudprovider

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// Lack says that what a machine may become has fewer values of a label between them than the machine asks for.
type Lack struct {
	Label      string
	Have, Want int
}

func (l Lack) String() string {
	return fmt.Sprintf("what is still on offer of its instance types has %d values of %s, minValues asks for %d", l.Have, l.Label, l.Want)
}

// Lack returns the first label, in order, of which the offerings that are open to a Machine have too few values between them;
// false if there is none. What is not available does not count.
func (i InstanceTypes) Lack(machine *v1alpha5.Machine) (Lack, bool) {
	if len(machine.Spec.MinValues) == 0 {
		return Lack{}, false
	}
	requirements := scheduling.FromNodeSelector(machine.Spec.Requirements)
	names := requirements.Get(corev1.LabelInstanceTypeStable)
	values := map[string]sets.Set[string]{}
	for label := range machine.Spec.MinValues {
		values[label] = sets.New[string]()
	}
	for _, t := range i {
		if !names.Has(t.Name) {
			continue
		}
		for _, offering := range t.Offerings.Compatible(requirements) {
			for label, seen := range values {
				if value, ok := t.value(label, offering, machine.Labels); ok {
					seen.Insert(value)
				}
			}
		}
	}
	for _, label := range slices.Sorted(maps.Keys(values)) {
		if have, want := len(values[label]), int(machine.Spec.MinValues[label]); have < want {
			return Lack{Label: label, Have: have, Want: want}, true
		}
	}
	return Lack{}, false
}

// Missing returns why no machine of an instance type that meets the requirements could be bought, whatever there is of it at the
// moment; "" where one could. Of the requirements those on zone and capacity type count.
func (i InstanceTypes) Missing(name string, requirements scheduling.Requirements) string {
	at, there := slices.BinarySearchFunc(i, name, func(t *InstanceType, name string) int { return cmp.Compare(t.Name, name) })
	if !there {
		return name + " is not on offer"
	}
	zone, capacityType := requirements.Get(corev1.LabelTopologyZone), requirements.Get(v1alpha5.CapacityTypeLabel)
	if slices.ContainsFunc(i[at].Offerings, func(o Offering) bool { return zone.Has(o.Zone) && capacityType.Has(o.CapacityType) }) {
		return ""
	}
	return fmt.Sprintf("%s is not on offer where %s and %s", name, zone, capacityType)
}

// value returns what a label is on a machine of the type that is bought as the offering. What neither decides, the labels of the
// Machine do.
func (i *InstanceType) value(label string, offering Offering, labels map[string]string) (string, bool) {
	switch label {
	case corev1.LabelTopologyZone:
		return offering.Zone, true
	case v1alpha5.CapacityTypeLabel:
		return offering.CapacityType, true
	}
	if value, ok := i.Requirements.Get(label).Single(); ok {
		return value, true
	}
	value, ok := labels[label]
	return value, ok
}
