package solver_test

import (
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func TestEveryPodIsPlacedHoweverFewStepsThereAre(t *testing.T) {
	for seed := range uint64(problems / 3) {
		p := newWorld(seed).problem()
		want := len(solver.Solve(t.Context(), p).Unplaced)
		for i := range p.Provisioners {
			if len(p.Provisioners[i].Remaining) > 0 {
				want = -1 // what fits into limits depends on how well it is packed
			}
		}
		p.Settings.Steps = 1
		if got := len(solver.Solve(t.Context(), p).Unplaced); want >= 0 && got != want {
			t.Errorf("problem %d: %d pods are unplaced with one step, %d with plenty", seed, got, want)
		}
	}
}

func TestStepsBuyACheaperPlan(t *testing.T) {
	p := solver.Problem{Pods: shapes(600, 12), Provisioners: plain()}
	plenty := solver.Solve(t.Context(), p)
	p.Settings.Steps = 1
	hasty := solver.Solve(t.Context(), p)
	if len(hasty.Unplaced) > 0 || plenty.CostPerHour >= hasty.CostPerHour {
		t.Errorf("$%v/h with plenty of steps, $%v/h with one", plenty.CostPerHour, hasty.CostPerHour)
	}
}

// One size of machine is filled without a gap only if the large pods are put together ten at a time.
func TestEvenAGreatNumberOfPodsLeavesNoGapWhereNoneNeedsToBe(t *testing.T) {
	var pods []*corev1.Pod
	for i := range 5100 {
		cpu := "50m"
		if i >= 5000 {
			cpu = "95m"
		}
		pods = append(pods, builders.Pod(builders.Name(fmt.Sprintf("pod-%05d", i)), builders.CPU(cpu), builders.Memory("1Ki")))
	}
	types := cloudprovider.InstanceTypes{builders.InstanceType("one", builders.Capacity("1", "1Gi", 100), builders.OnDemand(0.05, "zone-a"))}
	plan := solver.Solve(t.Context(), solver.Problem{Pods: pods, Provisioners: []solver.Provisioner{{Name: "default", InstanceTypes: types}}})
	if want := (5000*50 + 100*95 + 999) / 1000; len(plan.Machines) != want || len(plan.Unplaced) > 0 {
		t.Errorf("%d machines and %d unplaced, want %d and 0", len(plan.Machines), len(plan.Unplaced), want)
	}
}

func TestPodsThatRepelEachOtherGetMachinesThatTheRestFillsUp(t *testing.T) {
	var pods []*corev1.Pod
	app := map[string]string{"app": "db"}
	for i := range 60 {
		pods = append(pods, builders.Pod(builders.Name(fmt.Sprintf("db-%02d", i)), builders.CPU("500m"), builders.Memory("1Gi"),
			builders.Labels(app), builders.AntiAffinity(corev1.LabelHostname, app)))
	}
	for i := range 240 {
		pods = append(pods, builders.Pod(builders.Name(fmt.Sprintf("web-%03d", i)), builders.CPU("750m"), builders.Memory("1536Mi")))
	}
	var types cloudprovider.InstanceTypes
	for cores := 1; cores <= 96; cores++ { // what is on top of the reserve costs the same in all sizes
		types = append(types, builders.InstanceType(fmt.Sprintf("size-%02d", cores), builders.Capacity(fmt.Sprint(cores), fmt.Sprintf("%dGi", 2*cores), 110),
			builders.Reserved("100m", "10Mi"), builders.OnDemand(0.05*float64(cores), "zone-a")))
	}
	plan := solver.Solve(t.Context(), solver.Problem{Pods: pods, Provisioners: []solver.Provisioner{{Name: "default", InstanceTypes: types}}})
	if len(plan.Unplaced) > 0 || plan.Ratio() > 1.10 || len(plan.Machines) > 66 {
		t.Errorf("%d machines for %v times the bound, %d unplaced; want hardly more than the 60 machines that the databases need",
			len(plan.Machines), plan.Ratio(), len(plan.Unplaced))
	}
}

func TestPodsThatGiveUpAPreferenceTopUpMachinesOfThePlan(t *testing.T) {
	special := cloudprovider.InstanceTypes{builders.InstanceType("x1.large", builders.Capacity("8", "32Gi", 50),
		builders.TypeLabel(categoryLabel, "x"), builders.OnDemand(0.4, "zone-a"))}
	common := cloudprovider.InstanceTypes{builders.InstanceType("m1.large", builders.Capacity("8", "32Gi", 50),
		builders.TypeLabel(categoryLabel, "m"), builders.OnDemand(0.4, "zone-a"))}
	wish := func(p *corev1.Pod) {
		p.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
			PreferredDuringSchedulingIgnoredDuringExecution: []corev1.PreferredSchedulingTerm{{Weight: 1, Preference: corev1.NodeSelectorTerm{
				MatchExpressions: []corev1.NodeSelectorRequirement{{Key: categoryLabel, Operator: corev1.NodeSelectorOpIn, Values: []string{"x"}}},
			}}},
		}}
	}
	plan := solver.Solve(t.Context(), solver.Problem{
		Pods: []*corev1.Pod{
			builders.Pod(builders.Name("content"), builders.CPU("5")),
			builders.Pod(builders.Name("wishful"), builders.CPU("2"), wish),
		},
		Provisioners: []solver.Provisioner{
			{Name: "common", InstanceTypes: common, Requirements: scheduling.Requirements{}},
			{Name: "special", InstanceTypes: special, Requirements: scheduling.Requirements{},
				Remaining: corev1.ResourceList{v1alpha5.ResourceNodes: resource.MustParse("0")}},
		},
	})
	if len(plan.Machines) != 1 || len(plan.Unplaced) > 0 {
		t.Fatalf("%d machines, unplaced %v; want both pods on one machine", len(plan.Machines), plan.Unplaced)
	}
	cpu := plan.Machines[0].Requests[corev1.ResourceCPU]
	if got := len(plan.Machines[0].Pods); got != 2 || cpu.MilliValue() != 7000 || !slices.Equal(plan.Machines[0].InstanceTypes, []string{"m1.large"}) {
		t.Errorf("%d pods ask for %s of %v", got, cpu.String(), plan.Machines[0].InstanceTypes)
	}
}
