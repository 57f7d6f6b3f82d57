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
	// CostPerHour is the sum of the machines' prices and fees, US dollars per hour.
	CostPerHour float64
	// LowerBoundPerHour is what no plan for the pods on these machines can cost less than, US dollars per hour, if pods go to the
	// provisioners that weights send them to: the value of the linear program that buys their requests in fractions of machines.
	LowerBoundPerHour float64
	// CutShort says that the time, or half of it, was over before the plan was done: pods may be unplaced, or machines dearer than
	// need be.
	CutShort bool
}

// Ratio returns how many times the lower bound the plan costs, 1 for a plan that buys nothing.
func (p *Plan) Ratio() float64 {
	if p.LowerBoundPerHour <= 0 {
		return 1
	}
	return p.CostPerHour / p.LowerBoundPerHour
}

// Machine is a machine to buy. Machines that host the same but for the pods' names share requirements, lists and requests, which
// must not be changed.
type Machine struct {
	// Provisioner that buys it.
	Provisioner string
	// Requirements of the instance, those on its type left out: capacity type has one value, zones may be several.
	Requirements scheduling.Requirements
	// InstanceTypes that hold the pods, cheapest first: up to 60, none dearer than Settings.MostDearer times the first or than the
	// same pods cost as another capacity type, unless it is needed for Provisioner.MinValues.
	InstanceTypes []string
	// MinValuesRelaxed says that the instance types have fewer values between them than the provisioner asks for.
	MinValuesRelaxed bool
	// Pods planned for it.
	Pods []*corev1.Pod
	// Requests of the pods and of the DaemonSets that will run there.
	Requests corev1.ResourceList
	// Zone, CapacityType and PricePerHour (US dollars, without Settings.NodeFee) of the cheapest offering of the first instance type.
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
	// Misses say for each provisioner, the heaviest first, why it buys no machine for the pod; empty if no provisioner was asked.
	Misses []Miss
}

// Miss is why one provisioner buys no machine for a pod.
type Miss struct{ Provisioner, Reason string }
