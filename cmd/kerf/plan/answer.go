package plan

import (
	"cmp"
	"maps"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/manifests"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/pkg/workload"
)

// Answer is what the command says. Its JSON is documented in docs/reference/plan.md; fields are added to it, never changed.
type Answer struct {
	// Machines to buy, one each.
	Machines []Machine `json:"machines"`
	// CostPerHour is what the machines cost in all, US dollars, fees of nodes included.
	CostPerHour float64 `json:"costPerHour"`
	// LowerBoundPerHour is what no plan can cost less than, US dollars.
	LowerBoundPerHour float64 `json:"lowerBoundPerHour"`
	// Ratio is how many times the lower bound the plan costs.
	Ratio float64 `json:"ratio"`
	// Provisioners that buy machines, in order of name.
	Provisioners []Share `json:"provisioners"`
	// Placements of pods on nodes that are there or on their way.
	Placements []Placement `json:"placements"`
	// Unplaced pods.
	Unplaced []Unplaced `json:"unplaced"`
	// CutShort is true where the time was over before the plan was done.
	CutShort bool `json:"cutShort"`
	// Notes say what was taken for granted, and what was left out.
	Notes []string `json:"notes"`
	// Explanations are of the pods that are asked for.
	Explanations []Explanation `json:"explanations,omitempty"`
}

// Machine is a machine to buy.
type Machine struct {
	Provisioner string `json:"provisioner"`
	// InstanceType, Zone and CapacityType of the cheapest offering.
	InstanceType string `json:"instanceType"`
	Zone         string `json:"zone"`
	CapacityType string `json:"capacityType"`
	// PricePerHour of that offering; CostPerHour adds the fee of a node.
	PricePerHour float64 `json:"pricePerHour"`
	CostPerHour  float64 `json:"costPerHour"`
	// Pods as namespace/name.
	Pods []string `json:"pods"`
	// Requests of the pods and of DaemonSets, and what the node has for them.
	Requests    corev1.ResourceList `json:"requests"`
	Allocatable corev1.ResourceList `json:"allocatable"`
	// CPUFilled and MemoryFilled are the parts that the requests take, from 0 to 1.
	CPUFilled    float64 `json:"cpuFilled"`
	MemoryFilled float64 `json:"memoryFilled"`
	// InstanceTypes that hold the pods, cheapest first, and zones that they may be in.
	InstanceTypes []string `json:"instanceTypes"`
	Zones         []string `json:"zones"`
	// MinValuesRelaxed is true where there is less to choose from than the provisioner's minValues ask for.
	MinValuesRelaxed bool `json:"minValuesRelaxed,omitempty"`

	// workloads count the pods by what they belong to, in order.
	workloads []tally
}

// tally counts pods of one workload.
type tally struct {
	ref   workload.Ref
	count int
}

// Share is what one provisioner buys.
type Share struct {
	Name        string  `json:"name"`
	Machines    int     `json:"machines"`
	CostPerHour float64 `json:"costPerHour"`
}

// Placement is a pod on a node.
type Placement struct {
	Pod  string `json:"pod"`
	Node string `json:"node"`
}

// Unplaced is a pod for which there is no machine to be had.
type Unplaced struct {
	Pod string `json:"pod"`
	// Workload that the pod belongs to, e.g. "Deployment default/web".
	Workload string `json:"workload"`
	// Reason names the nearest miss and what to change.
	Reason string `json:"reason"`
	// Misses say for each provisioner why it buys no machine for the pod.
	Misses []Miss `json:"misses"`
}

// Miss is why a provisioner buys no machine for a pod.
type Miss struct {
	Provisioner string `json:"provisioner"`
	Reason      string `json:"reason"`
}

// newAnswer translates a plan. Everything is in the order of the plan, which depends on the problem's content alone.
func newAnswer(p *solver.Plan, offers problem.Offers, fee float64) Answer {
	out := Answer{
		Machines: []Machine{}, CostPerHour: dollars(p.CostPerHour), LowerBoundPerHour: dollars(p.LowerBoundPerHour), Ratio: dollars(p.Ratio()),
		Provisioners: []Share{}, Placements: []Placement{}, Unplaced: []Unplaced{}, CutShort: p.CutShort, Notes: []string{},
	}
	shares := map[string]*Share{}
	for i := range p.Machines {
		m := newMachine(&p.Machines[i], offers, fee)
		out.Machines = append(out.Machines, m)
		share, ok := shares[m.Provisioner]
		if !ok {
			share = &Share{Name: m.Provisioner}
			shares[m.Provisioner] = share
		}
		share.Machines++
		share.CostPerHour += m.CostPerHour
	}
	for _, name := range slices.Sorted(maps.Keys(shares)) {
		shares[name].CostPerHour = dollars(shares[name].CostPerHour)
		out.Provisioners = append(out.Provisioners, *shares[name])
	}
	for _, placed := range p.Placements {
		out.Placements = append(out.Placements, Placement{Pod: manifests.Key(placed.Pod), Node: placed.Node})
	}
	slices.SortFunc(out.Placements, func(a, b Placement) int { return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Pod, b.Pod)) })
	for _, u := range p.Unplaced {
		missing := Unplaced{Pod: manifests.Key(u.Pod), Workload: workload.Of(u.Pod).String(), Reason: u.Reason, Misses: []Miss{}}
		for _, miss := range u.Misses {
			missing.Misses = append(missing.Misses, Miss(miss))
		}
		out.Unplaced = append(out.Unplaced, missing)
	}
	return out
}

func newMachine(m *solver.Machine, offers problem.Offers, fee float64) Machine {
	out := Machine{
		Provisioner: m.Provisioner, Zone: m.Zone, CapacityType: m.CapacityType,
		PricePerHour: dollars(m.PricePerHour), CostPerHour: dollars(m.PricePerHour + fee),
		Requests: m.Requests, InstanceTypes: m.InstanceTypes, Zones: m.Requirements.Get(corev1.LabelTopologyZone).Values(), Pods: []string{},
		MinValuesRelaxed: m.MinValuesRelaxed, workloads: tallies(m.Pods),
	}
	for _, pod := range m.Pods {
		out.Pods = append(out.Pods, manifests.Key(pod))
	}
	slices.Sort(out.Pods)
	if len(m.InstanceTypes) == 0 {
		return out
	}
	out.InstanceType = m.InstanceTypes[0]
	if t := typeNamed(offers[m.Provisioner].InstanceTypes, out.InstanceType); t != nil {
		out.Allocatable = t.Allocatable()
		out.CPUFilled, out.MemoryFilled = filled(m.Requests, out.Allocatable, corev1.ResourceCPU), filled(m.Requests, out.Allocatable, corev1.ResourceMemory)
	}
	return out
}

func typeNamed(list cloudprovider.InstanceTypes, name string) *cloudprovider.InstanceType {
	i, ok := slices.BinarySearchFunc(list, name, func(t *cloudprovider.InstanceType, name string) int { return cmp.Compare(t.Name, name) })
	if !ok {
		return nil
	}
	return list[i]
}

// priceOf returns what an instance type costs in the cheapest place that requirements leave.
func priceOf(t *cloudprovider.InstanceType, r scheduling.Requirements) (float64, bool) {
	offering, ok := t.Offerings.Compatible(r).Cheapest()
	return offering.Price, ok
}

// filled returns the part of a resource that requests take, to a thousandth.
func filled(requests, allocatable corev1.ResourceList, name corev1.ResourceName) float64 {
	asked, all := requests[name], allocatable[name]
	if all.Sign() <= 0 {
		return 0
	}
	return math.Round(asked.AsApproximateFloat64()/all.AsApproximateFloat64()*1000) / 1000
}

// tallies counts pods by workload, in order of workload.
func tallies(list []*corev1.Pod) []tally {
	counts := map[workload.Ref]int{}
	for _, pod := range list {
		counts[workload.Of(pod)]++
	}
	out := make([]tally, 0, len(counts))
	for ref, n := range counts {
		out = append(out, tally{ref, n})
	}
	slices.SortFunc(out, func(a, b tally) int {
		return cmp.Or(cmp.Compare(a.ref.Namespace, b.ref.Namespace), cmp.Compare(a.ref.Name, b.ref.Name), cmp.Compare(a.ref.Kind, b.ref.Kind))
	})
	return out
}

// dollars rounds away what sums of binary fractions leave behind.
func dollars(amount float64) float64 { return math.Round(amount*1e6) / 1e6 }
