package main

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func in(key string, values ...string) scheduling.Requirements {
	return scheduling.NewRequirements(scheduling.NewRequirement(key, corev1.NodeSelectorOpIn, values...))
}

func TestNodesCostTheirCheapestOfferingThatIsLeft(t *testing.T) {
	types := cloudprovider.InstanceTypes{
		builders.InstanceType("large", builders.Capacity("8", "32Gi", 20), builders.OnDemand(2, "a", "b"), builders.Spot(0.5, "b")),
		builders.InstanceType("small", builders.Capacity("4", "16Gi", 10), builders.OnDemand(1, "a"), builders.Spot(0.125, "c"), builders.SoldOut("c")),
	}
	pods := replicas(2, "p", size(2000, 1024))
	w := fromOne(pods, types)
	w.daemons = replicas(1, "d", size(1000, 1), builders.NodeSelector(map[string]string{corev1.LabelInstanceTypeStable: "small"}))
	for name, tc := range map[string]struct {
		node  plannedNode
		usd   float64
		fault string
	}{
		"of all types":            {node: plannedNode{instanceTypes: []string{"large", "small"}, pods: pods[:1]}, usd: 0.5},
		"in a zone":               {node: plannedNode{instanceTypes: []string{"large", "small"}, pods: pods[:1], requirements: in(corev1.LabelTopologyZone, "a")}, usd: 1},
		"of a capacity type":      {node: plannedNode{instanceTypes: []string{"large"}, pods: pods, requirements: in(v1alpha5.CapacityTypeLabel, "on-demand")}, usd: 2},
		"sold out":                {node: plannedNode{instanceTypes: []string{"small"}, pods: pods[:1], requirements: in(corev1.LabelTopologyZone, "c")}, fault: "cannot be bought"},
		"with DaemonSets":         {node: plannedNode{instanceTypes: []string{"small"}, pods: pods}, usd: 1, fault: "overfull"},
		"with a pod twice":        {node: plannedNode{instanceTypes: []string{"large"}, pods: []*corev1.Pod{pods[0], pods[0]}}, usd: 0.5, fault: "placed twice"},
		"with a pod from nowhere": {node: plannedNode{instanceTypes: []string{"large"}, pods: replicas(1, "q")}, usd: 0.5, fault: "never asked for"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.node.provisioner = "default"
			got := newShop(w).bill(answer{nodes: []plannedNode{tc.node}})
			if got.usd != tc.usd {
				t.Errorf("costs $%v/h, want $%v/h", got.usd, tc.usd)
			}
			if faults := strings.Join(got.faults, "; "); (tc.fault == "") != (faults == "") || !strings.Contains(faults, tc.fault) {
				t.Errorf("faults %q, want %q", faults, tc.fault)
			}
		})
	}
}

func TestDaemonSetsTakeRoomWhereTheyRun(t *testing.T) {
	it := builders.InstanceType("m", builders.Capacity("4", "16Gi", 10), builders.OnDemand(1, "a"))
	w := workload{
		daemons: []*corev1.Pod{
			builders.Pod(builders.Name("plain"), builders.CPU("1")),
			builders.Pod(builders.Name("tolerant"), builders.CPU("2"), builders.Toleration(corev1.Toleration{Operator: corev1.TolerationOpExists})),
			builders.Pod(builders.Name("elsewhere"), builders.CPU("4"), builders.NodeSelector(map[string]string{"team": "b"})),
		},
		provisioners: []solver.Provisioner{
			{Name: "tainted", Taints: []corev1.Taint{{Key: "k", Effect: corev1.TaintEffectNoSchedule}}, Requirements: in("team", "a")},
			{Name: "plain", Requirements: in("team", "a")},
		},
	}
	s := newShop(w)
	for name, want := range map[string]string{"tainted": "2", "plain": "3"} {
		if got := s.overhead(s.provisioner(name), it)[corev1.ResourceCPU]; got.String() != want {
			t.Errorf("DaemonSets take %s cores of a node of provisioner %s, want %s", got.String(), name, want)
		}
	}
}
