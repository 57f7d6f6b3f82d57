package world

import (
	corev1 "k8s.io/api/core/v1"
	helper "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
)

// RunsOn reports whether a DaemonSet with pods like this one puts one onto the node.
func RunsOn(daemon *corev1.Pod, node *corev1.Node) bool {
	if match, err := nodeaffinity.GetRequiredNodeAffinity(daemon).Match(node); err != nil || !match {
		return false
	}
	_, repelled := helper.FindMatchingUntoleratedTaint(klog.Background(), node.Spec.Taints, daemon.Spec.Tolerations, func(t *corev1.Taint) bool {
		return t.Effect != corev1.TaintEffectPreferNoSchedule
	}, true)
	return !repelled
}
