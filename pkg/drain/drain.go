// Package drain decides which pods leave a node next.
package drain

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/pods"
)

// stuckAfter is how long past its grace period a terminating pod is waited for: a kubelet that is gone never confirms its end.
const stuckAfter = time.Minute

// Step is what a drain does next.
type Step struct {
	// Evict are pods to evict now, all of one class.
	Evict []*corev1.Pod
	// Waiting are pods that have been told to go and have not gone yet.
	Waiting []*corev1.Pod
}

// Done reports whether nothing is left to wait for.
func (s Step) Done() bool { return len(s.Evict) == 0 && len(s.Waiting) == 0 }

// Next returns the next step of draining a node that runs these pods. Critical pods go only when all others are gone, so that
// what they serve (DNS, storage, network) serves the others to their end.
func Next(onNode []*corev1.Pod, now time.Time) Step {
	var ordinary, critical Step
	for _, pod := range onNode {
		if !leaves(pod, now) {
			continue
		}
		class := &ordinary
		if pods.IsCritical(pod) {
			class = &critical
		}
		if pods.IsTerminating(pod) {
			class.Waiting = append(class.Waiting, pod)
		} else {
			class.Evict = append(class.Evict, pod)
		}
	}
	if !ordinary.Done() {
		return ordinary
	}
	return critical
}

// leaves reports whether a drain has to do with a pod. Pods of DaemonSets and of the node itself end with the node, finished
// ones have ended, and those that tolerate the taint of a disrupted node asked to stay.
func leaves(pod *corev1.Pod, now time.Time) bool {
	if pods.IsTerminal(pod) || pods.IsMirror(pod) || pods.IsOwnedByDaemonSet(pod) || pods.ToleratesDisruption(pod) {
		return false
	}
	return !pods.IsTerminating(pod) || now.Before(pod.DeletionTimestamp.Add(stuckAfter))
}
