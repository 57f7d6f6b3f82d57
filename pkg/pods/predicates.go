// Package pods answers what a Pod is and what it asks of a node.
package pods

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// SafeToEvictAnnotation is Cluster Autoscaler's: "false" says that the pod must not be moved, "on-completion" that it runs to its
// end first, and "true" that it may go whatever is usually protected.
const SafeToEvictAnnotation = "cluster-autoscaler.kubernetes.io/safe-to-evict"

// IsProvisionable reports whether the pod waits for capacity that is not there: the scheduler has found no node for it and
// does not make room by preemption. Pods that a DaemonSet or a kubelet owns never do: they come with their node. Those that refuse
// machines are left to others.
func IsProvisionable(pod *corev1.Pod) bool {
	return IsUnschedulable(pod) && pod.Spec.NodeName == "" && pod.Status.NominatedNodeName == "" &&
		!IsOwnedByDaemonSet(pod) && !IsMirror(pod) && !IsTerminal(pod) && !IsTerminating(pod) && !RefusesMachines(pod)
}

// RefusesMachines reports whether the pod asks for nodes that no provisioner made: kerf itself does, or it would wait for its own
// machines. Every alternative of its node affinity has to say so.
func RefusesMachines(pod *corev1.Pod) bool {
	if pod.Spec.Affinity == nil || pod.Spec.Affinity.NodeAffinity == nil {
		return false
	}
	required := pod.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	if required == nil || len(required.NodeSelectorTerms) == 0 {
		return false
	}
	return !slices.ContainsFunc(required.NodeSelectorTerms, func(t corev1.NodeSelectorTerm) bool {
		return !slices.ContainsFunc(t.MatchExpressions, func(r corev1.NodeSelectorRequirement) bool {
			return r.Key == v1alpha5.ProvisionerNameLabel && r.Operator == corev1.NodeSelectorOpDoesNotExist
		})
	})
}

// Priority returns the priority of the pod, 0 where it has none.
func Priority(pod *corev1.Pod) int32 { return ptr.Deref(pod.Spec.Priority, 0) }

// NeverPreempts reports whether the pod takes room from no other pod, however little that one matters.
func NeverPreempts(pod *corev1.Pod) bool {
	return ptr.Deref(pod.Spec.PreemptionPolicy, corev1.PreemptLowerPriority) == corev1.PreemptNever
}

// IsUnschedulable reports whether the scheduler has looked at the pod and found no node for it. Gated pods are not.
func IsUnschedulable(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable
	})
}

// IsReschedulable reports whether the pod is workload of its node: it would need another node if this one went.
// Pods on their way out count until they are gone, because what replaces them needs the room, too.
func IsReschedulable(pod *corev1.Pod) bool {
	return !IsOwnedByDaemonSet(pod) && !IsMirror(pod) && !IsTerminal(pod)
}

// ReadySince returns when the pod has become ready, nil while it is not.
func ReadySince(pod *corev1.Pod) *metav1.Time {
	for i := range pod.Status.Conditions {
		if c := &pod.Status.Conditions[i]; c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			return &c.LastTransitionTime
		}
	}
	return nil
}

// IsOwnedByDaemonSet reports whether a DaemonSet controls the pod.
func IsOwnedByDaemonSet(pod *corev1.Pod) bool {
	owner := metav1.GetControllerOfNoCopy(pod)
	return owner != nil && owner.Kind == "DaemonSet" && owner.APIVersion == "apps/v1"
}

// IsOwnedByJob reports whether the pod belongs to a job, of whichever API: it ends by itself, and begins anew where it is evicted.
func IsOwnedByJob(pod *corev1.Pod) bool {
	owner := metav1.GetControllerOfNoCopy(pod)
	return owner != nil && owner.Kind == "Job"
}

// IsMirror reports whether the pod stands for a static pod of a kubelet.
func IsMirror(pod *corev1.Pod) bool {
	if _, ok := pod.Annotations[corev1.MirrorPodAnnotationKey]; ok {
		return true
	}
	return slices.ContainsFunc(pod.OwnerReferences, func(o metav1.OwnerReference) bool {
		return o.Kind == "Node" && o.APIVersion == "v1"
	})
}

// IsTerminal reports whether all containers have ended for good; such a pod holds no resources.
func IsTerminal(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// IsTerminating reports whether the pod is being deleted.
func IsTerminating(pod *corev1.Pod) bool { return pod.DeletionTimestamp != nil }

// StaysPut reports whether the pod asks to stay on its node for as long as it lives: also when the node is to go, it needs no
// other one. Those that ask for a time only are not among them.
func StaysPut(pod *corev1.Pod) bool {
	eviction := pod.Annotations[SafeToEvictAnnotation]
	return eviction == "false" || eviction == "on-completion" ||
		pod.Annotations[v1alpha5.DoNotEvictAnnotation] == "true" || pod.Annotations[v1alpha5.DoNotDisruptAnnotation] == "true"
}

// Tolerates reports whether the pod tolerates the taint.
func Tolerates(pod *corev1.Pod, taint corev1.Taint) bool {
	return slices.ContainsFunc(pod.Spec.Tolerations, func(t corev1.Toleration) bool { return tolerates(t, taint) })
}

// ToleratesDisruption reports whether the pod stays on a node that is about to go: evicting it would only bring it back.
func ToleratesDisruption(pod *corev1.Pod) bool { return Tolerates(pod, v1alpha5.DisruptedTaint()) }

// IsCritical reports whether the pod has one of the two system priority classes; such pods leave a node last.
func IsCritical(pod *corev1.Pod) bool {
	return pod.Spec.PriorityClassName == "system-cluster-critical" || pod.Spec.PriorityClassName == "system-node-critical"
}

// Moves reports whether a pod will look for another place when its node goes. Those that keep the node may do so for long, and those below
// a priority are given way to by all others: nothing is bought for them ahead of time.
func Moves(pod *corev1.Pod, expendableBelow int32) bool {
	return IsReschedulable(pod) && !IsTerminating(pod) && !StaysPut(pod) && !RefusesMachines(pod) && Priority(pod) >= expendableBelow
}
