package builders

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// InstanceTypeModifier changes an instance type.
type InstanceTypeModifier func(*cloudprovider.InstanceType)

// InstanceType returns a linux, amd64 instance type without capacity and without offerings.
func InstanceType(name string, modifiers ...InstanceTypeModifier) *cloudprovider.InstanceType {
	t := &cloudprovider.InstanceType{
		Name: name,
		Requirements: scheduling.FromLabels(map[string]string{
			corev1.LabelInstanceTypeStable: name,
			corev1.LabelArchStable:         "amd64",
			corev1.LabelOSStable:           string(corev1.Linux),
		}),
		Capacity: corev1.ResourceList{},
	}
	for _, modify := range modifiers {
		modify(t)
	}
	return t
}

// Capacity sets cpu, memory and how many pods there may be.
func Capacity(cpu, memory string, pods int) InstanceTypeModifier {
	return func(t *cloudprovider.InstanceType) {
		t.Capacity[corev1.ResourceCPU] = resource.MustParse(cpu)
		t.Capacity[corev1.ResourceMemory] = resource.MustParse(memory)
		t.Capacity[corev1.ResourcePods] = *resource.NewQuantity(int64(pods), resource.DecimalSI)
	}
}

// Has sets the capacity of an extended resource.
func Has(name corev1.ResourceName, quantity string) InstanceTypeModifier {
	return func(t *cloudprovider.InstanceType) { t.Capacity[name] = resource.MustParse(quantity) }
}

// Reserved sets what the kubelet keeps.
func Reserved(cpu, memory string) InstanceTypeModifier {
	return func(t *cloudprovider.InstanceType) {
		t.Overhead.KubeReserved = corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory),
		}
	}
}

// TypeLabel sets a label of the nodes of the type; without values they do not have the label.
func TypeLabel(key string, values ...string) InstanceTypeModifier {
	return func(t *cloudprovider.InstanceType) {
		operator := corev1.NodeSelectorOpIn
		if len(values) == 0 {
			operator = corev1.NodeSelectorOpDoesNotExist
		}
		t.Requirements[v1alpha5.NormalizeLabel(key)] = scheduling.NewRequirement(key, operator, values...)
	}
}

// OnDemand offers the type on demand in zones, at a price in US dollars per hour.
func OnDemand(price float64, zones ...string) InstanceTypeModifier {
	return offer(v1alpha5.CapacityTypeOnDemand, price, zones)
}

// Spot offers the type as spot in zones, at a price in US dollars per hour.
func Spot(price float64, zones ...string) InstanceTypeModifier {
	return offer(v1alpha5.CapacityTypeSpot, price, zones)
}

func offer(capacityType string, price float64, zones []string) InstanceTypeModifier {
	return func(t *cloudprovider.InstanceType) {
		for _, zone := range zones {
			t.Offerings = append(t.Offerings, cloudprovider.Offering{Zone: zone, CapacityType: capacityType, Price: price, Available: true})
		}
	}
}

// SoldOut takes the offerings in a zone off the market.
func SoldOut(zone string) InstanceTypeModifier {
	return func(t *cloudprovider.InstanceType) {
		for i := range t.Offerings {
			if t.Offerings[i].Zone == zone {
				t.Offerings[i].Available = false
			}
		}
	}
}

// resourceList returns cpu, memory and pods as a list.
func resourceList(cpu, memory string, pods int) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse(cpu),
		corev1.ResourceMemory: resource.MustParse(memory),
		corev1.ResourcePods:   resource.MustParse(strconv.Itoa(pods)),
	}
}
