package solver_test

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

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
