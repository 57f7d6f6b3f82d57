package solver_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// variedProblem draws a problem whose provisioners want several values of one or two labels.
func variedProblem(seed uint64) solver.Problem {
	w := newWorld(seed)
	p := w.problem()
	for i := range p.Provisioners {
		p.Provisioners[i].MinValues = map[string]int{w.pick(categoryLabel, cpuLabel, corev1.LabelInstanceTypeStable): 2 + w.IntN(2)}
		if w.chance(30) {
			p.Provisioners[i].MinValues[w.pick(corev1.LabelInstanceTypeStable, corev1.LabelTopologyZone)] = 2
		}
	}
	return p
}

// poorest returns a label of which the instance types have too few values between them as nodes that meet the requirements; "".
func poorest(minValues map[string]int, types []*cloudprovider.InstanceType, r scheduling.Requirements) string {
	for key, least := range minValues {
		seen := map[string]bool{}
		for _, t := range types {
			for _, on := range outcomes(r, t) {
				if value, ok := on[key]; ok {
					seen[value] = true
				}
			}
		}
		if len(seen) < least {
			return key
		}
	}
	return ""
}

// listed returns the instance types that a machine lists, and as which of them, and why, it does not host its pods.
func listed(p solver.Problem, m *solver.Machine) (types []*cloudprovider.InstanceType, faults []string) {
	provisioner := provisionerNamed(p, m.Provisioner)
	for _, name := range m.InstanceTypes {
		it := typeNamed(provisioner.InstanceTypes, name)
		types = append(types, it)
		for _, on := range outcomes(m.Requirements, it) {
			if why := broken(on, provisioner.Taints, it.Allocatable(), m.Pods, p.DaemonSets); why != "" {
				faults = append(faults, name+": "+why)
			}
		}
	}
	return types, faults
}

func TestInstanceTypesOfAMachineHaveTheValuesThatAreWanted(t *testing.T) {
	machines := 0
	for seed := range uint64(problems) {
		p := variedProblem(seed)
		for i, m := range solver.Solve(t.Context(), p).Machines {
			provisioner := provisionerNamed(p, m.Provisioner)
			types, faults := listed(p, &m)
			for _, fault := range faults {
				t.Errorf("problem %d: machine %d as %s", seed, i, fault)
			}
			if key := poorest(provisioner.MinValues, types, m.Requirements); key != "" || m.MinValuesRelaxed {
				t.Errorf("problem %d: machine %d lists %v, too few values of %q for %v", seed, i, m.InstanceTypes, key, provisioner.MinValues)
			}
			machines++
		}
	}
	if machines < problems {
		t.Errorf("only %d machines were bought", machines)
	}
}

func TestAPodIsLeftForWantOfValuesOnlyIfNoInstanceTypesThatHostItHaveThem(t *testing.T) {
	left := 0
	for seed := range uint64(problems) {
		p := variedProblem(seed)
		for _, u := range solver.Solve(t.Context(), p).Unplaced {
			if !strings.Contains(u.Reason, "minValues") {
				continue
			}
			left++
			for _, provisioner := range p.Provisioners {
				if len(provisioner.Remaining) == 0 {
					if where := variedMachine(p, provisioner, u.Pod); where != "" {
						t.Errorf("problem %d: %s is unplaced (%s), but %s has all of %v", seed, u.Pod.Name, u.Reason, where, provisioner.MinValues)
					}
				}
			}
		}
	}
	if left < problems/20 {
		t.Errorf("only %d pods were left for want of values", left)
	}
}

// variedMachine returns where instance types that host the pod have all that the provisioner wants between them, or "". Those of
// one list are bought in one zone at least.
func variedMachine(p solver.Problem, provisioner solver.Provisioner, pod *corev1.Pod) string {
	own := provisioner.Requirements.Union(scheduling.FromLabels(map[string]string{v1alpha5.ProvisionerNameLabel: provisioner.Name}))
	for _, r := range settlings(own, pod) {
		for _, zone := range []string{"zone-a", "zone-b", "zone-c"} {
			for _, capacityType := range []string{"spot", "on-demand"} {
				at := r.Union(scheduling.FromLabels(map[string]string{corev1.LabelTopologyZone: zone, v1alpha5.CapacityTypeLabel: capacityType}))
				var hosts []*cloudprovider.InstanceType
				for _, it := range provisioner.InstanceTypes {
					for _, on := range outcomes(at, it) {
						if own.Conflict(it.Requirements) == "" && broken(on, provisioner.Taints, it.Allocatable(), []*corev1.Pod{pod}, p.DaemonSets) == "" {
							hosts = append(hosts, it)
						}
					}
				}
				wanted := map[string]int{}
				for key, least := range provisioner.MinValues {
					if key == corev1.LabelTopologyZone {
						return "" // of which there can be only one here
					}
					wanted[key] = least
				}
				if poorest(wanted, hosts, at) == "" {
					return fmt.Sprintf("%s as %s in %s", provisioner.Name, capacityType, zone)
				}
			}
		}
	}
	return ""
}

func TestTooFewValuesLeaveAPodOrRelaxItsMachine(t *testing.T) {
	family := func(name string) builders.InstanceTypeModifier { return builders.TypeLabel(categoryLabel, name) }
	types := cloudprovider.InstanceTypes{
		builders.InstanceType("c.large", family("c"), builders.Capacity("2", "4Gi", 20), builders.OnDemand(0.08, "a")),
		builders.InstanceType("c.xlarge", family("c"), builders.Capacity("4", "8Gi", 20), builders.OnDemand(0.16, "a")),
		builders.InstanceType("m.large", family("m"), builders.Capacity("2", "8Gi", 20), builders.OnDemand(0.10, "a")),
		builders.InstanceType("r.large", family("r"), builders.Capacity("2", "16Gi", 20), builders.OnDemand(0.30, "a")),
	}
	for name, tc := range map[string]struct {
		cpu        string
		least      int
		bestEffort bool
		want       string
		relaxed    bool
		reason     string
	}{
		"nothing is wanted":                        {cpu: "1", want: "c.large m.large"},
		"a dear one is listed where it is wanted":  {cpu: "1", least: 3, want: "c.large m.large r.large"},
		"one is too small for the others' values":  {cpu: "3", least: 2, reason: "have 1 values of " + categoryLabel + ", minValues of provisioner default asks for 2"},
		"best effort buys what there is, and says": {cpu: "3", least: 2, bestEffort: true, want: "c.xlarge", relaxed: true},
		"best effort does not give up what it has": {cpu: "1", least: 3, bestEffort: true, want: "c.large m.large r.large"},
	} {
		t.Run(name, func(t *testing.T) {
			plan := solver.Solve(t.Context(), solver.Problem{
				Pods: []*corev1.Pod{builders.Pod(builders.CPU(tc.cpu))}, Settings: solver.Settings{MinValuesBestEffort: tc.bestEffort},
				Provisioners: plain(func(p *solver.Provisioner) {
					p.InstanceTypes = types
					if tc.least > 0 {
						p.MinValues = map[string]int{categoryLabel: tc.least}
					}
				}),
			})
			if tc.reason != "" {
				if len(plan.Unplaced) != 1 || !strings.Contains(plan.Unplaced[0].Reason, tc.reason) {
					t.Errorf("unplaced: %v", plan.Unplaced)
				}
				return
			}
			if len(plan.Machines) != 1 || strings.Join(plan.Machines[0].InstanceTypes, " ") != tc.want || plan.Machines[0].MinValuesRelaxed != tc.relaxed {
				t.Errorf("machines: %+v, unplaced: %v", plan.Machines, plan.Unplaced)
			}
		})
	}
}

// Each machine takes as much of the limits as the largest instance type that it lists.
func TestAMachineThatLimitsLeaveTooFewValuesForIsRelaxedOrLeft(t *testing.T) {
	types := cloudprovider.InstanceTypes{
		builders.InstanceType("small", builders.Capacity("2", "4Gi", 20), builders.OnDemand(0.1, "a")),
		builders.InstanceType("large", builders.Capacity("16", "32Gi", 20), builders.OnDemand(0.8, "a")),
	}
	for name, tc := range map[string]struct {
		bestEffort bool
		want       string
	}{
		"best effort": {bestEffort: true, want: "small large; small relaxed"},
		"strictly":    {want: "small large"},
	} {
		t.Run(name, func(t *testing.T) {
			plan := solver.Solve(t.Context(), solver.Problem{
				Pods:     alike(2, "web", "100m", builders.AntiAffinity(corev1.LabelHostname, map[string]string{"app": "web"})),
				Settings: solver.Settings{MinValuesBestEffort: tc.bestEffort},
				Provisioners: plain(func(p *solver.Provisioner) {
					p.InstanceTypes, p.MinValues = types, map[string]int{corev1.LabelInstanceTypeStable: 2}
					p.Remaining = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("20")}
				}),
			})
			var got []string
			for _, m := range plan.Machines {
				text := strings.Join(m.InstanceTypes, " ")
				if m.MinValuesRelaxed {
					text += " relaxed"
				}
				got = append(got, text)
			}
			slices.SortFunc(got, func(a, b string) int { return len(a) - len(b) })
			if text := strings.Join(got, "; "); text != tc.want {
				t.Errorf("machines %q, want %q; unplaced %v", text, tc.want, plan.Unplaced)
			}
		})
	}
}

func TestTermsOfAPodHaveTheValuesThatAreWantedBetweenThem(t *testing.T) {
	named := func(name string) builders.PodModifier {
		return builders.NodeAffinity(corev1.NodeSelectorRequirement{Key: corev1.LabelInstanceTypeStable, Operator: corev1.NodeSelectorOpIn, Values: []string{name}})
	}
	var types cloudprovider.InstanceTypes
	for _, name := range []string{"one", "other", "third"} {
		types = append(types, builders.InstanceType(name, builders.Capacity("2", "4Gi", 20), builders.OnDemand(0.1, "a")))
	}
	plan := solver.Solve(t.Context(), solver.Problem{
		Pods: []*corev1.Pod{builders.Pod(named("one"), named("other"))},
		Provisioners: plain(func(p *solver.Provisioner) {
			p.InstanceTypes, p.MinValues = types, map[string]int{corev1.LabelInstanceTypeStable: 2}
		}),
	})
	if len(plan.Machines) != 1 || strings.Join(plan.Machines[0].InstanceTypes, " ") != "one other" {
		t.Errorf("machines %+v, unplaced %v", plan.Machines, plan.Unplaced)
	}
}

// What is packed for the least of several instance types is still packed tight.
func TestManyPodsShareMachinesOfSeveralFamilies(t *testing.T) {
	plan := solver.Solve(t.Context(), solver.Problem{Pods: shapes(500, 20), Provisioners: plain(func(p *solver.Provisioner) {
		p.MinValues = map[string]int{corev1.LabelInstanceTypeStable: 5}
	})})
	free := solver.Solve(t.Context(), solver.Problem{Pods: shapes(500, 20), Provisioners: plain()})
	if len(plan.Unplaced) > 0 || plan.CostPerHour > free.CostPerHour*1.5 {
		t.Errorf("$%v/h, $%v/h without; unplaced %v", plan.CostPerHour, free.CostPerHour, plan.Unplaced)
	}
	for i, m := range plan.Machines {
		if n := len(m.InstanceTypes); n < 5 || n > 60 {
			t.Errorf("machine %d lists %d instance types", i, n)
		}
	}
}
