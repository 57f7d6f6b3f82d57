package main

import (
	"fmt"
	"math"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/resources"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
)

// answer is a plan of either side, in the words of one.
type answer struct {
	nodes []plannedNode
	// claimedUSD and claimedBound are what the side says of its plan itself, US dollars per hour; NaN if it says nothing.
	claimedUSD, claimedBound float64
	// refusal is the first reason that a pod is not placed; "" if all are.
	refusal string
}

// plannedNode is a node that is to be bought.
type plannedNode struct {
	provisioner   string
	instanceTypes []string // those that are left for it, in any order
	// requirements on zone and capacity type that are left.
	requirements scheduling.Requirements
	pods         []*corev1.Pod
}

func (a answer) placed() int {
	n := 0
	for _, node := range a.nodes {
		n += len(node.pods)
	}
	return n
}

// invoice is what a plan costs, and what is wrong with it.
type invoice struct {
	usd    float64
	faults []string
}

// shop sells the nodes of a workload's plans.
type shop struct {
	workload workload
	// stock maps provisioner -> instance type name -> instance type.
	stock map[string]map[string]*cloudprovider.InstanceType
	// asked maps the UID of a pod of the workload -> what it requests.
	asked map[types.UID]corev1.ResourceList
}

func newShop(w workload) *shop {
	s := &shop{workload: w, stock: map[string]map[string]*cloudprovider.InstanceType{}, asked: map[types.UID]corev1.ResourceList{}}
	for _, p := range w.provisioners {
		s.stock[p.Name] = map[string]*cloudprovider.InstanceType{}
		for _, it := range p.InstanceTypes {
			s.stock[p.Name][it.Name] = it
		}
	}
	for _, pod := range w.pods {
		s.asked[pod.UID] = pods.Requests(pod)
	}
	return s
}

// bill prices each node of a plan at the cheapest offering that is left for it, and checks that every pod is a pod of the workload,
// placed once, and that the instance type that is paid for holds its pods beside its DaemonSets.
func (s *shop) bill(a answer) invoice {
	out := invoice{}
	seen := map[types.UID]bool{}
	for i, node := range a.nodes {
		it, price := s.cheapest(node)
		if it == nil {
			out.faults = append(out.faults, fmt.Sprintf("node %d cannot be bought: none of %d instance types has an offering left", i, len(node.instanceTypes)))
			continue
		}
		out.usd += price
		load := s.overhead(s.provisioner(node.provisioner), it)
		for _, pod := range node.pods {
			asked, ok := s.asked[pod.UID]
			if !ok || seen[pod.UID] {
				out.faults = append(out.faults, fmt.Sprintf("pod %s is placed twice, or was never asked for", pod.Name))
			}
			seen[pod.UID] = true
			load = resources.Sum(load, asked)
		}
		if short := resources.Exceeding(load, it.Allocatable()); len(short) > 0 {
			out.faults = append(out.faults, fmt.Sprintf("node %d is overfull: a %s does not have the %v", i, it.Name, short))
		}
	}
	return out
}

// cheapest returns the instance type that a node costs least as, and the price; nil if none can be bought.
func (s *shop) cheapest(n plannedNode) (*cloudprovider.InstanceType, float64) {
	var best *cloudprovider.InstanceType
	least := math.Inf(1)
	for _, name := range n.instanceTypes {
		it, ok := s.stock[n.provisioner][name]
		if !ok {
			continue
		}
		if o, ok := it.Offerings.Compatible(n.requirements).Cheapest(); ok && o.Price < least {
			best, least = it, o.Price
		}
	}
	return best, least
}

func (s *shop) provisioner(name string) *solver.Provisioner {
	for i := range s.workload.provisioners {
		if p := &s.workload.provisioners[i]; p.Name == name {
			return p
		}
	}
	return &solver.Provisioner{}
}

// overhead returns what the DaemonSets take of a node: of those that tolerate its taints and accept its labels. The pod slots that
// they take are part of it.
func (s *shop) overhead(p *solver.Provisioner, it *cloudprovider.InstanceType) corev1.ResourceList {
	labels := it.Requirements.Union(p.Requirements)
	out := corev1.ResourceList{}
	for _, daemon := range s.workload.daemons {
		if scheduling.Taints(p.Taints).Tolerated(daemon) != "" {
			continue
		}
		for _, alternative := range scheduling.DaemonRequirements(daemon) {
			if alternative.Conflict(labels) == "" {
				out = resources.Sum(out, pods.Requests(daemon))
				break
			}
		}
	}
	return out
}
