package solver

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// writeFilterKey writes what decides on which nodes the pod may be: node selector, required node affinity, tolerations. Each
// string is preceded by its length, so that no two pods that differ get the same key.
func writeFilterKey(s *strings.Builder, pod *corev1.Pod) {
	writeInt(s, int64(len(pod.Spec.NodeSelector)))
	for _, key := range slices.Sorted(maps.Keys(pod.Spec.NodeSelector)) {
		writeString(s, key)
		writeString(s, pod.Spec.NodeSelector[key])
	}
	if a := pod.Spec.Affinity; a != nil && a.NodeAffinity != nil && a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution != nil {
		terms := a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
		writeInt(s, int64(len(terms)))
		for i := range terms {
			writeExpressions(s, terms[i].MatchExpressions)
			writeExpressions(s, terms[i].MatchFields)
		}
	}
	for i := range pod.Spec.Tolerations {
		t := &pod.Spec.Tolerations[i]
		for _, part := range []string{"t", t.Key, string(t.Operator), t.Value, string(t.Effect)} {
			writeString(s, part)
		}
	}
}

func writeExpressions(s *strings.Builder, expressions []corev1.NodeSelectorRequirement) {
	writeInt(s, int64(len(expressions)))
	for i := range expressions {
		writeString(s, expressions[i].Key)
		writeString(s, string(expressions[i].Operator))
		writeInt(s, int64(len(expressions[i].Values)))
		for _, v := range expressions[i].Values {
			writeString(s, v)
		}
	}
}

func writeString(s *strings.Builder, v string) {
	writeInt(s, int64(len(v)))
	s.WriteString(v)
}

func writeInt(s *strings.Builder, n int64) {
	var digits [20]byte
	s.Write(strconv.AppendInt(digits[:0], n, 10))
	s.WriteByte(' ')
}
