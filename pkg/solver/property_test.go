package solver_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/resources"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
)

// problems is how many random problems each property is tried on; the seeds are the numbers below it.
const problems = 300

func TestEveryPodIsInThePlanExactlyOnce(t *testing.T) {
	for seed := range uint64(problems) {
		p := newWorld(seed).problem()
		plan := solver.Solve(t.Context(), p)
		seen := map[*corev1.Pod]int{}
		for _, m := range plan.Machines {
			for _, pod := range m.Pods {
				seen[pod]++
			}
		}
		for _, placement := range plan.Placements {
			seen[placement.Pod]++
		}
		for _, u := range plan.Unplaced {
			seen[u.Pod]++
		}
		for _, pod := range p.Pods {
			if seen[pod] != 1 {
				t.Errorf("problem %d: %s is %d times in the plan", seed, pod.Name, seen[pod])
			}
		}
		if len(seen) != len(p.Pods) {
			t.Errorf("problem %d: %d pods in the plan, %d asked for", seed, len(seen), len(p.Pods))
		}
	}
}

func TestMachinesHostTheirPodsWhateverListedTypeTheyBecome(t *testing.T) {
	for seed := range uint64(problems) {
		p := newWorld(seed).problem()
		for i, m := range solver.Solve(t.Context(), p).Machines {
			provisioner := provisionerNamed(p, m.Provisioner)
			if len(m.Pods) == 0 {
				t.Errorf("problem %d: machine %d has no pods", seed, i)
			}
			for _, name := range m.InstanceTypes {
				it := typeNamed(provisioner.InstanceTypes, name)
				all := outcomes(m.Requirements, it)
				if len(all) == 0 {
					t.Errorf("problem %d: machine %d lists %s, which is not on offer for %s", seed, i, name, m.Requirements)
				}
				for _, on := range all {
					if why := broken(on, provisioner.Taints, it.Allocatable(), m.Pods, p.DaemonSets); why != "" {
						t.Errorf("problem %d: machine %d as %s: %s", seed, i, name, why)
					}
					if why := provisioner.Requirements.Conflict(scheduling.FromLabels(on)); why != "" {
						t.Errorf("problem %d: machine %d as %s breaks its provisioner: %s", seed, i, name, why)
					}
				}
			}
		}
	}
}

func TestMachinesListTypesCheapestFirst(t *testing.T) {
	for seed := range uint64(problems) {
		p := newWorld(seed).problem()
		plan, total := solver.Solve(t.Context(), p), 0.0
		for i, m := range plan.Machines {
			total += m.PricePerHour
			var prices []float64
			for _, name := range m.InstanceTypes {
				o, _ := typeNamed(provisionerNamed(p, m.Provisioner).InstanceTypes, name).Offerings.Compatible(m.Requirements).Cheapest()
				prices = append(prices, o.Price)
			}
			if !slices.IsSorted(prices) || prices[0] != m.PricePerHour || prices[len(prices)-1] > prices[0]*1.5 {
				t.Errorf("problem %d: machine %d costs %v and lists %v at %v", seed, i, m.PricePerHour, m.InstanceTypes, prices)
			}
			if _, single := m.Requirements.Get(v1alpha5.CapacityTypeLabel).Single(); !single {
				t.Errorf("problem %d: machine %d leaves its capacity type open", seed, i)
			}
		}
		if math.Abs(total-plan.CostPerHour) > 1e-9 {
			t.Errorf("problem %d: the plan says $%v/h, its machines cost $%v/h", seed, plan.CostPerHour, total)
		}
	}
}

func TestNodesHostWhatIsPlacedOnThem(t *testing.T) {
	for seed := range uint64(problems) {
		p := newWorld(seed).problem()
		placed := map[string][]*corev1.Pod{}
		for _, placement := range solver.Solve(t.Context(), p).Placements {
			placed[placement.Node] = append(placed[placement.Node], placement.Pod)
		}
		for _, n := range p.Nodes {
			for _, zone := range append(n.Possible.Get(corev1.LabelTopologyZone).Values(), n.Labels[corev1.LabelTopologyZone]) {
				on := maps.Clone(n.Labels)
				if on[corev1.LabelTopologyZone] = zone; zone == "" {
					continue // the zone is open
				}
				if why := broken(on, n.Taints, n.Available, placed[n.Name], nil); why != "" {
					t.Errorf("problem %d: %s in %s: %s", seed, n.Name, zone, why)
				}
			}
			if why := quarrel(append(placed[n.Name], n.Pods...)); why != "" && quarrel(n.Pods) == "" {
				t.Errorf("problem %d: %s: %s", seed, n.Name, why)
			}
		}
	}
}

func TestLimitsHoldWhateverListedTypesMachinesBecome(t *testing.T) {
	for seed := range uint64(problems) {
		for _, p := range []solver.Problem{newWorld(seed).problem(), variedProblem(seed)} {
			if over := overshot(p, solver.Solve(t.Context(), p).Machines); over != "" {
				t.Errorf("problem %d: %s", seed, over)
			}
		}
	}
}

// overshot returns a limit that the machines break if each becomes the largest instance type that it lists, or "".
func overshot(p solver.Problem, machines []solver.Machine) string {
	most := map[string]corev1.ResourceList{}
	for _, m := range machines {
		dearest := corev1.ResourceList{v1alpha5.ResourceNodes: resource.MustParse("1")}
		for _, name := range m.InstanceTypes {
			dearest = resources.Max(dearest, typeNamed(provisionerNamed(p, m.Provisioner).InstanceTypes, name).Capacity)
		}
		most[m.Provisioner] = resources.Sum(most[m.Provisioner], dearest)
	}
	for _, provisioner := range p.Provisioners {
		for name, left := range provisioner.Remaining {
			if spent := most[provisioner.Name][name]; spent.Cmp(left) > 0 {
				return fmt.Sprintf("%s spends %s of %s %s", provisioner.Name, spent.String(), left.String(), name)
			}
		}
	}
	return ""
}

func TestUnplacedPodsCouldNotHaveBeenHostedAndHaveAReason(t *testing.T) {
	for seed := range uint64(problems) {
		p := newWorld(seed).problem()
		where := map[string]string{} // workload -> who could host a pod of it
		for _, u := range solver.Solve(t.Context(), p).Unplaced {
			if u.Reason == "" || len(u.Reason) > 300 {
				t.Errorf("problem %d: %s: reason %q", seed, u.Pod.Name, u.Reason)
			}
			workload := u.Pod.Name[:strings.LastIndex(u.Pod.Name, "-")]
			if _, known := where[workload]; !known {
				where[workload] = buyable(p, u.Pod)
			}
			if where[workload] != "" && !strings.Contains(u.Reason, "limit") {
				t.Errorf("problem %d: %s is unplaced (%s), but %s could host it", seed, u.Pod.Name, u.Reason, where[workload])
			}
		}
	}
}

func TestTheOrderOfTheProblemDoesNotMatter(t *testing.T) {
	for seed := range uint64(problems / 5) {
		w := newWorld(seed)
		p := w.problem()
		want := text(solver.Solve(t.Context(), p))
		w.Shuffle(len(p.Pods), func(i, j int) { p.Pods[i], p.Pods[j] = p.Pods[j], p.Pods[i] })
		w.Shuffle(len(p.Nodes), func(i, j int) { p.Nodes[i], p.Nodes[j] = p.Nodes[j], p.Nodes[i] })
		w.Shuffle(len(p.Provisioners), func(i, j int) { p.Provisioners[i], p.Provisioners[j] = p.Provisioners[j], p.Provisioners[i] })
		w.Shuffle(len(p.DaemonSets), func(i, j int) { p.DaemonSets[i], p.DaemonSets[j] = p.DaemonSets[j], p.DaemonSets[i] })
		for i := range p.Provisioners {
			types := slices.Clone(p.Provisioners[i].InstanceTypes)
			w.Shuffle(len(types), func(i, j int) { types[i], types[j] = types[j], types[i] })
			p.Provisioners[i].InstanceTypes = types
		}
		if got := text(solver.Solve(t.Context(), p)); got != want {
			t.Fatalf("problem %d: plan\n%s\nafter shuffling\n%s", seed, want, got)
		}
	}
}

// text prints all of a plan.
func text(plan solver.Plan) string {
	var s strings.Builder
	names := func(list []*corev1.Pod) (out []string) {
		for _, pod := range list {
			out = append(out, pod.Name)
		}
		return out
	}
	for _, m := range plan.Machines {
		fmt.Fprintf(&s, "%s %s %v %v %v %s %s %v\n", m.Provisioner, m.Requirements, m.InstanceTypes, names(m.Pods), m.Requests, m.Zone, m.CapacityType, m.PricePerHour)
	}
	for _, p := range plan.Placements {
		fmt.Fprintf(&s, "%s on %s\n", p.Pod.Name, p.Node)
	}
	for _, u := range plan.Unplaced {
		fmt.Fprintf(&s, "%s: %s\n", u.Pod.Name, u.Reason)
	}
	fmt.Fprintln(&s, plan.CostPerHour, plan.LowerBoundPerHour)
	return s.String()
}

func provisionerNamed(p solver.Problem, name string) solver.Provisioner {
	return p.Provisioners[slices.IndexFunc(p.Provisioners, func(q solver.Provisioner) bool { return q.Name == name })]
}

func typeNamed(types cloudprovider.InstanceTypes, name string) *cloudprovider.InstanceType {
	return types[slices.IndexFunc(types, func(t *cloudprovider.InstanceType) bool { return t.Name == name })]
}
