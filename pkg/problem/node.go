package problem

import (
	"cmp"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/resources"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/pkg/state"
)

// node translates a Node, or a Machine on its way, into what the solver may fill.
func (s *survey) node(entry state.Entry) solver.Node {
	out := solver.Node{Name: entry.Name(), Initialized: entry.Initialized(), Labels: labels(entry), Taints: taints(entry)}
	if entry.Node == nil {
		out.Possible = s.Offers.open(entry.Machine)
		for key, value := range out.Possible.Labels() {
			if _, settled := out.Labels[key]; !settled && !out.Possible[key].AllowsAbsent() {
				out.Labels[key] = value
			}
		}
		maps.DeleteFunc(out.Possible, func(key string, r scheduling.Requirement) bool {
			_, settled := out.Labels[key]
			return settled || r.Finite() && r.AllowsAbsent() && len(r.Values()) == 0
		})
	}
	out.Pods, out.Yielding = s.podsOn(entry)
	present := map[types.UID]bool{} // UID of a DaemonSet that has its pod there
	requests := corev1.ResourceList{}
	for _, pod := range out.Pods {
		resources.Add(requests, pods.Requests(pod))
		if owner := metav1.GetControllerOfNoCopy(pod); owner != nil {
			present[owner.UID] = true
		}
	}
	for _, pod := range s.daemonPods {
		if !present[pod.UID] && runsOn(pod, &out) {
			out.Pods = append(out.Pods, pod) // it takes its host ports as well
			resources.Add(requests, pods.Requests(pod))
		}
	}
	out.Available = resources.Sub(s.allocatable(entry), requests)
	if entry.Node != nil {
		out.Attachable = s.storage.Attachable(entry.Node.Name, out.Pods)
	}
	return out
}

// podsOn returns the pods that hold room on a node, in order of UID: those that are there, and those that the scheduler has nominated
// the node for. Expendable ones that give way come apart.
func (s *survey) podsOn(entry state.Entry) (there, yielding []*corev1.Pod) {
	there = make([]*corev1.Pod, 0, len(entry.Pods))
	for _, pod := range entry.Pods {
		if s.yield && s.expendable(pod) && pods.IsReschedulable(pod) {
			yielding = append(yielding, pod)
		} else {
			there = append(there, pod)
		}
	}
	if entry.Node != nil {
		there = append(there, s.nominated[entry.Node.Name]...)
	}
	byUID := func(a, b *corev1.Pod) int { return cmp.Compare(a.UID, b.UID) }
	slices.SortFunc(there, byUID)
	slices.SortFunc(yielding, byUID)
	return there, yielding
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
// node has for a moment are left out: pods may count on them to go. That a node is best left to empty is for the scheduler alone: what it
// has room for is not bought anew.
func taints(entry state.Entry) []corev1.Taint {
	if entry.Node == nil {
		return entry.Machine.Spec.Taints
	}
	candidate := v1alpha5.ConsolidationCandidateTaint()
	return slices.DeleteFunc(slices.Clone(entry.Node.Spec.Taints), func(taint corev1.Taint) bool {
		if taint.MatchTaint(&candidate) {
			return true
		}
		return !entry.Initialized() && (scheduling.IsEphemeralTaint(taint) || slices.ContainsFunc(entry.Machine.Spec.StartupTaints,
			func(startup corev1.Taint) bool { return startup.MatchTaint(&taint) }))
	})
}

// allocatable returns what the node has for pods. Before it is initialized, what it does not report yet is taken from the
// instance type; before there is an instance, it is the least of what the machine can become.
func (s *survey) allocatable(entry state.Entry) corev1.ResourceList {
	expected := corev1.ResourceList{}
	if entry.Machine != nil && !entry.Initialized() {
		expected = entry.Machine.Status.Allocatable
		if len(expected) == 0 {
			expected = s.Offers.least(entry.Machine)
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
