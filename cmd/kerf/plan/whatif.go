package plan

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
)

// variation is a problem with one thing different.
type variation struct {
	what    string
	problem solver.Problem
}

// worthSaying is the part of the cost from which on a saving is told.
const worthSaying = 0.005

// changes solves the problem anew for all that somebody could change about the pods, and returns what would come out different.
func (q *inquiry) changes(ctx context.Context, plan *solver.Plan, asked []*corev1.Pod) []Change {
	own := map[types.UID]bool{}
	for _, pod := range asked {
		own[pod.UID] = true
	}
	before := unplacedOf(plan, own)
	out := []Change{}
	buyers := buyersOf(plan, own)
	for _, v := range slices.Concat(q.podVariations(own, asked[0]), q.provisionerVariations(asked[0], func(name string) bool {
		return before > 0 || buyers[name] // others have nothing to do with these pods
	})) {
		then := solver.Solve(ctx, v.problem)
		if ctx.Err() != nil || then.CutShort {
			break // what is cut short says nothing
		}
		c := Change{
			If: v.what, Unplaced: unplacedOf(&then, own), CostPerHour: dollars(then.CostPerHour), Cheaper: dollars(plan.CostPerHour - then.CostPerHour),
		}
		if c.Unplaced < before || before == 0 && c.Unplaced == 0 && c.Cheaper > worthSaying*plan.CostPerHour {
			out = append(out, c)
		}
	}
	slices.SortStableFunc(out, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.Unplaced, b.Unplaced), cmp.Compare(b.Cheaper, a.Cheaper))
	})
	return out
}

func unplacedOf(plan *solver.Plan, own map[types.UID]bool) int {
	n := 0
	for i := range plan.Unplaced {
		if own[plan.Unplaced[i].Pod.UID] {
			n++
		}
	}
	return n
}

// buyersOf returns the provisioners that buy machines for the pods.
func buyersOf(plan *solver.Plan, own map[types.UID]bool) map[string]bool {
	out := map[string]bool{}
	for i := range plan.Machines {
		if slices.ContainsFunc(plan.Machines[i].Pods, func(pod *corev1.Pod) bool { return own[pod.UID] }) {
			out[plan.Machines[i].Provisioner] = true
		}
	}
	return out
}

// with returns the problem with the asked pods changed.
func (q *inquiry) with(own map[types.UID]bool, change func(*corev1.Pod)) solver.Problem {
	out := q.problem
	out.Pods = make([]*corev1.Pod, 0, len(q.problem.Pods))
	for _, pod := range q.problem.Pods {
		if own[pod.UID] {
			pod = pod.DeepCopy()
			change(pod)
		}
		out.Pods = append(out.Pods, pod)
	}
	return out
}

// podVariations change one thing about the pods, of which sample is one.
func (q *inquiry) podVariations(own map[types.UID]bool, sample *corev1.Pod) []variation {
	var out []variation
	add := func(what string, change func(*corev1.Pod)) { out = append(out, variation{what, q.with(own, change)}) }
	for _, key := range slices.Sorted(maps.Keys(sample.Spec.NodeSelector)) {
		add(fmt.Sprintf("without its node selector %s=%s", key, sample.Spec.NodeSelector[key]), func(p *corev1.Pod) { delete(p.Spec.NodeSelector, key) })
	}
	for _, c := range constraints() {
		if len(c.list(sample)) > 0 {
			add(c.without, c.drop)
		}
	}
	for _, taint := range q.taints(sample) {
		add(fmt.Sprintf("with a toleration of %s", taint.ToString()), func(p *corev1.Pod) {
			p.Spec.Tolerations = append(p.Spec.Tolerations, corev1.Toleration{
				Key: taint.Key, Operator: corev1.TolerationOpEqual, Value: taint.Value, Effect: taint.Effect,
			})
		})
	}
	if demand := q.problem.Volumes[sample.UID]; demand.Trouble != "" || len(demand.Topologies) > 0 {
		free := q.problem
		free.Volumes = maps.Clone(q.problem.Volumes)
		maps.DeleteFunc(free.Volumes, func(uid types.UID, _ solver.Volumes) bool { return own[uid] })
		out = append(out, variation{"with volumes that are reached from everywhere", free})
	}
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		add(fmt.Sprintf("with half its request of %s", name), func(p *corev1.Pod) { halve(p, name) })
	}
	return out
}

// taints returns the taints of provisioners that the pod does not tolerate, each once.
func (q *inquiry) taints(pod *corev1.Pod) []corev1.Taint {
	var out []corev1.Taint
	for _, p := range q.problem.Provisioners {
		for _, taint := range p.Taints {
			known := slices.ContainsFunc(out, func(t corev1.Taint) bool { return t.MatchTaint(&taint) && t.Value == taint.Value })
			if !known && scheduling.Taints([]corev1.Taint{taint}).Tolerated(pod) != "" {
				out = append(out, taint)
			}
		}
	}
	return out
}

// halve halves what containers ask for of a resource.
func halve(pod *corev1.Pod, name corev1.ResourceName) {
	for _, list := range [][]corev1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
		for i := range list {
			r := &list[i].Resources
			request, ok := r.Requests[name]
			if !ok {
				if request, ok = r.Limits[name]; !ok {
					continue
				}
			}
			if r.Requests == nil {
				r.Requests = corev1.ResourceList{}
			}
			if name == corev1.ResourceCPU {
				request.SetMilli(request.MilliValue() / 2)
			} else {
				request.Set(request.Value() / 2)
			}
			r.Requests[name] = request
		}
	}
}

// provisionerVariations change one thing about a provisioner that is concerned.
func (q *inquiry) provisionerVariations(sample *corev1.Pod, concerned func(string) bool) []variation {
	var out []variation
	for i := range q.problem.Provisioners {
		p := &q.problem.Provisioners[i]
		if !concerned(p.Name) {
			continue
		}
		add := func(what string, change func(*solver.Provisioner)) {
			changed := *p
			changed.Requirements = maps.Clone(p.Requirements)
			change(&changed)
			then := q.problem
			then.Provisioners = slices.Clone(q.problem.Provisioners)
			then.Provisioners[i] = changed
			out = append(out, variation{what, then})
		}
		if len(p.Remaining) > 0 {
			add(fmt.Sprintf("without the limits of provisioner %s", p.Name), func(p *solver.Provisioner) { p.Remaining = nil })
		}
		for _, capacityType := range []string{v1alpha5.CapacityTypeSpot, v1alpha5.CapacityTypeOnDemand} {
			if !p.Requirements.Get(v1alpha5.CapacityTypeLabel).Has(capacityType) && offers(p.InstanceTypes, capacityType) {
				add(fmt.Sprintf("with %s allowed in provisioner %s", capacityType, p.Name), func(p *solver.Provisioner) {
					delete(p.Requirements, v1alpha5.CapacityTypeLabel)
				})
			}
		}
		for _, key := range p.Requirements.Keys() {
			if key == v1alpha5.CapacityTypeLabel || key == v1alpha5.ProvisionerNameLabel || sample.Spec.NodeSelector[key] != "" && p.Requirements[key].Has(sample.Spec.NodeSelector[key]) {
				continue
			}
			if _, settled := p.Requirements[key].Single(); settled && !known(p.InstanceTypes, key) {
				continue // a label that the provisioner gives: without it, nothing has it
			}
			add(fmt.Sprintf("without the requirement %s of provisioner %s", p.Requirements[key], p.Name), func(p *solver.Provisioner) {
				delete(p.Requirements, key)
			})
		}
	}
	return out
}

// offers reports whether any instance type can be bought so.
func offers(list cloudprovider.InstanceTypes, capacityType string) bool {
	return slices.ContainsFunc(list, func(t *cloudprovider.InstanceType) bool {
		return slices.ContainsFunc(t.Offerings, func(o cloudprovider.Offering) bool { return o.CapacityType == capacityType && o.Available })
	})
}

// known reports whether instance types differ in the label.
func known(list cloudprovider.InstanceTypes, key string) bool {
	return len(list) > 0 && list[0].Requirements.Has(key)
}
