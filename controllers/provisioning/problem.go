package provisioning

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/admission"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/resources"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/pkg/state"
)

// catalogue is what the provisioners of a pass may buy, and why others may buy nothing.
type catalogue struct {
	// provisioners maps name -> Provisioner with its defaults applied.
	provisioners map[string]*v1alpha5.Provisioner
	// types maps provisioner -> instance type name -> instance type.
	types map[string]map[string]*cloudprovider.InstanceType
	// lists maps provisioner -> its instance types in order of name.
	lists map[string]cloudprovider.InstanceTypes
	// hashes maps provisioner -> what its machines are annotated with, to tell later whether they are out of date.
	hashes map[string]map[string]string
	// leftOut says, in order of name, which provisioners can buy nothing and why.
	leftOut []string
}

func gatherCatalogue(ctx context.Context, reader client.Reader, provider cloudprovider.Provider) (catalogue, error) {
	var list v1alpha5.ProvisionerList
	if err := reader.List(ctx, &list); err != nil {
		return catalogue{}, fmt.Errorf("listing provisioners: %w", err)
	}
	slices.SortFunc(list.Items, func(a, b v1alpha5.Provisioner) int { return cmp.Compare(a.Name, b.Name) })
	c := catalogue{
		provisioners: map[string]*v1alpha5.Provisioner{},
		types:        map[string]map[string]*cloudprovider.InstanceType{},
		lists:        map[string]cloudprovider.InstanceTypes{},
		hashes:       map[string]map[string]string{},
	}
	for i := range list.Items {
		provisioner := list.Items[i].DeepCopy()
		if !provisioner.DeletionTimestamp.IsZero() {
			continue
		}
		admission.Default(provisioner)
		if err := admission.Provisioner(provisioner).Errors.ToAggregate(); err != nil {
			c.leftOut = append(c.leftOut, fmt.Sprintf("provisioner %s is left out: its spec is invalid: %s", provisioner.Name, err))
			continue
		}
		instanceTypes, err := provider.InstanceTypes(ctx, provisioner)
		if err != nil {
			c.leftOut = append(c.leftOut, fmt.Sprintf("provisioner %s is left out: %s", provisioner.Name, err))
			continue
		}
		if c.hashes[provisioner.Name], err = hashAnnotations(ctx, reader, provisioner); err != nil {
			return catalogue{}, err
		}
		c.provisioners[provisioner.Name] = provisioner
		c.lists[provisioner.Name] = instanceTypes
		byName := make(map[string]*cloudprovider.InstanceType, len(instanceTypes))
		for _, t := range instanceTypes {
			byName[t.Name] = t
		}
		c.types[provisioner.Name] = byName
	}
	return c, nil
}

// buildProblem turns what is known into what the solver needs.
func buildProblem(snapshot state.Snapshot, c catalogue) solver.Problem {
	problem := solver.Problem{}
	for _, daemonSet := range snapshot.DaemonSets {
		problem.DaemonSets = append(problem.DaemonSets, daemonPod(daemonSet))
	}
	for _, pod := range snapshot.Pending {
		if pods.IsProvisionable(pod) {
			problem.Pods = append(problem.Pods, pod)
		}
	}
	used := map[string]corev1.ResourceList{}
	for _, entry := range snapshot.Entries {
		// Machines on their way out do not count: what replaces them has to fit into the limits, or their pods could never leave.
		if entry.Machine != nil && entry.Machine.DeletionTimestamp.IsZero() {
			name := entry.Machine.ProvisionerName()
			used[name] = resources.Sum(used[name], launched(entry.Machine, c))
		}
		if entry.Deleting() {
			problem.Pods = append(problem.Pods, displaced(entry)...)
			continue
		}
		if entry.Vanished() {
			continue
		}
		problem.Nodes = append(problem.Nodes, node(entry, c, snapshot.DaemonSets, problem.DaemonSets))
	}
	for _, name := range slices.Sorted(maps.Keys(c.provisioners)) {
		problem.Provisioners = append(problem.Provisioners, provisioner(c.provisioners[name], c.lists[name], used[name]))
	}
	return problem
}

// displaced returns the pods that will look for a new place when a node goes, in order of UID.
func displaced(entry state.Entry) []*corev1.Pod {
	out := slices.DeleteFunc(slices.Collect(maps.Values(entry.Pods)), func(pod *corev1.Pod) bool {
		return !pods.IsReschedulable(pod) || pods.IsTerminating(pod)
	})
	slices.SortFunc(out, func(a, b *corev1.Pod) int { return cmp.Compare(a.UID, b.UID) })
	return out
}

// provisioner translates a Provisioner; used is what its machines have launched so far.
func provisioner(p *v1alpha5.Provisioner, instanceTypes cloudprovider.InstanceTypes, used corev1.ResourceList) solver.Provisioner {
	requirements := scheduling.FromNodeSelector(v1alpha5.NodeSelectorRequirements(p.Spec.Requirements)).
		Union(scheduling.FromLabels(p.Spec.Labels)).
		Union(scheduling.FromLabels(map[string]string{v1alpha5.ProvisionerNameLabel: p.Name}))
	out := solver.Provisioner{
		Name: p.Name, Weight: p.Weight(), Requirements: requirements, Taints: v1alpha5.NodeTaints(p.Spec.Taints), InstanceTypes: instanceTypes,
	}
	if p.Spec.Limits != nil {
		out.Remaining = corev1.ResourceList{}
		for name, limit := range p.Spec.Limits.Resources {
			limit.Sub(used[name])
			out.Remaining[name] = limit
		}
	}
	return out
}

// launched returns what a Machine counts against its provisioner's limits until it is gone: its capacity or, before it has an
// instance, the most that it can become, and never less than what it was planned to hold.
func launched(machine *v1alpha5.Machine, c catalogue) corev1.ResourceList {
	capacity := machine.Status.Capacity
	if len(capacity) == 0 {
		capacity = machine.Spec.Resources.Requests
		for _, t := range flexibleTypes(machine, c) {
			capacity = resources.Max(capacity, t.Capacity)
		}
	}
	return resources.Sum(capacity, corev1.ResourceList{v1alpha5.ResourceNodes: *one()})
}

// flexibleTypes returns the instance types that a Machine may become.
func flexibleTypes(machine *v1alpha5.Machine, c catalogue) []*cloudprovider.InstanceType {
	var out []*cloudprovider.InstanceType
	byName := c.types[machine.ProvisionerName()]
	for _, requirement := range machine.Spec.Requirements {
		if requirement.Key != corev1.LabelInstanceTypeStable {
			continue
		}
		for _, name := range requirement.Values {
			if t := byName[name]; t != nil {
				out = append(out, t)
			}
		}
	}
	return out
}

// daemonPod returns the pod that a DaemonSet would run on a new node.
func daemonPod(daemonSet *appsv1.DaemonSet) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: daemonSet.Spec.Template.ObjectMeta, Spec: daemonSet.Spec.Template.Spec}
	pod.Name, pod.Namespace, pod.UID = daemonSet.Name, daemonSet.Namespace, daemonSet.UID
	return pod
}
