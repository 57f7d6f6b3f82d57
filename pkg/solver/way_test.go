package solver_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func TestADaemonSetOfOneZoneTakesRoomThereOnly(t *testing.T) {
	p := solver.Problem{
		Pods:       []*corev1.Pod{builders.Pod(builders.CPU("1500m"))},
		DaemonSets: []*corev1.Pod{builders.Pod(builders.Name("agent"), builders.CPU("1"), selecting(corev1.LabelTopologyZone, "zone-a"))},
		Provisioners: plain(func(p *solver.Provisioner) {
			p.InstanceTypes = cloudprovider.InstanceTypes{
				builders.InstanceType("m.large", builders.Capacity("2", "8Gi", 10), builders.OnDemand(0.1, "zone-a", "zone-b")),
			}
		}),
	}
	plan := solver.Solve(t.Context(), p)
	if len(plan.Machines) != 1 || plan.Machines[0].Zone != "zone-b" {
		t.Errorf("machines: %+v, unplaced: %v", plan.Machines, plan.Unplaced)
	}
}

func TestSettingsSayHowDearFallbacksMayBeAndWhatANodeCosts(t *testing.T) {
	for want, s := range map[string]solver.Settings{
		"a b":   {NodeFee: 0.5},
		"a":     {MostDearer: 0.2},
		"a b c": {MostDearer: 3},
	} {
		plan := solver.Solve(t.Context(), solver.Problem{Pods: shapes(1, 1), Settings: s, Provisioners: plain(func(p *solver.Provisioner) {
			p.InstanceTypes = nil
			for name, price := range map[string]float64{"a": 1, "b": 1.5, "c": 3} {
				p.InstanceTypes = append(p.InstanceTypes, builders.InstanceType(name, builders.Capacity("4", "16Gi", 10), builders.OnDemand(price, "zone-a")))
			}
		})})
		if m := plan.Machines[0]; strings.Join(m.InstanceTypes, " ") != want || m.PricePerHour != 1 || plan.CostPerHour != 1+s.NodeFee {
			t.Errorf("%v: lists %v at $%v/h, the plan costs $%v/h", s, m.InstanceTypes, m.PricePerHour, plan.CostPerHour)
		}
	}
}
