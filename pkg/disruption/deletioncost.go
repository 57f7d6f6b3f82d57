package disruption

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
)

const (
	// gradeStep is how many times more a node costs for each of its pods than one of the next lower grade.
	gradeStep = 1.05
	// gradeUnit is what a node of grade 0 costs for each of its pods, US dollars per hour.
	gradeUnit = 0.0001
	// topGrade bounds grades.
	topGrade = 999
	// gradeSlack is by how many grades a node may be off the one that is written on its pods, an eighth of what it costs: where there are
	// many pods, one more or less is no reason to write to all of them.
	gradeSlack = 2.5
)

// PodCost is what deleting a pod is to cost, for the ReplicaSet that it belongs to: those that cost least go first when it shrinks.
type PodCost struct {
	Pod *corev1.Pod
	// Cost is the value of its annotation; "" for none, as before.
	Cost string
}

// deletionCosts returns the pods whose deletion is to cost something else than is written on them: those of ReplicaSets, the less the
// dearer their node is for each of its pods, so that the nodes empty first that are worth most. Replicas that share a node go before those
// that are alone there, as they do when nobody says anything. What its owner has said of a pod holds for all pods of its ReplicaSet, and
// those that are to be spread over more than nodes are left alone. While a pod keeps a machine nothing is written anew there.
func (s *search) deletionCosts() []PodCost {
	onNode := map[string][]*corev1.Pod{}
	base := s.in.World.Without(nil)
	for i := range base.Nodes {
		there := slices.Concat(base.Nodes[i].Pods, base.Nodes[i].Yielding)
		onNode[base.Nodes[i].Name] = slices.DeleteFunc(there, func(pod *corev1.Pod) bool { return !pods.IsReschedulable(pod) })
	}
	left, going := leftAlone(onNode, base.Pods), s.best.candidates()
	var out []PodCost
	for i := range s.in.Candidates {
		c := &s.in.Candidates[i]
		if slices.Contains(going, c) {
			continue
		}
		wanted := s.wantedCosts(c, onNode[c.Node], left)
		for _, pod := range onNode[c.Node] {
			if cost := wanted[pod.UID]; cost != OwnCost(pod) && pod.DeletionTimestamp.IsZero() {
				out = append(out, PodCost{pod, cost})
			}
		}
	}
	// The dearest nodes first: they are the ones to gain from.
	slices.SortStableFunc(out, func(a, b PodCost) int {
		return cmp.Or(cmp.Compare(number(a.Cost), number(b.Cost)), cmp.Compare(a.Pod.UID, b.Pod.UID))
	})
	return out
}

// wantedCosts maps the UIDs of those pods of a machine that it is to be written on -> what deleting them is to cost.
func (s *search) wantedCosts(c *Candidate, there []*corev1.Pod, left map[types.UID]bool) map[types.UID]string {
	switch {
	case c.Protected || !c.Consolidate || c.PricePerHour <= 0:
		return nil
	case c.Held != "": // for long or for a moment: whoever may be moved keeps what is written
		out := map[types.UID]string{}
		for _, pod := range s.in.World.Displaced(c.Node) {
			out[pod.UID] = OwnCost(pod)
		}
		return out
	}
	return grade(c, there, left)
}

// grade maps the UIDs of the pods of a machine -> what deleting them is to cost.
func grade(c *Candidate, there []*corev1.Pod, left map[types.UID]bool) map[types.UID]string {
	of := math.Log(c.PricePerHour/float64(max(1, staying(there)))/gradeUnit) / math.Log(gradeStep)
	if before, known := gradeBefore(there); known && math.Abs(of-before) <= gradeSlack {
		of = before
	}
	of = min(max(math.Round(of), 0), topGrade)
	out, like := map[types.UID]string{}, map[types.UID]int{}
	for _, pod := range oldestFirst(there) {
		owner := replicaSetOf(pod)
		if owner == nil || left[owner.UID] || !pod.DeletionTimestamp.IsZero() {
			continue
		}
		out[pod.UID] = strconv.Itoa(-1 - int(of) - (topGrade+1)*like[owner.UID])
		like[owner.UID]++
	}
	return out
}

// gradeBefore returns the grade that is written on the pods of a machine.
func gradeBefore(there []*corev1.Pod) (float64, bool) {
	for _, pod := range there {
		if cost := number(OwnCost(pod)); cost < 0 {
			return float64((-1 - cost) % (topGrade + 1)), true
		}
	}
	return 0, false
}

// leftAlone are the ReplicaSets that nothing is written on the pods of.
func leftAlone(onNode map[string][]*corev1.Pod, waiting []*corev1.Pod) map[types.UID]bool {
	left, size := map[types.UID]bool{}, map[types.UID]int{}
	look := func(list []*corev1.Pod) {
		for _, pod := range list {
			owner := replicaSetOf(pod)
			if owner == nil {
				continue
			}
			size[owner.UID]++
			if pod.Annotations[corev1.PodDeletionCost] != OwnCost(pod) || isSpread(pod) {
				left[owner.UID] = true
			}
		}
	}
	for _, there := range onNode {
		look(there)
	}
	look(waiting)
	for owner, n := range size {
		if n == 1 { // there is nothing to choose from
			left[owner] = true
		}
	}
	return left
}

// isSpread reports whether a pod is to be near others, or far from them, by more than nodes: which replicas go matters to that.
func isSpread(pod *corev1.Pod) bool {
	farther := func(term corev1.PodAffinityTerm) bool { return term.TopologyKey != corev1.LabelHostname }
	preferred := func(term corev1.WeightedPodAffinityTerm) bool { return farther(term.PodAffinityTerm) }
	spread := slices.ContainsFunc(pod.Spec.TopologySpreadConstraints, func(c corev1.TopologySpreadConstraint) bool { return c.TopologyKey != corev1.LabelHostname })
	if affinity := pod.Spec.Affinity; affinity != nil {
		if near := affinity.PodAffinity; near != nil {
			spread = spread || slices.ContainsFunc(near.RequiredDuringSchedulingIgnoredDuringExecution, farther) ||
				slices.ContainsFunc(near.PreferredDuringSchedulingIgnoredDuringExecution, preferred)
		}
		if apart := affinity.PodAntiAffinity; apart != nil {
			spread = spread || slices.ContainsFunc(apart.RequiredDuringSchedulingIgnoredDuringExecution, farther) ||
				slices.ContainsFunc(apart.PreferredDuringSchedulingIgnoredDuringExecution, preferred)
		}
	}
	return spread
}

// OwnCost returns what was written on a pod by this, "" for nothing or if somebody else has written over it.
func OwnCost(pod *corev1.Pod) string {
	if mark := pod.Annotations[v1alpha5.DeletionCostAnnotation]; mark == pod.Annotations[corev1.PodDeletionCost] {
		return mark
	}
	return ""
}

func number(cost string) int {
	n, err := strconv.Atoi(cost)
	if err != nil {
		return 0
	}
	return n
}

func replicaSetOf(pod *corev1.Pod) *metav1.OwnerReference {
	if owner := metav1.GetControllerOfNoCopy(pod); owner != nil && owner.Kind == "ReplicaSet" {
		return owner
	}
	return nil
}

func oldestFirst(there []*corev1.Pod) []*corev1.Pod {
	return slices.SortedStableFunc(slices.Values(there), func(a, b *corev1.Pod) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.UID, b.UID))
	})
}
