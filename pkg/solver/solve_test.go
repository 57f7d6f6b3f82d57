package solver_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/resources"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// plain is a provisioner without conditions over a small catalogue.
func plain(modifiers ...func(*solver.Provisioner)) []solver.Provisioner {
	p := solver.Provisioner{Name: "default", InstanceTypes: catalogue(60)}
	for _, modify := range modifiers {
		modify(&p)
	}
	return []solver.Provisioner{p}
}

func TestAPodOfAThousandTermsCostsOnlyItself(t *testing.T) {
	var terms []builders.PodModifier
	for i := range 1000 {
		terms = append(terms, builders.NodeAffinity(
			corev1.NodeSelectorRequirement{Key: corev1.LabelInstanceTypeStable, Operator: corev1.NodeSelectorOpNotIn, Values: []string{fmt.Sprint(i)}},
			corev1.NodeSelectorRequirement{Key: fmt.Sprintf("example.com/%d", i), Operator: corev1.NodeSelectorOpIn, Values: []string{"x"}}))
	}
	poison := builders.Pod(append(terms, builders.Name("poison"))...)
	pods := append(shapes(50, 5), poison)
	plan := solver.Solve(t.Context(), solver.Problem{Pods: pods, Provisioners: plain()})
	if len(plan.Unplaced) != 1 || plan.Unplaced[0].Pod != poison || !strings.Contains(plan.Unplaced[0].Reason, "does not define the label") {
		t.Errorf("unplaced: %v", plan.Unplaced)
	}
	without := solver.Solve(t.Context(), solver.Problem{Pods: pods[:50], Provisioners: plain()})
	if plan.CostPerHour != without.CostPerHour {
		t.Errorf("the plan costs $%v/h, without the pod $%v/h", plan.CostPerHour, without.CostPerHour)
	}
}

func TestSelectorsThatSelectNothingOrEverythingDoNotConfuse(t *testing.T) {
	constraint := func(s *metav1.LabelSelector) builders.PodModifier {
		return func(p *corev1.Pod) {
			p.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
				TopologyKey: corev1.LabelHostname, MaxSkew: 1, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: s,
			}}
		}
	}
	invalid := &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Like"}}}
	for name, tc := range map[string]struct {
		selector           *metav1.LabelSelector
		machines, unplaced int
	}{
		"nil selects nothing, so nothing is spread":        {machines: 1},
		"the empty one counts nobody":                      {selector: &metav1.LabelSelector{}, machines: 1},
		"an invalid one leaves the pods, with that reason": {selector: invalid, unplaced: 4},
		"one that selects others does not spread the pods": {selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "x"}}, machines: 1},
	} {
		t.Run(name, func(t *testing.T) {
			var pods []*corev1.Pod
			for i := range 4 {
				pods = append(pods, builders.Pod(builders.Name(fmt.Sprint("pod-", i)), builders.CPU("100m"), constraint(tc.selector)))
			}
			plan := solver.Solve(t.Context(), solver.Problem{Pods: pods, Provisioners: plain()})
			if len(plan.Machines) != tc.machines || len(plan.Unplaced) != tc.unplaced {
				t.Errorf("%d machines and %d unplaced, want %d and %d", len(plan.Machines), len(plan.Unplaced), tc.machines, tc.unplaced)
			}
		})
	}
}

func TestNegativeRequestsMakeNoRoom(t *testing.T) {
	one := cloudprovider.InstanceTypes{builders.InstanceType("one", builders.Capacity("1", "1Gi", 10), builders.OnDemand(1, "a"))}
	plan := solver.Solve(t.Context(), solver.Problem{
		Pods: []*corev1.Pod{
			builders.Pod(builders.Name("giver"), builders.CPU("-5")), builders.Pod(builders.Name("taker"), builders.CPU("3")),
		},
		Provisioners: plain(func(p *solver.Provisioner) { p.InstanceTypes = one }),
	})
	if len(plan.Unplaced) != 1 || plan.Unplaced[0].Pod.Name != "taker" {
		t.Errorf("unplaced: %v", plan.Unplaced)
	}
}

func TestAnEndedContextLeavesPodsForTheNextPass(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := solver.Problem{Pods: shapes(10, 2), Provisioners: plain()}
	plan := solver.Solve(ctx, p)
	if len(plan.Unplaced) != 10 || !strings.Contains(plan.Unplaced[0].Reason, "time") {
		t.Errorf("unplaced: %v", plan.Unplaced)
	}
}

func TestReasonsHaveAtMost300BytesAndKeepTheAdvice(t *testing.T) {
	long := strings.Repeat("ü", 63)
	plan := solver.Solve(t.Context(), solver.Problem{
		Pods: []*corev1.Pod{builders.Pod(builders.NodeAffinity(corev1.NodeSelectorRequirement{
			Key: corev1.LabelInstanceTypeStable, Operator: corev1.NodeSelectorOpIn, Values: []string{long + "1", long + "2", long + "3", long + "4"},
		}))},
		Provisioners: plain(),
	})
	reason := plan.Unplaced[0].Reason
	if len(reason) > 300 || len(reason) < 290 || !strings.HasSuffix(reason, "; no other has it, so change it in the pod") || !strings.Contains(reason, "...") || strings.ContainsRune(reason, '\uFFFD') {
		t.Errorf("reason of %d bytes: %s", len(reason), reason)
	}
}

func TestSolveDoesNotChangeTheProblem(t *testing.T) {
	for seed := range uint64(50) {
		p, want := newWorld(seed).problem(), newWorld(seed).problem()
		solver.Solve(t.Context(), p)
		if diff := cmp.Diff(contents(want), contents(p)); diff != "" {
			t.Fatalf("problem %d: %s", seed, diff)
		}
	}
}

// contents returns all of a problem that Solve could change.
func contents(p solver.Problem) []string {
	var out []string
	for _, pod := range slices.Concat(p.Pods, p.DaemonSets) {
		out = append(out, pod.String())
	}
	for _, n := range p.Nodes {
		out = append(out, n.Name, fmt.Sprint(n.Labels, n.Possible, n.Taints, n.Available))
	}
	for _, q := range p.Provisioners {
		out = append(out, q.Name, q.Requirements.String(), fmt.Sprint(q.Taints, q.Remaining))
		for _, t := range q.InstanceTypes {
			out = append(out, t.Name, t.Requirements.String(), fmt.Sprint(t.Offerings, t.Capacity, t.Overhead))
		}
	}
	return out
}

func TestFlexibleListsAreTrimmedToTheLimit(t *testing.T) {
	types := cloudprovider.InstanceTypes{
		builders.InstanceType("tight", builders.Capacity("4", "8Gi", 10), builders.OnDemand(1, "a")),
		builders.InstanceType("wide", builders.Capacity("6", "8Gi", 10), builders.OnDemand(1.2, "a")),
	}
	pods := []*corev1.Pod{builders.Pod(builders.Name("a"), builders.CPU("3500m")), builders.Pod(builders.Name("b"), builders.CPU("3500m"))}
	for name, tc := range map[string]struct {
		limit string
		want  []string
	}{
		"room for both of the wider":   {limit: "12", want: []string{"tight", "wide"}},
		"room for one of the wider":    {limit: "11", want: []string{"tight"}},
		"room for the tight ones only": {limit: "8", want: []string{"tight"}},
	} {
		t.Run(name, func(t *testing.T) {
			plan := solver.Solve(t.Context(), solver.Problem{Pods: pods, Provisioners: plain(func(p *solver.Provisioner) {
				p.InstanceTypes, p.Remaining = types, corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(tc.limit), v1alpha5.ResourceNodes: resource.MustParse("9")}
			})})
			if len(plan.Machines) != 2 {
				t.Fatalf("%d machines: %v", len(plan.Machines), plan.Unplaced)
			}
			for _, m := range plan.Machines {
				if diff := cmp.Diff(tc.want, m.InstanceTypes); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

// What was bought for pods has to be enough for them in the next pass, too, while the machines are on their way; else every
// pass buys a little more.
func TestMachinesOnTheirWayTakeThePodsTheyWereBoughtFor(t *testing.T) {
	for seed := range uint64(100) {
		p := newWorld(seed).problem()
		p.Nodes = nil
		first := solver.Solve(t.Context(), p)
		p.Planned = map[types.UID]string{}
		for i, m := range first.Machines {
			provisioner, name := provisionerNamed(p, m.Provisioner), fmt.Sprintf("machine-%02d", i)
			it := typeNamed(provisioner.InstanceTypes, m.InstanceTypes[0])
			n := solver.Node{Name: name, Labels: it.Requirements.Labels(), Taints: provisioner.Taints, Possible: m.Requirements}
			n.Labels[corev1.LabelHostname] = name
			available := resources.Sub(it.Allocatable(), m.Requests)
			for _, pod := range m.Pods {
				p.Planned[pod.UID] = name
				available = resources.Sum(available, pods.Requests(pod))
			}
			n.Available = available
			p.Nodes = append(p.Nodes, n)
		}
		p.Provisioners = nil
		placed := map[*corev1.Pod]bool{}
		for _, placement := range solver.Solve(t.Context(), p).Placements {
			placed[placement.Pod] = true
		}
		for i, m := range first.Machines {
			for _, pod := range m.Pods {
				if !placed[pod] {
					t.Errorf("problem %d: machine %d was bought for %s and does not take it", seed, i, pod.Name)
				}
			}
		}
	}
}
