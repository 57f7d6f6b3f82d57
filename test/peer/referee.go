package main

import (
	"fmt"
	"maps"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/resources"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
)

// invoice is what a plan costs, and what is wrong with it.
type invoice struct {
	usd float64 // per hour; NaN if anything is wrong: a plan that cannot be carried out has no price
	// faults name what cannot be, and the pod that it is about.
	faults []string
}

func (i invoice) String() string {
	if len(i.faults) > 0 {
		return fmt.Sprintf("NOT A PLAN, %d faults", len(i.faults))
	}
	return fmt.Sprintf("$%.2f/h", i.usd)
}

// referee judges the plans of both sides for a workload by what Kubernetes would make of them. What pods ask is read by the
// scheduler's own libraries or here, never by kerf's engine, and always from the pods of the workload: a side may have changed the
// copies in its plan.
type referee struct {
	workload     workload
	provisioners map[string]*solver.Provisioner
	// stock maps provisioner -> instance type name -> instance type.
	stock map[string]map[string]*cloudprovider.InstanceType
	// typed are the labels that instance types decide: a type that does not have one of them has nodes without it. All others are
	// what the provisioner and the plan say.
	typed map[string]bool
	// demands maps the UID of a pod of the workload -> what it asks of a node.
	demands map[types.UID]demand
	daemons []demand
}

func newReferee(w workload) *referee {
	r := &referee{
		workload: w, provisioners: map[string]*solver.Provisioner{}, stock: map[string]map[string]*cloudprovider.InstanceType{},
		typed:   map[string]bool{corev1.LabelTopologyZone: true, v1alpha5.CapacityTypeLabel: true},
		demands: map[types.UID]demand{},
	}
	for i := range w.provisioners {
		p := &w.provisioners[i]
		r.provisioners[p.Name], r.stock[p.Name] = p, map[string]*cloudprovider.InstanceType{}
		for _, it := range p.InstanceTypes {
			r.stock[p.Name][it.Name] = it
		}
	}
	for _, key := range labelsOf(w.provisioners) {
		r.typed[key] = true
	}
	for _, pod := range w.pods {
		r.demands[pod.UID] = demandOf(pod)
	}
	for _, daemon := range w.daemons {
		r.daemons = append(r.daemons, demandOf(daemon))
	}
	return r
}

// bill prices a plan, or says what is wrong with it.
//
// A node whose instance type, zone or capacity type is still open is bought as the cheapest offering that meets its requirements, as
// the cloud would; of offerings at one price, as the first of the first instance type by name. It has to hold its pods as that, and
// its rules over zones and hosts are held to where it then is. Lest it be cheap by a type that would not do, it has to hold its pods as
// each of the other types left for it, too.
func (r *referee) bill(a answer) invoice {
	out := invoice{faults: r.roll(a)}
	var sites []*site
	for i, planned := range a.nodes {
		bought, faults := r.buy(fmt.Sprintf("node %d", i), planned)
		out.faults = append(out.faults, faults...)
		if bought != nil {
			sites = append(sites, bought)
			out.usd += bought.offering.Price
		}
	}
	out.faults = slices.Concat(out.faults, r.overspent(sites), companyFaults(sites), spreadFaults(sites))
	if len(out.faults) > 0 {
		out.usd = math.NaN()
	}
	return out
}

// roll calls all pods: each has to be placed once, or to be refused.
func (r *referee) roll(a answer) []string {
	var faults []string
	seen := map[types.UID]string{}
	call := func(pod *corev1.Pod, where string) {
		before, again := seen[pod.UID]
		if _, asked := r.demands[pod.UID]; !asked {
			faults = append(faults, fmt.Sprintf("pod %s, %s, was never asked for", pod.Name, where))
		} else if again {
			faults = append(faults, fmt.Sprintf("pod %s is there twice, %s and %s", pod.Name, before, where))
		}
		seen[pod.UID] = where
	}
	for i, node := range a.nodes {
		for _, pod := range node.pods {
			call(pod, fmt.Sprintf("on node %d", i))
		}
	}
	for _, pod := range a.unplaced {
		call(pod, "unplaced")
	}
	for _, pod := range r.workload.pods {
		if _, ok := seen[pod.UID]; !ok {
			faults = append(faults, fmt.Sprintf("pod %s is forgotten, neither placed nor unplaced", pod.Name))
		}
	}
	return faults
}

// overspent names the limits of provisioners that the nodes exceed.
func (r *referee) overspent(sites []*site) []string {
	spent := map[string]corev1.ResourceList{}
	for _, s := range sites {
		spent[s.provisioner.Name] = resources.Sum(spent[s.provisioner.Name], s.instanceType.Capacity)
	}
	var faults []string
	for _, name := range slices.Sorted(maps.Keys(spent)) {
		limits := r.provisioners[name].Remaining
		for _, resource := range slices.Sorted(maps.Keys(limits)) {
			used, limit := spent[name][resource], limits[resource]
			if used.Cmp(limit) > 0 {
				faults = append(faults, fmt.Sprintf("provisioner %s has %s of %s left, its nodes have %s", name, &limit, resource, &used))
			}
		}
	}
	return faults
}
