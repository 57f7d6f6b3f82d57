package disruption_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// costs decides, writes what comes of it on the pods, and returns it by name.
func (s *scene) costs(t *testing.T) map[string]string {
	t.Helper()
	s.in.Settings.DeletionCosts, s.in.Settings.EvictionCost = true, 1000
	out := map[string]string{}
	for _, of := range s.decide(t, disruption.Consolidation).DeletionCosts {
		out[of.Pod.Name] = of.Cost
		pod := of.Pod.DeepCopy()
		pod.Annotations = map[string]string{corev1.PodDeletionCost: of.Cost, v1alpha5.DeletionCostAnnotation: of.Cost}
		s.model.UpdatePod(pod)
	}
	return out
}

// of adds a pod of a ReplicaSet to a node.
func (s *scene) of(replicaSet, node string, modifiers ...builders.PodModifier) *corev1.Pod {
	return s.pod(append([]builders.PodModifier{builders.CPU("100m"), builders.OnNode(node), ownedOnlyBy("ReplicaSet", replicaSet)}, modifiers...)...)
}

func ownedOnlyBy(kind, name string) builders.PodModifier {
	return func(p *corev1.Pod) {
		p.OwnerReferences = nil
		builders.OwnedBy("apps/v1", kind, name)(p)
	}
}

func TestPodsOnNodesThatCostMostForEachOfThemAreTheCheapestToDelete(t *testing.T) {
	annotated := func(key, value string) builders.PodModifier {
		return func(p *corev1.Pod) { metav1.SetMetaDataAnnotation(&p.ObjectMeta, key, value) }
	}
	spread := func(key string) builders.PodModifier {
		return func(p *corev1.Pod) {
			p.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
				MaxSkew: 1, TopologyKey: key, WhenUnsatisfiable: corev1.ScheduleAnyway, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
			}}
		}
	}
	// A large machine costs $0.40 an hour, and a grade is 5 % more: it is 170 for one pod alone, 156 for two and 147 for three.
	for name, tc := range map[string]struct {
		like   []builders.PodModifier
		change func(*scene)
		want   map[string]string
	}{
		"one of each":              {want: map[string]string{"pod-1": "-171", "pod-2": "-157", "pod-4": "-148"}},
		"two on the same":          {change: func(s *scene) { s.of("web", "c") }, want: map[string]string{"pod-1": "-171", "pod-2": "-157", "pod-4": "-143", "pod-7": "-1143"}},
		"their owner's word":       {like: []builders.PodModifier{annotated(corev1.PodDeletionCost, "5")}, want: map[string]string{}},
		"their owner's last word":  {like: []builders.PodModifier{annotated(corev1.PodDeletionCost, "5"), annotated(v1alpha5.DeletionCostAnnotation, "-171")}, want: map[string]string{}},
		"spread over zones":        {like: []builders.PodModifier{spread(corev1.LabelTopologyZone)}, want: map[string]string{}},
		"spread over nodes":        {like: []builders.PodModifier{spread(corev1.LabelHostname)}, want: map[string]string{"pod-1": "-171", "pod-2": "-157", "pod-4": "-148"}},
		"to be kept":               {change: func(s *scene) { s.in.Candidates[0].Protected = true }, want: map[string]string{"pod-2": "-157", "pod-4": "-148"}},
		"held":                     {change: func(s *scene) { s.in.Candidates[0].Held = "a pod" }, want: map[string]string{"pod-2": "-157", "pod-4": "-148"}},
		"not asked for":            {change: func(s *scene) { s.in.Candidates[0].Consolidate = false }, want: map[string]string{"pod-2": "-157", "pod-4": "-148"}},
		"pods are about to come":   {change: func(s *scene) { s.in.Candidates[0].Nominated = true }, want: map[string]string{"pod-1": "-171", "pod-2": "-157", "pod-4": "-148"}},
		"nobody knows the price":   {change: func(s *scene) { s.in.Candidates[0].PricePerHour = 0 }, want: map[string]string{"pod-2": "-157", "pod-4": "-148"}},
		"a StatefulSet, not asked": {like: []builders.PodModifier{ownedOnlyBy("StatefulSet", "web")}, want: map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(market())
			for i, node := range []string{"a", "b", "c"} {
				s.node(node, "large", "on-demand")
				s.of("web", node, tc.like...)
				for j := range i {
					s.of(fmt.Sprint("alone-", i, j), node)
				}
			}
			if tc.change != nil {
				tc.change(s)
			}
			if diff := gocmp.Diff(tc.want, s.costs(t)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if again := s.costs(t); len(again) > 0 {
				t.Errorf("nothing has changed, and again %v", again)
			}
		})
	}
}

func TestWhatADeletionCostsIsTakenBack(t *testing.T) {
	for name, happens := range map[string]func(*scene){
		"consolidation is disabled": func(s *scene) { s.in.Candidates[0].Consolidate = false },
		"the node is to be kept":    func(s *scene) { s.in.Candidates[0].Protected = true },
		"the others are gone":       func(s *scene) { s.model.DeletePod("pod-2") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(market())
			s.node("a", "large", "on-demand")
			s.node("b", "large", "on-demand")
			s.of("web", "a")
			s.of("web", "b")
			if before := s.costs(t); len(before) != 2 {
				t.Fatalf("costs are %v", before)
			}
			happens(s)
			if got := s.costs(t); got["pod-1"] != "" || len(got) == 0 {
				t.Errorf("costs are %v", got)
			}
		})
	}
}

// A pod that comes to ask for its node to stay is not the first to be deleted, and one that a budget keeps for a moment stays as it was.
func TestCostsOfPodsThatKeepTheirNode(t *testing.T) {
	s := newScene(market())
	s.node("a", "large", "on-demand")
	s.node("b", "large", "on-demand")
	pod := s.of("web", "a")
	s.of("web", "a")
	s.of("web", "b")
	if before := s.costs(t); len(before) != 3 {
		t.Fatalf("costs are %v", before)
	}
	s.in.Candidates[0].Held = "a budget has no disruptions left"
	if got := s.costs(t); len(got) > 0 {
		t.Errorf("while a budget keeps the node costs become %v", got)
	}
	busy := pod.DeepCopy()
	busy.Annotations = map[string]string{
		v1alpha5.DoNotEvictAnnotation: "true", corev1.PodDeletionCost: "-157", v1alpha5.DeletionCostAnnotation: "-157",
	}
	s.model.UpdatePod(busy)
	if diff := gocmp.Diff(map[string]string{"pod-1": ""}, s.costs(t)); diff != "" {
		t.Errorf("once one of its pods is to be left alone (-want +got)\n%s", diff)
	}
}

// One pod more among many changes nothing for the others.
func TestAPodMoreIsWrittenToAlone(t *testing.T) {
	s := newScene(market())
	s.node("a", "large", "on-demand")
	s.node("b", "large", "on-demand")
	for range 12 {
		s.of("web", "a", builders.CPU("10m"))
	}
	s.of("web", "b")
	s.costs(t)
	another := s.of("web", "a", builders.CPU("10m"))
	another.CreationTimestamp = metav1.NewTime(now())
	s.model.UpdatePod(another)
	if got := s.costs(t); len(got) != 1 || got["pod-14"] == "" {
		t.Errorf("costs that change are %v", got)
	}
}

// Whatever pods there are: replicas go in the order of their costs from the node that has most of them, and of several such nodes from one
// that is as dear as any, to within a grade.
func TestReplicasStaySpreadWhileTheDearestNodesEmpty(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // the same each time
		s := newScene(market())
		nodes := 2 + r.IntN(8)
		for i := range nodes {
			s.node(fmt.Sprint("node-", i), []string{"small", "large"}[r.IntN(2)], "on-demand")
		}
		all := map[string]*corev1.Pod{}
		on := map[string]int{}
		for range 2 + r.IntN(30) {
			pod := s.of(fmt.Sprint("rs-", r.IntN(4)), fmt.Sprint("node-", r.IntN(nodes)), builders.CPU("10m"))
			pod.CreationTimestamp = metav1.NewTime(now().Add(-time.Duration(r.IntN(600)) * time.Minute))
			s.model.UpdatePod(pod)
			all[pod.Name] = pod
			on[pod.Spec.NodeName]++
		}
		dear := map[string]float64{} // name of a node -> what it costs for each pod
		for i := range s.in.Candidates {
			dear[s.in.Candidates[i].Node] = s.in.Candidates[i].PricePerHour / float64(max(1, on[s.in.Candidates[i].Node]))
		}
		byOwner := map[string][]string{}
		costs := s.costs(t)
		for name := range costs {
			owner := metav1.GetControllerOf(all[name]).Name
			byOwner[owner] = append(byOwner[owner], name)
		}
		for owner, names := range byOwner {
			slices.SortFunc(names, func(a, b string) int { return cmp.Compare(atoi(t, costs[a]), atoi(t, costs[b])) })
			like := map[string]int{}
			for _, name := range names {
				like[all[name].Spec.NodeName]++
			}
			for _, name := range names {
				from := all[name].Spec.NodeName
				for other, n := range like {
					if n > like[from] || n == like[from] && dear[other] > dear[from]*1.051 {
						t.Fatalf("seed %d: of %s %s goes from %s, which has %d and costs $%.4f for each pod, not from %s with %d and $%.4f",
							seed, owner, name, from, like[from], dear[from], other, n, dear[other])
					}
				}
				like[from]--
			}
		}
		if again := s.costs(t); len(again) > 0 {
			t.Fatalf("seed %d: nothing has changed, and again %v", seed, again)
		}
	}
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
