package solver_test

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// poisons are pods that each ask for more than a person would.
func poisons() map[string]func(*corev1.Pod) {
	wide := map[string]string{"app": "wide"}
	term := func(i int) corev1.PodAffinityTerm {
		return corev1.PodAffinityTerm{TopologyKey: corev1.LabelTopologyZone, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": fmt.Sprint("nobody-", i)}}}
	}
	return map[string]func(*corev1.Pod){
		"spreads over seven keys of instance types": func(p *corev1.Pod) {
			builders.Labels(wide)(p)
			for _, key := range []string{
				corev1.LabelTopologyZone, corev1.LabelInstanceTypeStable, "karpenter.sh/capacity-type", "karpenter.k8s.aws/instance-family",
				"karpenter.k8s.aws/instance-size", "karpenter.k8s.aws/instance-cpu", "karpenter.k8s.aws/instance-memory",
			} {
				builders.Spread(key, 1, wide)(p)
			}
		},
		"a thousand preferences to be with nobody": func(p *corev1.Pod) {
			a := &corev1.PodAffinity{}
			for i := range 1000 {
				a.PreferredDuringSchedulingIgnoredDuringExecution = append(a.PreferredDuringSchedulingIgnoredDuringExecution, corev1.WeightedPodAffinityTerm{Weight: 1, PodAffinityTerm: term(i)})
			}
			p.Spec.Affinity = &corev1.Affinity{PodAffinity: a}
		},
		"a thousand pods to keep away from": func(p *corev1.Pod) {
			a := &corev1.PodAntiAffinity{}
			for i := range 1000 {
				a.RequiredDuringSchedulingIgnoredDuringExecution = append(a.RequiredDuringSchedulingIgnoredDuringExecution, term(i))
			}
			p.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: a}
		},
	}
}

func TestOnePodThatAsksForTooMuchAtOnceTakesNobodysPlace(t *testing.T) {
	for name, poison := range poisons() {
		t.Run(name, func(t *testing.T) {
			plan := solver.Solve(t.Context(), poisoned(t, poison))
			for _, u := range plan.Unplaced {
				t.Errorf("%s is unplaced: %s", u.Pod.Name, u.Reason)
			}
		})
	}
}

// poisoned returns a problem with one such pod among ordinary ones.
func poisoned(tb testing.TB, poison func(*corev1.Pod)) solver.Problem {
	p := fullCatalogue(tb, size{50, 1353, 0})
	p.Pods = append(p.Pods, builders.Pod(builders.Name("poison"), poison))
	return p
}

// BenchmarkOnePodThatAsksForTooMuch compares planning for ordinary pods with planning for one more that asks for too much.
func BenchmarkOnePodThatAsksForTooMuch(b *testing.B) {
	b.Run("none", func(b *testing.B) { measure(b, fullCatalogue(b, size{50, 1353, 0})) })
	for name, poison := range poisons() {
		b.Run(name, func(b *testing.B) { measure(b, poisoned(b, poison)) })
	}
}

func TestAPodWithMoreCombinationsOfDomainsThanAreLookedAtLearnsSo(t *testing.T) {
	p := fullCatalogue(t, size{1, 1353, 0})
	wide := poisons()["spreads over seven keys of instance types"]
	p.Pods = []*corev1.Pod{builders.Pod(builders.Name("poison"), wide, func(p *corev1.Pod) {
		builders.Affinity(corev1.LabelTopologyZone, map[string]string{"app": "nobody"})(p)
	})}
	plan := solver.Solve(t.Context(), p)
	if len(plan.Unplaced) != 1 || !strings.Contains(plan.Unplaced[0].Reason, "only some were looked at") {
		t.Errorf("unplaced: %v, want one that says that not all combinations were looked at", plan.Unplaced)
	}
}

func TestAPodWhoseVolumesHaveMorePlacesThanAreLookedAtLearnsSo(t *testing.T) {
	var zones []scheduling.Requirements
	for i := range 1200 {
		zones = append(zones, scheduling.FromLabels(map[string]string{corev1.LabelTopologyZone: fmt.Sprint("far-", i)}))
	}
	p := fullCatalogue(t, size{1, 1353, 0})
	pod := builders.Pod(builders.Name("far"))
	p.Pods = []*corev1.Pod{pod}
	p.Volumes = map[types.UID]solver.Volumes{pod.UID: {Topologies: [][]scheduling.Requirements{zones}}}
	plan := solver.Solve(t.Context(), p)
	if len(plan.Unplaced) != 1 || !strings.Contains(plan.Unplaced[0].Reason, "1000 were looked at") {
		t.Errorf("unplaced: %v, want one that says how many places were looked at", plan.Unplaced)
	}
}
