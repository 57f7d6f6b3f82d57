package main

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// What Karpenter makes of its benchmark depends on how many of each kind there are.
func TestTheMixHasAFifthOfEachKind(t *testing.T) {
	kinds := map[string]int{}
	for _, pod := range mix(102).pods {
		kind := "plain"
		switch a := pod.Spec.Affinity; {
		case len(pod.Spec.TopologySpreadConstraints) > 0:
			kind = "spread over " + pod.Spec.TopologySpreadConstraints[0].TopologyKey
		case a != nil && a.PodAffinity != nil:
			kind = "together"
		case a != nil && a.PodAntiAffinity != nil:
			kind = "apart"
		}
		kinds[kind]++
	}
	want := map[string]int{
		"plain": 22, "together": 20, "apart": 20, "spread over " + corev1.LabelTopologyZone: 20, "spread over " + corev1.LabelHostname: 20,
	}
	for kind, n := range want {
		if kinds[kind] != n {
			t.Errorf("%d pods are %s, want %d", kinds[kind], kind, n)
		}
	}
}
