package main

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/test/builders"
)

// constrained changes the first spread constraint of a pod.
func constrained(p builders.PodModifier, how func(*corev1.TopologySpreadConstraint)) builders.PodModifier {
	return both(p, func(p *corev1.Pod) { how(&p.Spec.TopologySpreadConstraints[0]) })
}

func TestPodsAreSpreadAsEvenlyAsTheyAskFor(t *testing.T) {
	web := map[string]string{"app": "web"}
	aWeb := builders.Labels(web)
	even := both(aWeb, builders.Spread(zone, 1, web))
	inAB := builders.NodeAffinity(corev1.NodeSelectorRequirement{Key: zone, Operator: corev1.NodeSelectorOpIn, Values: []string{"a", "b"}})
	minDomains := constrained(even, func(c *corev1.TopologySpreadConstraint) { c.MinDomains = new(int32(3)) })
	blind := constrained(both(even, inAB), func(c *corev1.TopologySpreadConstraint) { c.NodeAffinityPolicy = new(corev1.NodeInclusionPolicyIgnore) })
	rather := constrained(even, func(c *corev1.TopologySpreadConstraint) { c.WhenUnsatisfiable = corev1.ScheduleAnyway })
	version := func(v string) builders.PodModifier {
		return constrained(both(even, builders.Labels(map[string]string{"v": v})), func(c *corev1.TopologySpreadConstraint) { c.MatchLabelKeys = []string{"v"} })
	}
	nowhere := both(aWeb, builders.Spread("example.com/rack", 1, web))
	many := func(n int, p builders.PodModifier) []*corev1.Pod {
		return cast(slices.Repeat([]builders.PodModifier{p}, n)...)
	}
	for name, tc := range map[string]struct {
		pods        []*corev1.Pod
		fine, wrong string
		fault       []string
	}{
		"over zones":                   {many(4, even), "a:0,1 b:2 c:3", "a:0,1,2 b:3", []string{"pod-2", "zone a", "the 1 of"}},
		"over zones that have nodes":   {many(4, even), "a:0,1 b:2,3", "a:0,1 b:2,3 c:", []string{"pod-1", "the 0 of"}},
		"over several nodes of a zone": {many(4, even), "a:0 a:1 b:2,3", "a:0 a:1 a:2 b:3", []string{"pod-2", "zone a"}},
		"over hosts":                   {many(3, both(aWeb, builders.Spread(host, 1, web))), "a:0 a:1 a:2 a:", "a:0,1 a:2 a:", []string{"pod-1", "node 0"}},
		"with a larger skew":           {many(4, both(aWeb, builders.Spread(zone, 2, web))), "a:0,1,2 b:3", "a:0,1,2,3 b:", []string{"pod-2"}},
		"over enough zones":            {many(2, minDomains), "a:0 b:1", "a:0,1 b:", []string{"pod-1"}},
		"over too few zones":           {many(4, minDomains), "a:0 b:1 c:2,3", "a:0,1 b:2,3", []string{"pod-3", "the 0 of"}},
		"over zones that they select":  {many(4, both(even, inAB)), "a:0,1 b:2,3 c:", "a:0,1,2 b:3", []string{"pod-2"}},
		"over zones that they do not":  {many(2, blind), "a:0 b:1", "a:0,1 b: c:", []string{"pod-1"}},
		"if it can be done":            {many(3, rather), "a:0,1,2 b:", "", nil},
		"by version":                   {cast(version("1"), version("1"), version("2"), version("2")), "a:0,2 b:1,3", "a:0,1 b:2,3", []string{"pod-1"}},
		"beside pods without it":       {cast(aWeb, aWeb, aWeb, even, even), "a:0,1,2,3 b:4", "a:0,3,4 b: c:1,2", []string{"pod-4", "zone a"}},
		"in another namespace":         {cast(even, both(builders.Namespace("x"), even), both(builders.Namespace("y"), even)), "a:0,1,2 b:", "", nil},
		"over what nodes do not have":  {many(1, nowhere), "", "a:0", []string{"pod-0", "example.com/rack"}},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.fine != "" {
				accuse(t, judged(t, tc.pods, tc.fine))
			}
			if tc.wrong != "" {
				accuse(t, judged(t, tc.pods, tc.wrong), tc.fault...)
			}
		})
	}
}

func TestNodesBehindTaintsCountUnlessThePolicySaysOtherwise(t *testing.T) {
	node := &corev1.Node{Spec: corev1.NodeSpec{Taints: []corev1.Taint{{Key: "k", Effect: corev1.TaintEffectNoSchedule}}}}
	node.Labels = map[string]string{zone: "a"}
	for policy, want := range map[*corev1.NodeInclusionPolicy]bool{
		nil: true, new(corev1.NodeInclusionPolicyIgnore): true, new(corev1.NodeInclusionPolicyHonor): false,
	} {
		pod := cast(constrained(builders.Spread(zone, 1, nil), func(c *corev1.TopologySpreadConstraint) { c.NodeTaintsPolicy = policy }))[0]
		for _, e := range even(place{pod: pod}) {
			if got := e.counts(node); got != want {
				t.Errorf("policy %v: counts %v, want %v", policy, got, want)
			}
		}
	}
}
