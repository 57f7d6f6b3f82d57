package timelapse

import (
	"cmp"
	"hash/fnv"
	"math"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
)

// Bound maps the names of all pods that are on a node -> since when.
func (c *Cluster) Bound() map[string]time.Time {
	out := make(map[string]time.Time, len(c.pods))
	for _, pod := range c.pods {
		if pod.Spec.NodeName != "" {
			out[pod.Name] = pod.Status.StartTime.Time
		}
	}
	return out
}

// ScaleDown ends as many of the pods of a ReplicaSet as are too many, and returns the names of those that are left. Like are the names
// of all pods of its deployment. Which ones end is what the ReplicaSet controller of Kubernetes would have: those without a node, then
// those that somebody has said cost least to delete, those that share their node with most of their like, and those that became ready
// last, where times that differ by less than half are the same and chance decides.
func (c *Cluster) ScaleDown(names, like []string, tooMany int) []string {
	if tooMany <= 0 {
		return names
	}
	member, related := map[string]bool{}, map[string]bool{}
	for _, name := range names {
		member[name] = true
	}
	for _, name := range like {
		related[name] = true
	}
	var ranked []*corev1.Pod
	sharing := map[string]int{}
	for _, pod := range c.pods {
		if member[pod.Name] {
			ranked = append(ranked, pod)
		}
		if related[pod.Name] && pod.Spec.NodeName != "" {
			sharing[pod.Spec.NodeName]++
		}
	}
	slices.SortFunc(ranked, func(a, b *corev1.Pod) int {
		return cmp.Or(
			cmp.Compare(min(1, len(a.Spec.NodeName)), min(1, len(b.Spec.NodeName))),
			cmp.Compare(deletionCost(a), deletionCost(b)),
			cmp.Compare(sharing[b.Spec.NodeName], sharing[a.Spec.NodeName]),
			cmp.Compare(c.readyFor(a), c.readyFor(b)),
			cmp.Compare(chance(a), chance(b)),
		)
	})
	gone := map[string]bool{}
	for _, pod := range ranked[:min(tooMany, len(ranked))] {
		gone[pod.Name] = true
		c.drop(pod)
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return gone[name] })
}

// readyFor is the order of magnitude of the time for which a pod has been ready.
func (c *Cluster) readyFor(pod *corev1.Pod) int {
	since := pods.ReadySince(pod)
	if since == nil || !since.Time.Before(c.Now) {
		return -1
	}
	return int(math.Log2(float64(c.Now.Sub(since.Time))))
}

// chance is as random as the UID that an API server gives a pod.
func chance(pod *corev1.Pod) uint64 {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(pod.UID))
	return hash.Sum64()
}

// deletionCost is the annotation by which a controller knows which pods to take away first.
func deletionCost(pod *corev1.Pod) int {
	cost, err := strconv.Atoi(pod.Annotations[corev1.PodDeletionCost])
	if err != nil {
		return 0
	}
	return cost
}

// annotate writes on pods what deleting them costs.
func (c *Cluster) annotate(costs []disruption.PodCost) {
	for _, of := range costs {
		pod := of.Pod.DeepCopy()
		if pod.Annotations == nil {
			pod.Annotations = map[string]string{}
		}
		pod.Annotations[corev1.PodDeletionCost], pod.Annotations[v1alpha5.DeletionCostAnnotation] = of.Cost, of.Cost
		c.pods[pod.UID] = pod
		c.model.UpdatePod(pod)
		c.Annotations++
	}
}
