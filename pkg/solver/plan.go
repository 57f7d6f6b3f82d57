package solver

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// Plan is a decision: every pod of the Problem is placed on a node, planned for a machine, or unplaced with a reason.
type Plan struct {
	// Machines to buy, in an order that depends on nothing but the Problem's content.
	Machines []Machine
	// Placements on nodes that are there or on their way.
	Placements []Placement
	// Unplaced pods.
	Unplaced []Unplaced
	// CostPerHour is the sum of the machines' prices, US dollars per hour.
	CostPerHour float64
}

// Machine is a machine to buy.
type Machine struct {
	// Provisioner that buys it.
	Provisioner string
	// Requirements of the instance, those on its type left out: capacity type has one value, zones may be several.
	Requirements scheduling.Requirements
	// InstanceTypes that hold the pods, cheapest first.
	InstanceTypes []string
	// Pods planned for it.
	Pods []*corev1.Pod
	// Requests of the pods and of the DaemonSets that will run there.
	Requests corev1.ResourceList
	// Zone, CapacityType and PricePerHour (US dollars) of the cheapest offering of the first instance type.
	Zone, CapacityType string
	PricePerHour       float64
}

// Placement is a pod on a node.
type Placement struct {
	Pod  *corev1.Pod
	Node string
}

// Unplaced is a pod for which there is no machine to be had.
type Unplaced struct {
	Pod *corev1.Pod
	// Reason names the nearest miss and what to change, in at most 300 characters.
	Reason string
}
