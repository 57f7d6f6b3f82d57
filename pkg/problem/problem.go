// Package problem turns what is known of a cluster, and what may be bought for it, into the problem that the solver decides on.
package problem

import (
	"cmp"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/resources"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/pkg/state"
	"github.com/kerf-autoscaler/kerf/pkg/volumes"
)

// DefaultExpendableBelow is the priority below which pods are expendable unless a user says otherwise, as it is for
// Cluster Autoscaler.
const DefaultExpendableBelow = -10

// Facts are all that a problem is made from. Build does not change them.
type Facts struct {
	// Snapshot of the cluster. Of its pending pods those count that pods.IsProvisionable tells.
	Snapshot state.Snapshot
	// Offers by the name of their Provisioner.
	Offers Offers
	// ExpendableBelow is the priority below which pods are expendable: nothing is bought for them, and those that run hold no
	// room, because the scheduler preempts them for any other pod.
	ExpendableBelow int32
	// Settings of the plan.
	Settings solver.Settings
}

// Build returns the problem. Nothing in it depends on anything but the facts.
func Build(facts Facts) solver.Problem { return newSurvey(facts).problem(false) }

// problem translates the facts. Who asks for more pods to be placed later says whether one of them never preempts.
func (s *survey) problem(neverPreempts bool) solver.Problem {
	out := solver.Problem{
		Pods: s.pending(), DaemonSets: s.daemonPods, Namespaces: s.Snapshot.Namespaces, Settings: s.Settings,
	}
	used := map[string]corev1.ResourceList{}
	var staying []state.Entry
	for _, entry := range s.Snapshot.Entries {
		if name, launched := s.Offers.charge(entry); name != "" {
			used[name] = resources.Sum(used[name], launched)
		}
		switch {
		case entry.Deleting():
			out.Pods = append(out.Pods, s.displaced(entry)...)
		case !entry.Vanished():
			staying = append(staying, entry)
		}
	}
	s.yield = !neverPreempts && !slices.ContainsFunc(out.Pods, pods.NeverPreempts)
	for _, entry := range staying {
		out.Nodes = append(out.Nodes, s.node(entry))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Offers)) {
		out.Provisioners = append(out.Provisioners, s.Offers[name].provisioner(used[name]))
	}
	out.Volumes = s.volumesOf(out.Pods)
	return out
}

// survey is what is found out about the cluster on the way to a problem.
type survey struct {
	Facts
	// daemonPods has one pod per DaemonSet, in the order of the snapshot; its UID is that of the DaemonSet.
	daemonPods []*corev1.Pod
	// nominated maps the name of a node -> pods that the scheduler keeps room for there, in order of UID.
	nominated map[string][]*corev1.Pod
	// storage answers for the pods of this problem.
	storage *volumes.Resolver
	// yield says that expendable pods give way to all that look for a place.
	yield bool
}

func newSurvey(facts Facts) *survey {
	s := &survey{Facts: facts, daemonPods: daemonPods(facts.Snapshot), nominated: map[string][]*corev1.Pod{}}
	for _, pod := range facts.Snapshot.Pending {
		if node := pod.Status.NominatedNodeName; node != "" && !pods.IsTerminating(pod) && !s.expendable(pod) {
			s.nominated[node] = append(s.nominated[node], pod)
		}
	}
	hosts := map[string]string{} // name of a node that stays -> its hostname
	for _, entry := range facts.Snapshot.Entries {
		if entry.Node != nil && !entry.Deleting() {
			hosts[entry.Node.Name] = entry.Node.Labels[corev1.LabelHostname]
		}
	}
	s.storage = volumes.NewResolver(facts.Snapshot.Storage, hosts)
	for _, entry := range facts.Snapshot.Entries {
		for _, pod := range entry.Pods {
			s.storage.Occupy(pod)
		}
	}
	return s
}

// expendable reports whether the pod is one that nothing is bought for.
func (s *survey) expendable(pod *corev1.Pod) bool { return pods.Priority(pod) < s.ExpendableBelow }

// pending returns the pods that wait for capacity.
func (s *survey) pending() []*corev1.Pod {
	var out []*corev1.Pod
	for _, pod := range s.Snapshot.Pending {
		if pods.IsProvisionable(pod) && !s.expendable(pod) {
			out = append(out, pod)
		}
	}
	return out
}

// displaced returns the pods that will look for a new place when a node goes, in order of UID. Those that keep the node may do so
// for long: nothing is bought for them ahead of the time at which they wait for it.
func (s *survey) displaced(entry state.Entry) []*corev1.Pod {
	var out []*corev1.Pod
	for _, pod := range entry.Pods {
		if pods.Moves(pod, s.ExpendableBelow) {
			out = append(out, pod)
		}
	}
	slices.SortFunc(out, func(a, b *corev1.Pod) int { return cmp.Compare(a.UID, b.UID) })
	return out
}

// volumesOf returns what the volumes of the pods ask of their nodes, for those that ask for something. A claim that one pod at a
// time may use goes to the first of them by UID.
func (s *survey) volumesOf(list []*corev1.Pod) map[types.UID]solver.Volumes {
	out := map[types.UID]solver.Volumes{}
	inOrder := slices.SortedFunc(slices.Values(list), func(a, b *corev1.Pod) int { return cmp.Compare(a.UID, b.UID) })
	for _, pod := range inOrder {
		demand := s.storage.Demand(pod)
		if !demand.Empty() {
			out[pod.UID] = solver.Volumes(demand)
		}
		if demand.Trouble == "" {
			s.storage.Occupy(pod)
		}
	}
	return out
}
