package provisioning

import (
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/resources"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/pkg/state"
)

// node translates a Node, or a Machine on its way, into what the solver may fill.
func node(entry state.Entry, c catalogue, daemonSets []*appsv1.DaemonSet, daemonPods []*corev1.Pod) solver.Node {
	out := solver.Node{Name: entry.Name(), Initialized: entry.Initialized(), Labels: labels(entry), Taints: taints(entry)}
	if entry.Node == nil {
		out.Possible = scheduling.FromNodeSelector(entry.Machine.Spec.Requirements)
		maps.DeleteFunc(out.Possible, func(key string, _ scheduling.Requirement) bool { _, settled := out.Labels[key]; return settled })
	}
	present := map[types.UID]bool{}
	requests := corev1.ResourceList{}
	for _, uid := range slices.Sorted(maps.Keys(entry.Pods)) {
		pod := entry.Pods[uid]
		out.Pods = append(out.Pods, pod)
		requests = resources.Sum(requests, pods.Requests(pod))
		for _, owner := range pod.OwnerReferences {
			present[owner.UID] = true
		}
	}
	for i, daemonSet := range daemonSets {
		if !present[daemonSet.UID] && runsOn(daemonPods[i], out) {
			requests = resources.Sum(requests, pods.Requests(daemonPods[i]))
		}
	}
	out.Available = resources.Sub(allocatable(entry, c), requests)
	return out
}

// labels returns the labels that the node has or is sure to get.
func labels(entry state.Entry) map[string]string {
	out := map[string]string{}
	if entry.Machine != nil {
		maps.Copy(out, entry.Machine.Labels)
		out[corev1.LabelHostname] = entry.Machine.Name
	}
	if entry.Node != nil {
		maps.Copy(out, entry.Node.Labels)
	}
	return out
}

// taints returns the taints that matter to pods. Until a machine is initialized, its startup taints and those that every new
// node has for a moment are left out: pods may count on them to go.
func taints(entry state.Entry) []corev1.Taint {
	if entry.Node == nil {
		return entry.Machine.Spec.Taints
	}
	if entry.Initialized() {
		return entry.Node.Spec.Taints
	}
	return slices.DeleteFunc(slices.Clone(entry.Node.Spec.Taints), func(taint corev1.Taint) bool {
		return scheduling.IsEphemeralTaint(taint) || slices.ContainsFunc(entry.Machine.Spec.StartupTaints, func(startup corev1.Taint) bool {
			return startup.MatchTaint(&taint)
		})
	})
}

// allocatable returns what the node has for pods. Before it is initialized, what it does not report yet is taken from the
// instance type; before there is an instance, it is the least of what the machine can become.
func allocatable(entry state.Entry, c catalogue) corev1.ResourceList {
	expected := corev1.ResourceList{}
	if entry.Machine != nil && !entry.Initialized() {
		expected = entry.Machine.Status.Allocatable
		if len(expected) == 0 {
			expected = least(entry.Machine, c)
		}
	}
	if entry.Node == nil {
		return expected
	}
	out := maps.Clone(expected)
	if out == nil {
		out = corev1.ResourceList{}
	}
	for name, quantity := range entry.Node.Status.Allocatable {
		if old, ok := out[name]; !ok || !quantity.IsZero() || old.IsZero() {
			out[name] = quantity
		}
	}
	return out
}

func least(machine *v1alpha5.Machine, c catalogue) corev1.ResourceList {
	var out corev1.ResourceList
	for _, t := range flexibleTypes(machine, c) {
		allocatable := t.Allocatable()
		if out == nil {
			out = allocatable
			continue
		}
		for name, quantity := range out {
			if other := allocatable[name]; other.Cmp(quantity) < 0 {
				out[name] = other
			}
		}
	}
	if out == nil { // the types are gone from the catalogue: what was planned for it fits for sure
		return machine.Spec.Resources.Requests
	}
	return out
}

// runsOn reports whether a DaemonSet's pod may come to run on the node, whatever becomes of labels that are not settled.
func runsOn(daemonPod *corev1.Pod, node solver.Node) bool {
	if scheduling.Taints(node.Taints).Tolerated(daemonPod) != "" {
		return false
	}
	return slices.ContainsFunc(scheduling.DaemonRequirements(daemonPod), func(r scheduling.Requirements) bool {
		return !slices.ContainsFunc(r.Keys(), func(key string) bool { return excludes(r[key], node) })
	})
}

// excludes reports whether the node is sure not to meet the requirement.
func excludes(r scheduling.Requirement, node solver.Node) bool {
	if value, settled := node.Labels[r.Key()]; settled {
		return !r.Has(value)
	}
	if possible, open := node.Possible[r.Key()]; open {
		return !r.Compatible(possible)
	}
	return !r.AllowsAbsent()
}

func one() *resource.Quantity { return resource.NewQuantity(1, resource.DecimalSI) }
