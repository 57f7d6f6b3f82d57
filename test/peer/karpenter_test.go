package main

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// solveBoth returns what Karpenter and kerf make of a workload, each priced by the referee.
func solveBoth(t *testing.T, w workload) map[string]outcome {
	t.Helper()
	learnLabels(labelsOf(w.provisioners))
	out := map[string]outcome{}
	for name, ask := range map[string]func() (try, error){
		"Karpenter": func() (try, error) { return askKarpenter(t.Context(), w) },
		"kerf":      func() (try, error) { return askKerf(t.Context(), w) },
	} {
		run, err := ask()
		if err != nil {
			t.Fatal(err)
		}
		finish, err := run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		o := outcome{answer: finish()}
		o.invoice = newReferee(w).bill(o.answer)
		if len(o.faults) > 0 {
			t.Errorf("%s: %v", name, o.faults)
		}
		out[name] = o
	}
	return out
}

// Both sides have to see the same rules, or the comparison says nothing.
func TestBothSidesSeeWhatTheWorkloadSays(t *testing.T) {
	small := builders.InstanceType("small", builders.Capacity("4", "16Gi", 10), builders.OnDemand(1, "a", "b"), builders.Spot(0.25, "b"))
	large := builders.InstanceType("large", builders.Capacity("16", "64Gi", 40), builders.OnDemand(3.5, "a"), builders.TypeLabel("example.com/size", "large"))
	gone := builders.InstanceType("gone", builders.Capacity("16", "64Gi", 40), builders.OnDemand(0.001, "a"), builders.SoldOut("a"))
	all := cloudprovider.InstanceTypes{gone, large, small}
	tainted := []corev1.Taint{{Key: "dedicated", Effect: corev1.TaintEffectNoSchedule}}
	tolerant := builders.Toleration(corev1.Toleration{Key: "dedicated", Operator: corev1.TolerationOpExists})
	one := func(modifiers ...builders.PodModifier) []*corev1.Pod { return replicas(1, "p", modifiers...) }
	for name, tc := range map[string]struct {
		workload workload
		placed   int
		usd      float64
	}{
		"prices": {fromOne(one(size(1000, 1)), all), 1, 0.25},
		"zones":  {fromOne(one(size(1000, 1), builders.NodeSelector(map[string]string{corev1.LabelTopologyZone: "a"})), all), 1, 1},
		"capacity types": {fromOne(one(size(1000, 1), builders.NodeSelector(map[string]string{
			v1alpha5.CapacityTypeLabel: v1alpha5.CapacityTypeOnDemand})), all), 1, 1},
		"labels of types":    {fromOne(one(size(1000, 1), builders.NodeSelector(map[string]string{"example.com/size": "large"})), all), 1, 3.5},
		"labels nobody has":  {fromOne(one(builders.NodeSelector(map[string]string{"example.com/color": "red"})), all), 0, 0},
		"what is too large":  {fromOne(one(size(17000, 1)), all), 0, 0},
		"what is reserved":   {fromOne(one(size(4000, 1)), cloudprovider.InstanceTypes{reserving("4", "1")}), 0, 0},
		"anti-affinity":      {fromOne(replicas(3, "p", size(100, 1), builders.Labels(map[string]string{"a": "b"}), builders.AntiAffinity(corev1.LabelHostname, map[string]string{"a": "b"})), all), 3, 0.75},
		"overhead":           {workload{pods: one(size(3500, 1)), daemons: replicas(1, "d", size(1000, 1)), provisioners: fromOne(nil, all).provisioners}, 1, 3.5},
		"taints":             {workload{pods: one(), provisioners: []solver.Provisioner{{Name: "t", Taints: tainted, InstanceTypes: all}}}, 0, 0},
		"the heavier first":  {workload{pods: one(tolerant), provisioners: []solver.Provisioner{{Name: "light", InstanceTypes: all}, {Name: "heavy", Weight: 1, Taints: tainted, InstanceTypes: all, Requirements: in("example.com/size", "large")}}}, 1, 3.5},
		"limits":             {workload{pods: replicas(3, "p", size(3000, 1)), provisioners: []solver.Provisioner{{Name: "l", InstanceTypes: cloudprovider.InstanceTypes{small}, Remaining: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("8")}}}}, 2, 0.5},
		"provisioner labels": {workload{pods: one(builders.NodeSelector(map[string]string{"team": "a"})), provisioners: []solver.Provisioner{{Name: "a", Requirements: in("team", "a"), InstanceTypes: all}}}, 1, 0.25},
	} {
		t.Run(name, func(t *testing.T) {
			for side, o := range solveBoth(t, tc.workload) {
				if o.placed() != tc.placed || o.usd != tc.usd {
					t.Errorf("%s places %d pods for $%v/h, want %d for $%v/h", side, o.placed(), o.usd, tc.placed, tc.usd)
				}
				if (o.refusal == "") != (tc.placed == len(tc.workload.pods)) {
					t.Errorf("%s gives the reason %q", side, o.refusal)
				}
			}
		})
	}
}

func reserving(cores, reserved string) *cloudprovider.InstanceType {
	return builders.InstanceType("reserving", builders.Capacity(cores, "16Gi", 10), builders.Reserved(reserved, "1Gi"), builders.OnDemand(1, "a"))
}

// The figures were measured on another day by another program around the same scheduler.
func TestKarpenterCostsWhatItIsKnownToCost(t *testing.T) {
	w, err := twoShapes()
	if err != nil {
		t.Fatal(err)
	}
	got := solveBoth(t, w)
	if usd := got["Karpenter"].usd; usd < 222.4 || usd > 222.6 {
		t.Errorf("Karpenter costs $%.2f/h, want $222.5/h", usd)
	}
	if got["kerf"].usd >= got["Karpenter"].usd {
		t.Errorf("kerf costs $%.2f/h, Karpenter $%.2f/h", got["kerf"].usd, got["Karpenter"].usd)
	}
}
