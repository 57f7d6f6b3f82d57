package solver_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// listings returns which instance types each machine lists, in order.
func listings(machines []solver.Machine) []string {
	var out []string
	for _, m := range machines {
		out = append(out, strings.Join(m.InstanceTypes, " "))
	}
	slices.Sort(out)
	return out
}

// A DaemonSet runs on amd64 alone and has a port there.
func TestInstanceTypesWithDifferentDaemonSetsShareAMachineForPodsThatGoWithAll(t *testing.T) {
	size, price := builders.Capacity("4", "8Gi", 20), builders.OnDemand
	amd, arm := builders.TypeLabel(corev1.LabelArchStable, "amd64"), builders.TypeLabel(corev1.LabelArchStable, "arm64")
	types := cloudprovider.InstanceTypes{
		builders.InstanceType("amd-1", size, amd, price(0.1, "a")), builders.InstanceType("amd-2", size, amd, price(0.2, "a")),
		builders.InstanceType("arm-1", size, arm, price(0.3, "a")), builders.InstanceType("arm-2", size, arm, price(0.4, "a")),
	}
	daemon := builders.Pod(builders.Name("agent"), builders.CPU("100m"), builders.HostPort(8080), builders.NodeSelector(map[string]string{corev1.LabelArchStable: "amd64"}))
	same, other := builders.HostPort(8080), builders.HostPort(9090)
	for name, tc := range map[string]struct {
		least int
		pods  []*corev1.Pod
		want  []string
		left  int
	}{
		"any that are wanted":                    {least: 4, pods: alike(1, "web", "1"), want: []string{"amd-1 amd-2 arm-1 arm-2"}},
		"a pod with another port":                {least: 3, pods: alike(1, "web", "1", other), want: []string{"amd-1 amd-2 arm-1"}},
		"the daemon's port is free on some":      {least: 2, pods: alike(1, "web", "1", same), want: []string{"arm-1 arm-2"}},
		"the daemon's port is free on too few":   {least: 3, pods: alike(1, "web", "1", same), left: 1},
		"one minds the daemon, another does not": {least: 2, pods: append(alike(1, "web", "3", same), alike(1, "db", "3")...), want: []string{"amd-1 amd-2", "arm-1 arm-2"}},
		"pods keep their port from each other":   {least: 3, pods: alike(2, "web", "1", other), want: []string{"amd-1 amd-2 arm-1", "amd-1 amd-2 arm-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			plan := solver.Solve(t.Context(), solver.Problem{
				Pods: tc.pods, DaemonSets: []*corev1.Pod{daemon},
				Provisioners: plain(func(p *solver.Provisioner) {
					p.InstanceTypes, p.MinValues = types, map[string]int{corev1.LabelInstanceTypeStable: tc.least}
				}),
			})
			if got := listings(plan.Machines); !slices.Equal(got, tc.want) || len(plan.Unplaced) != tc.left {
				t.Errorf("machines %q, want %q; unplaced %v, want %d", got, tc.want, plan.Unplaced, tc.left)
			}
		})
	}
}

// In one zone it takes the large instance type to have two, over both zones the small ones do.
func TestAMachineTakesOfTheLimitsWhatItLists(t *testing.T) {
	types := cloudprovider.InstanceTypes{
		builders.InstanceType("small-a", builders.Capacity("2", "4Gi", 20), builders.OnDemand(0.1, "a")),
		builders.InstanceType("small-b", builders.Capacity("2", "4Gi", 20), builders.OnDemand(0.1, "b")),
		builders.InstanceType("large", builders.Capacity("16", "32Gi", 20), builders.OnDemand(0.8, "a", "b")),
	}
	apart := builders.AntiAffinity(corev1.LabelHostname, map[string]string{"app": "web"})
	inZone := builders.NodeSelector(map[string]string{corev1.LabelTopologyZone: "a"})
	both, one := "small-a small-b", "small-a large"
	for name, tc := range map[string]struct {
		pods  []*corev1.Pod
		limit int
		want  []string
		left  int
	}{
		"one after the other":         {pods: alike(3, "web", "100m", apart), limit: 20, want: []string{both, both, both}},
		"many at once":                {pods: alike(30, "web", "100m", apart), limit: 80, want: slices.Repeat([]string{both}, 30)},
		"until they leave too little": {pods: alike(9, "web", "100m", apart), limit: 20, want: []string{both, both, both}, left: 6},
		"a pod of one zone keeps it":  {pods: alike(2, "web", "100m", apart, inZone), limit: 20, want: []string{one}, left: 1},
		"a pod of one zone comes when others have given back": {
			pods: append(alike(2, "web", "200m", apart), alike(1, "late", "100m", apart, inZone)...), limit: 20, want: []string{one, both, both},
		},
		"nothing is left of what was enough": {pods: alike(1, "web", "100m", apart), limit: 16, want: []string{both}},
	} {
		t.Run(name, func(t *testing.T) {
			slices.Sort(tc.want)
			p := solver.Problem{Pods: tc.pods, Provisioners: plain(func(p *solver.Provisioner) {
				p.InstanceTypes, p.MinValues = types, map[string]int{corev1.LabelInstanceTypeStable: 2}
				p.Remaining = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(fmt.Sprint(tc.limit))}
			})}
			plan := solver.Solve(t.Context(), p)
			if got := listings(plan.Machines); !slices.Equal(got, tc.want) || len(plan.Unplaced) != tc.left {
				t.Errorf("machines %q, want %q; unplaced %v, want %d", got, tc.want, plan.Unplaced, tc.left)
			}
			if over := overshot(p, plan.Machines); over != "" {
				t.Error(over)
			}
		})
	}
}
