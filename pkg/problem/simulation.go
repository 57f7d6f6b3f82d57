package problem

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
)

// Simulation answers what would have to be decided if nodes were not there. What it is made from is translated once, so that many
// such questions cost little more than their answers.
type Simulation struct {
	base solver.Problem
	// displaced maps the name of a node -> the pods that would look for a new place.
	displaced map[string][]*corev1.Pod
	// volumes maps the UID of a displaced pod -> what its claims ask for.
	volumes map[types.UID]solver.Volumes
}

// Simulate prepares for questions about the facts.
func Simulate(facts Facts) *Simulation {
	s := newSurvey(facts)
	out := &Simulation{displaced: map[string][]*corev1.Pod{}, volumes: map[types.UID]solver.Volumes{}}
	moving := s.pending()
	for _, entry := range facts.Snapshot.Entries {
		if entry.Deleting() || entry.Vanished() {
			continue
		}
		leaving := s.displaced(entry)
		if len(leaving) > 0 {
			out.displaced[entry.Name()] = leaving
		}
		moving = append(moving, leaving...)
	}
	out.base = s.problem(slices.ContainsFunc(moving, pods.NeverPreempts))
	needy := func(pod *corev1.Pod) bool { return !solver.IsPlain(pod) }
	for i := range out.base.Nodes {
		node := &out.base.Nodes[i]
		node.Plain = !slices.ContainsFunc(node.Pods, needy) && !slices.ContainsFunc(node.Yielding, needy)
	}
	for _, leaving := range out.displaced {
		maps.Copy(out.volumes, s.volumesOf(leaving))
	}
	return out
}

// Displaced returns the pods that would look for a new place without the node, in order of UID. They are not to be changed.
func (s *Simulation) Displaced(node string) []*corev1.Pod { return s.displaced[node] }

// Without returns the problem that is left when the nodes are gone: their pods look for a place beside all that wait for one already.
// Limits hold as if the machines of these nodes were still there, as they are while others take their place.
func (s *Simulation) Without(nodes map[string]bool) solver.Problem {
	out := s.base
	if len(nodes) == 0 {
		return out
	}
	out.Pods, out.Volumes = slices.Clone(out.Pods), maps.Clone(out.Volumes)
	out.Nodes = make([]solver.Node, 0, len(s.base.Nodes))
	for i := range s.base.Nodes {
		node := &s.base.Nodes[i]
		if !nodes[node.Name] {
			out.Nodes = append(out.Nodes, *node)
			continue
		}
		for _, pod := range s.displaced[node.Name] {
			out.Pods = append(out.Pods, pod)
			if asked, has := s.volumes[pod.UID]; has {
				out.Volumes[pod.UID] = asked
			}
		}
	}
	return out
}
