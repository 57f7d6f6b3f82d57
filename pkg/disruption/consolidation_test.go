package disruption_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
	"github.com/kerf-autoscaler/kerf/pkg/state"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// scene is a cluster of one provisioner to decide on.
type scene struct {
	types cloudprovider.InstanceTypes
	model *state.Cluster
	in    disruption.Input
	pods  int
}

// market sells small, medium and large machines, on demand and some as spot.
func market(spot ...string) cloudprovider.InstanceTypes {
	var out cloudprovider.InstanceTypes
	for i, size := range []string{"large", "medium", "small"} {
		cores, price := 8>>i, 0.4/float64(int(1)<<i)
		modifiers := []builders.InstanceTypeModifier{
			builders.Capacity(fmt.Sprint(cores), fmt.Sprintf("%dGi", 4*cores), 100), builders.OnDemand(price, "zone-a"),
		}
		if slices.Contains(spot, size) {
			modifiers = append(modifiers, builders.Spot(price/4, "zone-a"))
		}
		out = append(out, builders.InstanceType(size, modifiers...))
	}
	return out
}

func newScene(types cloudprovider.InstanceTypes) *scene {
	return &scene{types: types, model: state.NewCluster(), in: disruption.Input{Now: now()}}
}

// node adds a machine that is a node, with pods that ask for cpu.
func (s *scene) node(name, instanceType, capacityType string, cpu ...string) *disruption.Candidate {
	i := slices.IndexFunc(s.types, func(t *cloudprovider.InstanceType) bool { return t.Name == instanceType })
	labels := map[string]string{
		v1alpha5.ProvisionerNameLabel: "default", corev1.LabelTopologyZone: "zone-a", v1alpha5.CapacityTypeLabel: capacityType,
		corev1.LabelInstanceTypeStable: instanceType,
	}
	machine := builders.Machine(name, "default", builders.RegisteredAs(name))
	machine.Labels, machine.Status.ProviderID = labels, "aws:///zone-a/"+name
	machine.Status.Capacity, machine.Status.Allocatable = s.types[i].Capacity, s.types[i].Allocatable()
	node := builders.Node(name, builders.ProviderID(machine.Status.ProviderID), builders.NodeLabels(labels), builders.Managed("default"))
	node.Status.Capacity, node.Status.Allocatable = machine.Status.Capacity, machine.Status.Allocatable
	s.model.UpdateMachine(machine)
	s.model.UpdateNode(node)
	for _, request := range cpu {
		s.pod(builders.CPU(request), builders.OnNode(name))
	}
	price := 0.0
	for _, offering := range s.types[i].Offerings {
		if offering.CapacityType == capacityType {
			price = offering.Price
		}
	}
	s.in.Candidates = append(s.in.Candidates, disruption.Candidate{
		Machine: name, Node: name, Provisioner: "default", PricePerHour: price, InstanceType: instanceType, CapacityType: capacityType,
		Consolidate: true, SettledAt: now().Add(-time.Minute),
	})
	return &s.in.Candidates[len(s.in.Candidates)-1]
}

func (s *scene) pod(modifiers ...builders.PodModifier) *corev1.Pod {
	s.pods++
	pod := builders.Pod(append([]builders.PodModifier{
		builders.Name(fmt.Sprintf("pod-%d", s.pods)), builders.Memory("128Mi"), builders.OwnedBy("apps/v1", "ReplicaSet", fmt.Sprintf("rs-%d", s.pods)),
	}, modifiers...)...)
	pod.UID, pod.CreationTimestamp = types.UID(pod.Name), metav1.NewTime(now().Add(-10*time.Hour))
	s.model.UpdatePod(pod)
	return pod
}

func (s *scene) decide(t *testing.T, methods ...disruption.Method) disruption.Decision {
	t.Helper()
	s.in.World = problem.Simulate(problem.Facts{
		Snapshot: s.model.Snapshot(s.in.Now), ExpendableBelow: problem.DefaultExpendableBelow,
		Offers: problem.Offers{"default": problem.NewOffer(builders.Provisioner("default",
			builders.Requirement(v1alpha5.CapacityTypeLabel, corev1.NodeSelectorOpExists)), s.types)},
	})
	return disruption.Decide(t.Context(), &s.in, methods...)
}

// told returns each command as "machines > instance types", and each refusal as "machine: reason".
func told(d disruption.Decision) []string {
	out := []string{}
	for _, c := range d.Commands {
		var gone, bought []string
		for _, m := range c.Machines {
			gone = append(gone, m.Machine)
		}
		for _, m := range c.Replacements {
			bought = append(bought, m.CapacityType+" "+m.InstanceTypes[0])
		}
		out = append(out, strings.TrimSpace(strings.Join(gone, "+")+" > "+strings.Join(bought, "+")))
	}
	for _, r := range d.Refusals {
		out = append(out, r.Machine+": "+r.Reason)
	}
	return out
}

// said returns the messages of a decision.
func said(d disruption.Decision) []string {
	out := []string{}
	for _, c := range d.Commands {
		out = append(out, c.Message)
	}
	for _, r := range d.Refusals {
		out = append(out, r.Machine+": "+r.Message)
	}
	return out
}

func TestWhatConsolidationDoes(t *testing.T) {
	tests := map[string]struct {
		spot  []string
		build func(s *scene)
		want  []string
	}{
		"pods that fit elsewhere leave their node": {nil, func(s *scene) {
			s.node("a", "large", "on-demand", "6500m")
			s.node("b", "small", "on-demand", "500m")
		}, []string{"b >", "a: Needed"}},
		"a node that is too large is replaced": {nil, func(s *scene) {
			s.node("a", "large", "on-demand", "1500m")
		}, []string{"a > on-demand small"}},
		"many become one": {nil, func(s *scene) {
			s.node("a", "medium", "on-demand", "2500m")
			s.node("b", "medium", "on-demand", "2500m")
			s.node("c", "medium", "on-demand", "2500m")
		}, []string{"a+b+c > on-demand large"}},
		"the pods of one go to several": {nil, func(s *scene) {
			for _, name := range []string{"a", "b", "c"} {
				s.node(name, "medium", "on-demand", "1900m", "1900m")
			}
			s.node("d", "large", "on-demand", "6100m")
			s.node("e", "large", "on-demand", "6100m")
		}, []string{"a >", "b: Needed", "c: Needed", "d: Needed", "e: Needed"}},
		"what is used is left alone": {nil, func(s *scene) {
			s.node("a", "small", "on-demand", "1500m")
		}, []string{"a: Needed"}},
		"spot takes the place of on demand": {[]string{"small"}, func(s *scene) {
			s.node("a", "small", "on-demand", "1500m")
		}, []string{"a > spot small"}},
		"spot does not take the place of spot while there is little to choose from": {[]string{"small", "medium"}, func(s *scene) {
			s.node("a", "medium", "spot", "1500m")
		}, []string{"a: NotWorthTheMove"}},
		"many pods do not move for a little": {nil, func(s *scene) {
			s.node("a", "medium", "on-demand", slices.Repeat([]string{"15m"}, 60)...)
			s.in.Settings.EvictionCost = 0.01
		}, []string{"a: NotWorthTheMove"}},
		"what is held, expected or protected stays": {nil, func(s *scene) {
			s.node("a", "large", "on-demand", "500m").Held = "a pod says no"
			s.node("b", "large", "on-demand", "500m").Nominated = true
			s.node("c", "large", "on-demand", "500m").Protected = true
			s.node("d", "large", "on-demand", "500m").SettledAt = now().Add(time.Second)
			s.node("e", "large", "on-demand", "500m").PricePerHour = 0
			s.node("f", "large", "on-demand", "500m").Consolidate = false
		}, []string{"a: Held", "b: PodsExpected", "c: Protected", "d: Unsettled", "e: PriceUnknown"}},
		"budgets hold": {nil, func(s *scene) {
			s.node("a", "large", "on-demand", "500m")
			s.node("b", "large", "on-demand", "500m")
			s.in.Allowed = map[disruption.Quota]int{{Provisioner: "default", Reason: disruption.ReasonUnderutilized}: 1}
		}, []string{"a >", "b: BudgetUsedUp"}},
		"nothing moves while pods are on their way": {nil, func(s *scene) {
			s.node("a", "large", "on-demand", "500m")
			s.node("b", "large", "on-demand", "500m")
			s.pod(func(p *corev1.Pod) {
				p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable}}
			}).CreationTimestamp = metav1.NewTime(now())
		}, []string{"a: Unsettled", "b: Unsettled"}},
		"pods that were moved lately are not moved again": {nil, func(s *scene) {
			s.node("a", "large", "on-demand")
			pod := s.pod(builders.CPU("1"), builders.OnNode("a"))
			pod.CreationTimestamp = metav1.NewTime(now().Add(-time.Minute))
			s.in.Settings.Moves.Add([]*corev1.Pod{pod}, now().Add(-time.Minute))
		}, []string{"a: MovedLately"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := newScene(market(tc.spot...))
			tc.build(s)
			got := s.decide(t, disruption.Consolidation)
			if diff := cmp.Diff(tc.want, told(got)); diff != "" {
				t.Errorf("decision (-want +got):\n%s%q", diff, said(got))
			}
		})
	}
}

// A machine that takes the place of others is no instance type that costs as much as they do, wherever it is launched.
func TestReplacementsAreWorthItWhateverTheyBecome(t *testing.T) {
	types := market()
	types = append(types, builders.InstanceType("uneven", builders.Capacity("2", "8Gi", 100), builders.OnDemand(0.09, "zone-a"), builders.OnDemand(5, "zone-b")))
	s := newScene(types)
	s.node("a", "large", "on-demand", "1500m")
	got := s.decide(t, disruption.Consolidation)
	if len(got.Commands) != 1 || !cmp.Equal(got.Commands[0].Replacements[0].InstanceTypes, []string{"small"}) {
		t.Errorf("the decision is %q, want a small one, not what costs $5 in a zone that it may go to", said(got))
	}
}

func TestWhatIsDueIsReplacedWhateverItCosts(t *testing.T) {
	s := newScene(market())
	s.node("a", "small", "on-demand", "1500m").ExpiresAt = now().Add(-time.Hour)
	s.node("b", "small", "on-demand", "1500m").ExpiresAt = now().Add(-2 * time.Hour)
	s.node("c", "small", "on-demand", "1500m").ExpiresAt = now().Add(time.Hour)
	drifted := s.node("d", "small", "on-demand", "1500m")
	drifted.Drifted, drifted.DriftedSince = "another image is asked for", now()
	s.in.Allowed = map[disruption.Quota]int{{Provisioner: "default", Reason: disruption.ReasonExpired}: 1}
	got := s.decide(t, disruption.Expiration, disruption.Drift)
	if diff := cmp.Diff([]string{"b > on-demand small", "a: BudgetUsedUp"}, told(got)); diff != "" || !got.Again.Equal(now().Add(time.Hour)) {
		t.Errorf("again at %s, decision (-want +got):\n%s", got.Again, diff)
	}
	got = s.decide(t, disruption.Drift)
	if diff := cmp.Diff([]string{"d > on-demand small"}, told(got)); diff != "" || got.Commands[0].Reason != disruption.ReasonDrifted {
		t.Errorf("decision (-want +got):\n%s", diff)
	}
}

// Pods of what is replaced do not go where they would have to leave again.
func TestPodsDoNotMoveToWhatIsDueItself(t *testing.T) {
	s := newScene(market())
	for _, name := range []string{"a", "b"} {
		s.node(name, "large", "on-demand", "500m").ExpiresAt = now().Add(-time.Hour)
	}
	s.in.Allowed = map[disruption.Quota]int{{Provisioner: "default", Reason: disruption.ReasonExpired}: 1}
	if diff := cmp.Diff([]string{"a > on-demand small", "b: BudgetUsedUp"}, told(s.decide(t, disruption.Expiration))); diff != "" {
		t.Errorf("decision (-want +got):\n%s", diff)
	}
}

// One that cannot move does not keep the others waiting, however long it is due.
func TestWhatCannotMoveKeepsNobodyElse(t *testing.T) {
	s := newScene(market())
	s.node("a", "small", "on-demand").ExpiresAt = now().Add(-2 * time.Hour)
	s.pod(builders.CPU("500m"), builders.OnNode("a"), builders.NodeSelector(map[string]string{corev1.LabelHostname: "a"}))
	for _, name := range []string{"b", "c"} {
		s.node(name, "small", "on-demand", "1500m").ExpiresAt = now().Add(-time.Hour)
	}
	s.in.Allowed = map[disruption.Quota]int{{Provisioner: "default", Reason: disruption.ReasonExpired}: 1}
	if diff := cmp.Diff([]string{"b > on-demand small", "a: Needed", "c: BudgetUsedUp"}, told(s.decide(t, disruption.Expiration))); diff != "" {
		t.Errorf("decision (-want +got):\n%s", diff)
	}
}

// However many nodes are full, those that are nearly empty are tried.
func TestNearlyEmptyNodesAreFoundAmongManyFullOnes(t *testing.T) {
	s := newScene(market()[2:])
	quota := disruption.Quota{Provisioner: "default", Reason: disruption.ReasonUnderutilized}
	s.in.Allowed = map[disruption.Quota]int{quota: 60}
	const nodes, emptyOnes = 600, 30
	for i := range nodes {
		cpu := []string{"1800m"} // one pod is cheaper to move than twelve, and fits nowhere else
		if i%(nodes/emptyOnes) == 0 {
			cpu = slices.Repeat([]string{"20m"}, 12)
		}
		s.node(fmt.Sprintf("node-%04d", i), "small", "on-demand", cpu...).SettledAt = now().Add(-14 * 24 * time.Hour)
	}
	decision := s.decide(t, disruption.Consolidation)
	going := 0
	for _, command := range decision.Commands {
		going += len(command.Machines)
	}
	if going < emptyOnes*3/4 {
		t.Errorf("%d machines go, of %d that are nearly empty", going, emptyOnes)
	}
	for _, refusal := range decision.Refusals {
		if refusal.Reason == disruption.ReasonBudget {
			t.Fatalf("machine %s stays as if budgets were used up, of which %d of 60 are", refusal.Machine, going)
		}
	}
}
