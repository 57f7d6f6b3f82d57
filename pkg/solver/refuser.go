package solver

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// refuser says which pods ask for what this engine does not plan for. They are left alone rather than bought for wrongly.
type refuser struct {
	rulebook *rulebook
	// apart maps the marks that running pods with anti-affinity over more than a node keep away -> the topology key.
	apart map[mark]string
}

func newRefuser(b *rulebook, nodes []Node) *refuser {
	r := &refuser{rulebook: b, apart: map[mark]string{}}
	for i := range nodes {
		for _, pod := range nodes[i].Pods {
			for _, term := range antiAffinity(pod) {
				if term.TopologyKey != corev1.LabelHostname {
					r.apart[b.termMark(pod, term)] = term.TopologyKey
				}
			}
		}
	}
	return r
}

// refuse returns why the pod cannot be planned for, or "".
func (r *refuser) refuse(pod *corev1.Pod, marks []mark) string {
	for _, m := range marks {
		if key, ok := r.apart[m]; ok {
			return fmt.Sprintf("a running pod keeps this one away by anti-affinity over %s, which is not planned for yet; use %s", key, corev1.LabelHostname)
		}
	}
	for _, check := range []func(*corev1.Pod) string{refuseAffinity, refuseSpread, refuseVolumes} {
		if reason := check(pod); reason != "" {
			return reason
		}
	}
	return ""
}

func refuseAffinity(pod *corev1.Pod) string {
	if a := pod.Spec.Affinity; a != nil && a.PodAffinity != nil && len(a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution) > 0 {
		return "required affinity to other pods is not planned for yet; prefer it instead of requiring it"
	}
	for _, term := range antiAffinity(pod) {
		if term.TopologyKey != corev1.LabelHostname {
			return fmt.Sprintf("required anti-affinity over %s is not planned for yet; use %s or a topology spread constraint", term.TopologyKey, corev1.LabelHostname)
		}
		if reason := refuseSelector("anti-affinity", term.LabelSelector); reason != "" {
			return reason
		}
	}
	return ""
}

func refuseSpread(pod *corev1.Pod) string {
	for _, c := range pod.Spec.TopologySpreadConstraints {
		if c.WhenUnsatisfiable != corev1.DoNotSchedule {
			continue
		}
		if c.TopologyKey != corev1.LabelHostname && c.TopologyKey != corev1.LabelTopologyZone {
			return fmt.Sprintf("topology spread over %s is not planned for yet; spread over %s or %s, or use ScheduleAnyway",
				c.TopologyKey, corev1.LabelTopologyZone, corev1.LabelHostname)
		}
		if reason := refuseSelector("topology spread", c.LabelSelector); reason != "" {
			return reason
		}
	}
	return ""
}

func refuseSelector(of string, s *metav1.LabelSelector) string {
	if _, err := metav1.LabelSelectorAsSelector(s); err != nil {
		return fmt.Sprintf("the label selector of its %s is invalid: %s", of, err)
	}
	return ""
}

func refuseVolumes(pod *corev1.Pod) string {
	for i := range pod.Spec.Volumes {
		v := &pod.Spec.Volumes[i]
		if v.PersistentVolumeClaim != nil || v.Ephemeral != nil {
			return fmt.Sprintf("volume %s comes from a claim, and where claims can be bound is not planned for yet", v.Name)
		}
	}
	if len(pod.Spec.ResourceClaims) > 0 {
		return "resource claims (dynamic resource allocation) are not planned for; ask for extended resources instead"
	}
	return ""
}
