package scheduling

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/pods"
)

// Taints are the taints of one node.
type Taints []corev1.Taint

// Tolerated returns why the pod is kept off, naming the first taint that it does not tolerate, or "" when it is let in.
// PreferNoSchedule keeps nobody off.
func (t Taints) Tolerated(pod *corev1.Pod) string {
	for _, taint := range t {
		if taint.Effect != corev1.TaintEffectPreferNoSchedule && !pods.Tolerates(pod, taint) {
			return fmt.Sprintf("taint %s is not tolerated", taint.ToString())
		}
	}
	return ""
}
