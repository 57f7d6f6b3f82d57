package scheduling

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// readinessPrefix starts the keys of taints that keep pods off until something on the node, such as its network or a GPU driver,
// says that it is ready.
const readinessPrefix = "readiness.k8s.io/"

// cloudUninitialized is the taint that a node has until the cloud controller manager has seen it.
const cloudUninitialized = "node.cloudprovider.kubernetes.io/uninitialized"

// IsEphemeralTaint reports whether a taint is one that every new node has for a moment and loses by itself.
func IsEphemeralTaint(taint corev1.Taint) bool {
	if strings.HasPrefix(taint.Key, readinessPrefix) {
		return true
	}
	switch taint.Key {
	case corev1.TaintNodeNotReady:
		return taint.Effect == corev1.TaintEffectNoSchedule || taint.Effect == corev1.TaintEffectNoExecute
	case corev1.TaintNodeUnreachable, cloudUninitialized, corev1.TaintNodeNetworkUnavailable:
		return taint.Effect == corev1.TaintEffectNoSchedule
	default:
		return false
	}
}
