package solver_test

import (
	"fmt"
	"math"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func TestZoneSpreadKeepsTheSkewOverWhatRunsAlready(t *testing.T) {
	zones := []string{"zone-a", "zone-b", "zone-c"}
	for seed := range uint64(200) {
		w := newWorld(seed)
		app, skew := map[string]string{"app": "web"}, 1+w.IntN(2)
		p := solver.Problem{Provisioners: plain()}
		count := map[string]int{}
		for i, zone := range zones {
			n := solver.Node{Name: zone, Initialized: true, Labels: map[string]string{corev1.LabelTopologyZone: zone}}
			for range w.IntN(6) {
				count[zone]++
				n.Pods = append(n.Pods, builders.Pod(builders.Labels(app), builders.OnNode(zone)))
			}
			if i == 0 && w.chance(50) {
				n.Available = builders.InstanceType("free", builders.Capacity("2", "4Gi", 4)).Capacity
			}
			p.Nodes = append(p.Nodes, n)
		}
		for i := range 1 + w.IntN(30) {
			p.Pods = append(p.Pods, builders.Pod(builders.Name(fmt.Sprintf("web-%02d", i)), builders.Labels(app), builders.CPU("700m"),
				builders.Spread(corev1.LabelTopologyZone, int32(skew), app))) //nolint:gosec // 1 or 2
		}
		plan := solver.Solve(t.Context(), p)
		for _, placement := range plan.Placements {
			count[placement.Node]++
		}
		for _, m := range plan.Machines {
			zone, settled := m.Requirements.Get(corev1.LabelTopologyZone).Single()
			if !settled {
				t.Errorf("problem %d: a machine may be in %v", seed, m.Requirements.Get(corev1.LabelTopologyZone))
			}
			count[zone] += len(m.Pods)
		}
		least, most := math.MaxInt, 0
		for _, zone := range zones {
			least, most = min(least, count[zone]), max(most, count[zone])
		}
		placed := len(p.Pods) - len(plan.Unplaced)
		if len(plan.Unplaced) > 0 {
			t.Errorf("problem %d: only %d of %d pods are placed", seed, placed, len(p.Pods))
		}
		if most-least > skew && placed > 3*5 { // enough to level what was uneven before
			t.Errorf("problem %d: skew of %v exceeds %d", seed, count, skew)
		}
	}
}

func TestPodsThatAreOnlyCountedDoNotUpsetTheSpread(t *testing.T) {
	app := map[string]string{"app": "web"}
	var p solver.Problem
	for i := range 9 {
		p.Pods = append(p.Pods, builders.Pod(builders.Name(fmt.Sprint("plain-", i)), builders.Labels(app), builders.CPU("700m")))
	}
	for i := range 3 {
		p.Pods = append(p.Pods, builders.Pod(builders.Name(fmt.Sprint("bound-", i)), builders.Labels(app), builders.CPU("700m"),
			builders.Spread(corev1.LabelTopologyZone, 1, app)))
	}
	p.Provisioners = plain(func(q *solver.Provisioner) {
		q.Requirements = scheduling.NewRequirements(scheduling.NewRequirement(corev1.LabelTopologyZone, corev1.NodeSelectorOpNotIn, "zone-c"))
	})
	count := map[string]int{}
	for _, m := range solver.Solve(t.Context(), p).Machines {
		zone, _ := m.Requirements.Get(corev1.LabelTopologyZone).Single()
		count[zone] += len(m.Pods)
	}
	if count["zone-a"] != 6 || count["zone-b"] != 6 {
		t.Errorf("pods by zone: %v", count)
	}
}

func TestAPodThatWasMeantForANodeGoesToAnotherZoneIfThereIsNoMoreRoomInItsOwn(t *testing.T) {
	pod := builders.Pod(builders.CPU("1"), builders.AntiAffinity(corev1.LabelTopologyZone, map[string]string{"app": "other"}))
	plan := solver.Solve(t.Context(), solver.Problem{
		Pods:    []*corev1.Pod{pod},
		Nodes:   []solver.Node{{Name: "full", Initialized: true, Labels: map[string]string{corev1.LabelTopologyZone: "zone-b"}}},
		Planned: map[types.UID]string{pod.UID: "full"},
		Provisioners: plain(func(p *solver.Provisioner) {
			p.MinValues = map[string]int{corev1.LabelInstanceTypeStable: 2}
			p.InstanceTypes = cloudprovider.InstanceTypes{
				builders.InstanceType("one", builders.Capacity("2", "4Gi", 9), builders.OnDemand(0.1, "zone-a", "zone-b")),
				builders.InstanceType("two", builders.Capacity("2", "4Gi", 9), builders.OnDemand(0.1, "zone-a")),
			}
		}),
	})
	if len(plan.Machines) != 1 {
		t.Errorf("machines %v, unplaced %v", plan.Machines, plan.Unplaced)
	}
}

func TestPodsThatGiveWayCountForThoseWhoComeToOtherNodes(t *testing.T) {
	batch := map[string]string{"app": "batch"}
	zone := map[string]string{corev1.LabelTopologyZone: "a"}
	room := builders.InstanceType("room", builders.Capacity("4", "16Gi", 10)).Capacity
	full := solver.Node{Name: "full", Initialized: true, Labels: zone, Yielding: []*corev1.Pod{builders.Pod(builders.Name("batch"), builders.Labels(batch))}}
	free := solver.Node{Name: "free", Initialized: true, Labels: zone, Available: room}
	web := builders.Pod(builders.Name("web"), builders.CPU("1"), builders.AntiAffinity(corev1.LabelTopologyZone, batch))
	plan := solver.Solve(t.Context(), solver.Problem{Pods: []*corev1.Pod{web}, Nodes: []solver.Node{full, free}})
	if len(plan.Unplaced) != 1 {
		t.Errorf("placed %v beside a node with a pod that nothing takes away", plan.Placements)
	}
	full.Available = room
	plan = solver.Solve(t.Context(), solver.Problem{Pods: []*corev1.Pod{web}, Nodes: []solver.Node{full, free}})
	if len(plan.Placements) != 1 || plan.Placements[0].Node != "full" {
		t.Errorf("placed %v, want the node whose pod gives way: %v", plan.Placements, plan.Unplaced)
	}
}
