package problem

import (
	"math"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/resources"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
)

// Rest returns the problem of pods that Build leaves out because nothing is bought for them: whether they find room on the nodes
// that are there, beside the pods that run and those that a plan places. They make nobody give way. Machines
// that the plan buys are no nodes yet: which instance type each becomes, and so what it has to spare, is settled when it launches.
func Rest(facts Facts, rest []*corev1.Pod, placements []solver.Placement) solver.Problem {
	facts.ExpendableBelow = math.MinInt32
	s := newSurvey(facts)
	placed := map[string][]*corev1.Pod{} // name of a node -> pods that come to it
	for _, p := range placements {
		placed[p.Node] = append(placed[p.Node], p.Pod)
	}
	out := solver.Problem{Pods: rest, Namespaces: facts.Snapshot.Namespaces, Settings: facts.Settings, Volumes: s.volumesOf(rest)}
	for _, entry := range facts.Snapshot.Entries {
		if entry.Deleting() || entry.Vanished() {
			continue
		}
		node := s.node(entry)
		requests := corev1.ResourceList{}
		for _, pod := range placed[node.Name] {
			node.Pods = append(node.Pods, pod)
			resources.Add(requests, pods.Requests(pod))
		}
		node.Available = resources.Sub(node.Available, requests)
		if entry.Node != nil {
			node.Attachable = s.storage.Attachable(node.Name, node.Pods)
		}
		out.Nodes = append(out.Nodes, node)
	}
	return out
}
