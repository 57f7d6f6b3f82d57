package timelapse

import (
	"context"
	"math"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
	"github.com/kerf-autoscaler/kerf/pkg/resources"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
)

// schedule binds pods to nodes that are ready: those that ask for nothing but room where most is left, as the Kubernetes scheduler
// does by default, and those that are bound to others where the solver says that they may be.
func (c *Cluster) schedule(ctx context.Context) {
	free := map[string]corev1.ResourceList{}
	for _, m := range c.inOrder() {
		if m.ready && !m.going {
			free[m.object.Name] = m.node.Status.Allocatable
		}
	}
	var pending []*corev1.Pod
	for _, pod := range c.inOrderPods() {
		switch room, there := free[pod.Spec.NodeName]; {
		case pod.Spec.NodeName == "":
			pending = append(pending, pod)
		case there:
			free[pod.Spec.NodeName] = resources.Sub(room, withOne(pod))
		}
	}
	var bound bool
	for _, pod := range pending {
		if tied(pod) {
			bound = true
			continue
		}
		if node := c.roomiest(pod, free); node != "" {
			free[node] = resources.Sub(free[node], withOne(pod))
			c.bind(pod, node)
		}
	}
	if bound {
		c.scheduleTied(ctx)
	}
}

func withOne(pod *corev1.Pod) corev1.ResourceList { return pods.Requests(pod) }

// tied reports whether where a pod may go depends on others.
func tied(pod *corev1.Pod) bool {
	return len(pod.Spec.TopologySpreadConstraints) > 0 ||
		pod.Spec.Affinity != nil && (pod.Spec.Affinity.PodAffinity != nil || pod.Spec.Affinity.PodAntiAffinity != nil)
}

// discouraged is how much less a node is liked with a taint of the effect PreferNoSchedule, in parts of what an empty one is liked for: the
// scheduler weighs such taints three times as much as room.
const discouraged = 3

// roomiest returns the node on which the larger part of cpu and memory is left, "" for none. Machines that are to empty by themselves
// may be tainted, so that pods go there last.
func (c *Cluster) roomiest(pod *corev1.Pod, free map[string]corev1.ResourceList) string {
	best, name := math.Inf(-1), ""
	for _, m := range c.inOrder() {
		room, there := free[m.object.Name]
		if !there {
			continue
		}
		left := resources.Sub(room, withOne(pod))
		if !fits(left) || !accepts(m, pod) {
			continue
		}
		share := (part(left, m, corev1.ResourceCPU) + part(left, m, corev1.ResourceMemory)) / 2
		if c.Taint && c.waning[m.object.Name] {
			share -= discouraged
		}
		if share > best {
			best, name = share, m.object.Name
		}
	}
	return name
}

func fits(left corev1.ResourceList) bool {
	for _, quantity := range left {
		if quantity.Sign() < 0 {
			return false
		}
	}
	return true
}

func part(left corev1.ResourceList, m *machine, name corev1.ResourceName) float64 {
	free, all := left[name], m.node.Status.Allocatable[name]
	return free.AsApproximateFloat64() / all.AsApproximateFloat64()
}

func accepts(m *machine, pod *corev1.Pod) bool {
	if scheduling.Taints(m.node.Spec.Taints).Tolerated(pod) != "" {
		return false
	}
	for key, value := range pod.Spec.NodeSelector {
		if m.node.Labels[key] != value {
			return false
		}
	}
	return true
}

// scheduleTied binds pods where a plan without buying has them.
func (c *Cluster) scheduleTied(ctx context.Context) {
	facts := c.facts()
	asked := problem.Build(facts)
	asked.Provisioners = nil
	for _, p := range solver.Solve(ctx, asked).Placements {
		if m := c.machines[p.Node]; m != nil && m.ready && !m.going && p.Pod.Spec.NodeName == "" {
			c.bind(c.pods[p.Pod.UID], p.Node)
		}
	}
}

func (c *Cluster) bind(pod *corev1.Pod, node string) {
	bound := pod.DeepCopy()
	bound.Spec.NodeName = node
	now := metav1.NewTime(c.Now)
	bound.Status = corev1.PodStatus{Phase: corev1.PodRunning, StartTime: &now, Conditions: []corev1.PodCondition{
		{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}, {Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: now},
	}}
	c.changes++
	c.pods[pod.UID] = bound
	c.model.UpdatePod(bound)
	c.touch(bound, true)
}
