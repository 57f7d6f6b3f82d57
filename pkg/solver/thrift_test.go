package solver_test

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func TestMoreInstanceTypesDoNotMakePlansDearer(t *testing.T) {
	for name, tc := range map[string]struct {
		world func(testing.TB, size) solver.Problem
		pods  int
		types []int
	}{
		"few pods of Karpenter's mix":            {karpenterMix, 500, []int{50, 100, 200, 400, 800}},
		"Karpenter's mix":                        {karpenterMix, 5000, []int{50, 200, 300, 400, 500, 800, 1353}},
		"few pods of the mix, real types":        {fullCatalogue, 1000, []int{300, 600, 900, 1353}},
		"the mix for parts of a real catalogue":  {fullCatalogue, 5000, []int{300, 600, 900, 1353}},
		"pods of five shapes":                    {identical, 5000, []int{100, 300, 700}},
		"pods that all differ, in a real region": {allDifferent, 1000, []int{200, 400, 1353}},
		"pods for a busy cluster":                {busyCluster, 2000, []int{60, 200, 400}},
	} {
		t.Run(name, func(t *testing.T) {
			least, with := 0.0, 0
			for _, types := range tc.types {
				cost := solver.Solve(t.Context(), tc.world(t, size{tc.pods, types, 100})).CostPerHour
				if least > 0 && cost > least*1.01 {
					t.Errorf("with %d types the plan costs $%.4f/h, with %d $%.4f/h", types, cost, with, least)
				}
				if least == 0 || cost < least {
					least, with = cost, types
				}
			}
		})
	}
}

// zonal is two zones: one with the cheapest machine of all, the other with one that costs less for what it holds.
func zonal() cloudprovider.InstanceTypes {
	return cloudprovider.InstanceTypes{
		builders.InstanceType("tiny", builders.Capacity("1", "2Gi", 10), builders.OnDemand(0.05, "zone-a"), builders.OnDemand(0.06, "zone-b")),
		builders.InstanceType("roomy", builders.Capacity("4", "8Gi", 40), builders.OnDemand(0.2, "zone-a"), builders.OnDemand(0.1, "zone-b")),
	}
}

// alike returns pods of one app that ask for so much cpu.
func alike(n int, name, cpu string, more ...builders.PodModifier) []*corev1.Pod {
	out := make([]*corev1.Pod, n)
	for i := range out {
		out[i] = builders.Pod(append([]builders.PodModifier{
			builders.Name(fmt.Sprintf("%s-%03d", name, i)), builders.Labels(map[string]string{"app": "web"}), builders.CPU(cpu), builders.Memory("64Mi"),
		}, more...)...)
	}
	return out
}

// perZone counts the planned pods that ask for so much cpu by zone; any if cpu is "".
func perZone(t *testing.T, pods []*corev1.Pod, cpu string) map[string]int {
	t.Helper()
	plan := solver.Solve(t.Context(), solver.Problem{Pods: pods, Provisioners: []solver.Provisioner{{Name: "default", InstanceTypes: zonal()}}})
	if len(plan.Unplaced) > 0 {
		t.Fatalf("%d pods are unplaced, one because %s", len(plan.Unplaced), plan.Unplaced[0].Reason)
	}
	out := map[string]int{}
	for _, m := range plan.Machines {
		zone, _ := m.Requirements.Get(corev1.LabelTopologyZone).Single()
		for _, pod := range m.Pods {
			if cpu == "" || pod.Spec.Containers[0].Resources.Requests.Cpu().String() == cpu {
				out[zone]++
			}
		}
	}
	return out
}

func TestPodsThatKeepTogetherGoWhereAllOfThemCostLeast(t *testing.T) {
	web := map[string]string{"app": "web"}
	together := builders.Affinity(corev1.LabelTopologyZone, web)
	if got := perZone(t, alike(1, "lone", "500m", together), ""); got["zone-a"] != 1 {
		t.Errorf("a lone pod is in %v, the cheapest machine in zone-a", got)
	}
	pods := append(alike(30, "large", "600m", together), alike(400, "small", "150m", together)...)
	if got := perZone(t, pods, ""); got["zone-b"] != len(pods) {
		t.Errorf("the pods are in %v, many cost less in zone-b", got)
	}
}

func TestPodsThatOnlyCountForASpreadGoWhereTheyCostLeast(t *testing.T) {
	spread := builders.Spread(corev1.LabelTopologyZone, 1, map[string]string{"app": "web"})
	pods := append(alike(40, "counted", "500m"), alike(20, "spread", "250m", spread)...)
	if got := perZone(t, pods, "500m"); got["zone-b"] != 40 {
		t.Errorf("pods that spread count are in %v, they cost less in zone-b", got)
	}
	if got := perZone(t, pods, "250m"); got["zone-a"] != 20 {
		t.Errorf("pods that spread are in %v, all others are in zone-b", got)
	}
}

func TestPodsThatOnlyCountForASpreadAreLevelWhereOthersNeedIt(t *testing.T) {
	spread := builders.Spread(corev1.LabelTopologyZone, 1, map[string]string{"app": "web"})
	bound := func(p *corev1.Pod) {
		p.Spec.NodeSelector = map[string]string{corev1.LabelTopologyZone: "zone-b"}
		p.Spec.TopologySpreadConstraints[0].NodeAffinityPolicy = ptr.To(corev1.NodeInclusionPolicyIgnore)
	}
	pods := append(alike(40, "counted", "500m"), alike(1, "spread", "250m", spread, bound)...)
	if got := perZone(t, pods, "500m"); got["zone-a"] != 20 || got["zone-b"] != 20 {
		t.Errorf("the pods that a spread counts are in %v; its pod has to be in zone-b with no more than one above zone-a", got)
	}
}

func TestTheSmallPodsOfASpreadGoWhereMachinesAreDear(t *testing.T) {
	spread := builders.Spread(corev1.LabelTopologyZone, 1, map[string]string{"app": "web"})
	pods := append(alike(20, "large", "900m", spread), alike(20, "small", "100m", spread)...)
	if got := perZone(t, pods, "900m"); got["zone-b"] != 20 {
		t.Errorf("the large pods are in %v, they cost less in zone-b", got)
	}
	if got := perZone(t, pods, "100m"); got["zone-a"] != 20 {
		t.Errorf("the small pods are in %v, as many have to be in zone-a", got)
	}
}
