package judge

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/resources"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
)

// maxReason is how many characters fit into an event.
const maxReason = 300

// keepBooks checks that the plan has every pod once, and names nothing that is not there.
func (j *judge) keepBooks() {
	times := map[types.UID]int{}
	for i := range j.plan.Machines {
		for _, pod := range j.plan.Machines[i].Pods {
			times[pod.UID]++
		}
	}
	nodes := map[string]bool{}
	for _, n := range j.world.Nodes {
		nodes[n.Name()] = !n.Leaving
	}
	for _, p := range j.plan.Placements {
		times[p.Pod.UID]++
		if !nodes[p.Node] {
			j.object(Bookkeeping, p.Pod, "is placed on %s, which does not exist or will not for long", p.Node)
		}
	}
	for _, u := range j.plan.Unplaced {
		times[u.Pod.UID]++
		if u.Reason == "" || len(u.Reason) > maxReason {
			j.object(Bookkeeping, u.Pod, "has a reason of %d characters: %s", len(u.Reason), u.Reason)
		}
	}
	for _, pod := range j.world.Waiting() {
		if times[pod.UID] != 1 {
			j.object(Bookkeeping, pod, "is in the plan %d times", times[pod.UID])
		}
		delete(times, pod.UID)
	}
	for uid := range times {
		j.object(Bookkeeping, nil, "the plan has a pod %s that nobody asked about", uid)
	}
}

// inspectMachines checks that each machine can be bought as each instance type that it lists, and that its provisioner allows
// whatever comes of that.
func (j *judge) inspectMachines() {
	for i := range j.plan.Machines {
		m := &j.plan.Machines[i]
		provisioner, err := j.provisioner(m.Provisioner)
		if err != nil {
			j.object(Machine, nil, "machine %d: %v", i, err)
			continue
		}
		if len(m.Pods) == 0 || len(m.InstanceTypes) == 0 {
			j.object(Machine, nil, "machine %d has %d pods and %d instance types", i, len(m.Pods), len(m.InstanceTypes))
		}
		if _, single := m.Requirements.Get(v1alpha5.CapacityTypeLabel).Single(); !single {
			j.object(Machine, nil, "machine %d has no settled capacity type: %s", i, m.Requirements)
		}
		for _, name := range m.InstanceTypes {
			j.inspectType(i, name, provisioner)
		}
		j.inspectPrice(i)
		j.inspectValues(i, provisioner)
	}
}

// inspectValues checks that a machine has as many different values of a label to choose from as its provisioner asks for, and
// that the plan says so where it has not and need not.
func (j *judge) inspectValues(i int, provisioner solver.Provisioner) {
	m := &j.plan.Machines[i]
	var types []*cloudprovider.InstanceType
	for _, name := range m.InstanceTypes {
		if t, err := j.world.Type(name); err == nil {
			types = append(types, t)
		}
	}
	lacking := lacking(types, provisioner.MinValues)
	switch {
	case lacking != "" && !j.world.BestEffort:
		j.object(Machine, nil, "machine %d of provisioner %s lists too few: %s", i, provisioner.Name, lacking)
	case (lacking != "") != m.MinValuesRelaxed:
		j.object(Machine, nil, "machine %d of provisioner %s is said to list too few: %t, and does: %q", i, provisioner.Name, m.MinValuesRelaxed, lacking)
	}
}

// lacking returns of which label the instance types have fewer different values than asked for, "" if of none.
func lacking(types []*cloudprovider.InstanceType, least map[string]int) string {
	for _, key := range slices.Sorted(maps.Keys(least)) {
		values := map[string]bool{}
		for _, t := range types {
			for _, value := range t.Requirements.Get(key).Values() {
				values[value] = true
			}
		}
		if len(values) < least[key] {
			return fmt.Sprintf("%d values of %s, not %d", len(values), key, least[key])
		}
	}
	return ""
}

func (j *judge) inspectType(i int, name string, provisioner solver.Provisioner) {
	m := &j.plan.Machines[i]
	outcomes, err := j.outcomes(m, name)
	if err != nil {
		j.object(Machine, nil, "machine %d: %v", i, err)
		return
	}
	if len(outcomes) == 0 {
		j.object(Machine, nil, "machine %d lists %s, which is not on offer for %s", i, name, m.Requirements)
	}
	for _, o := range outcomes {
		if why := outside(provisioner.Requirements, o.labels); why != "" {
			j.object(Machine, nil, "machine %d as %s in %s is outside of provisioner %s: %s", i, name, o.zone, provisioner.Name, why)
		}
	}
}

// outside returns why a provisioner does not make nodes of these labels, or "". A label of its own that the provisioner leaves
// open, and of which no pod says what it should be, is not put on the node.
func outside(r scheduling.Requirements, labels map[string]string) string {
	for _, key := range r.Keys() {
		q := r[key]
		if value, there := labels[key]; there && !q.Has(value) || !there && q.Finite() && !q.AllowsAbsent() {
			return q.String()
		}
	}
	return ""
}

func (j *judge) inspectPrice(i int) {
	m := &j.plan.Machines[i]
	if len(m.InstanceTypes) == 0 {
		return
	}
	t, err := j.world.Type(m.InstanceTypes[0])
	if err != nil {
		return // inspectType has said so
	}
	cheapest, _ := t.Offerings.Compatible(m.Requirements).Cheapest()
	if cheapest.Zone != "" && cheapest.Price != m.PricePerHour {
		j.object(Machine, nil, "machine %d is said to cost $%g, the cheapest offering of %s costs $%g", i, m.PricePerHour, t.Name, cheapest.Price)
	}
}

// checkLimits checks that no provisioner exceeds its limits, whatever its machines turn out to be.
func (j *judge) checkLimits() {
	for _, p := range j.problem.Provisioners {
		if !slices.ContainsFunc(j.plan.Machines, func(m solver.Machine) bool { return m.Provisioner == p.Name }) {
			continue // what there is may exceed limits that were lowered since
		}
		for name, left := range j.remaining(p) {
			if left.Sign() < 0 {
				j.object(Limits, nil, "provisioner %s may exceed its limit of %s by %s", p.Name, name, left.String())
			}
		}
	}
}

// remaining returns what the plan leaves of a provisioner's limits if every machine becomes the largest that it may.
func (j *judge) remaining(p solver.Provisioner) corev1.ResourceList {
	out := p.Remaining.DeepCopy()
	for i := range j.plan.Machines {
		m := &j.plan.Machines[i]
		if m.Provisioner != p.Name {
			continue
		}
		most := corev1.ResourceList{}
		for _, name := range m.InstanceTypes {
			if t, err := j.world.Type(name); err == nil {
				most = resources.Max(most, t.Capacity)
			}
		}
		charge(out, most)
	}
	return out
}

// charge takes a machine of this capacity from what limits leave.
func charge(left, capacity corev1.ResourceList) {
	for name, quantity := range left {
		if name == v1alpha5.ResourceNodes {
			quantity.Sub(*resource.NewQuantity(1, resource.DecimalSI))
		} else {
			quantity.Sub(capacity[name])
		}
		left[name] = quantity
	}
}

// provisioner returns the provisioner of that name as kerf is told of it.
func (j *judge) provisioner(name string) (solver.Provisioner, error) {
	i := slices.IndexFunc(j.problem.Provisioners, func(p solver.Provisioner) bool { return p.Name == name })
	if i < 0 {
		return solver.Provisioner{}, fmt.Errorf("there is no provisioner %q", name)
	}
	return j.problem.Provisioners[i], nil
}
