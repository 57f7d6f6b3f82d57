package main

import (
	"math"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/region"
)

func in(key string, values ...string) scheduling.Requirements {
	return scheduling.NewRequirements(scheduling.NewRequirement(key, corev1.NodeSelectorOpIn, values...))
}

// planned returns a node of the default provisioner.
func planned(pods []*corev1.Pod, left scheduling.Requirements, types ...string) plannedNode {
	return plannedNode{provisioner: "default", instanceTypes: types, requirements: left, pods: pods}
}

// accuse fails the test unless the faults are none where none are expected, and else have one with all of the words.
func accuse(t *testing.T, got invoice, words ...string) {
	t.Helper()
	if len(words) == 0 {
		if len(got.faults) > 0 || math.IsNaN(got.usd) {
			t.Errorf("costs $%v/h, faults %q, want none", got.usd, got.faults)
		}
		return
	}
	if !math.IsNaN(got.usd) {
		t.Errorf("costs $%v/h, want no price for a plan that cannot be carried out", got.usd)
	}
	for _, fault := range got.faults {
		all := true
		for _, word := range words {
			all = all && strings.Contains(fault, word)
		}
		if all {
			return
		}
	}
	t.Errorf("faults %q, want one with all of %q", got.faults, words)
}

func TestNodesCostTheirCheapestOfferingThatIsLeft(t *testing.T) {
	types := cloudprovider.InstanceTypes{
		builders.InstanceType("large", builders.Capacity("8", "32Gi", 20), builders.OnDemand(2, "a", "b"), builders.Spot(0.5, "b")),
		builders.InstanceType("small", builders.Capacity("4", "16Gi", 10), builders.OnDemand(1, "a"), builders.Spot(0.125, "c"), builders.SoldOut("c")),
	}
	w := fromOne(replicas(1, "p", size(2000, 1024)), types)
	w.daemons = replicas(1, "d", size(2500, 1), builders.NodeSelector(map[string]string{corev1.LabelInstanceTypeStable: "small", corev1.LabelTopologyZone: "b"}))
	for name, tc := range map[string]struct {
		node  plannedNode
		usd   float64
		fault []string
	}{
		"of all types":         {node: planned(w.pods, nil, "large", "small"), usd: 0.5},
		"in a zone":            {node: planned(w.pods, in(corev1.LabelTopologyZone, "a"), "large", "small"), usd: 1},
		"of a capacity type":   {node: planned(w.pods, in(v1alpha5.CapacityTypeLabel, "on-demand"), "large"), usd: 2},
		"of a label of a type": {node: planned(w.pods, in(corev1.LabelInstanceTypeStable, "small"), "large", "small"), usd: 1},
		"sold out":             {node: planned(w.pods, in(corev1.LabelTopologyZone, "c"), "small"), fault: []string{"cannot be bought", "p-00000"}},
		"not sold there":       {node: planned(w.pods, in(corev1.LabelTopologyZone, "b"), "small"), fault: []string{"cannot be bought", "p-00000"}},
		"of no type":           {node: planned(w.pods, nil), fault: []string{"cannot be bought", "p-00000"}},
		"of an unknown type":   {node: planned(w.pods, nil, "small", "tiny"), fault: []string{"tiny", "does not sell"}},
		"of nobody":            {node: plannedNode{provisioner: "x", instanceTypes: []string{"small"}, pods: w.pods}, fault: []string{`provisioner "x"`}},
	} {
		t.Run(name, func(t *testing.T) {
			got := newReferee(w).bill(answer{nodes: []plannedNode{tc.node}})
			if accuse(t, got, tc.fault...); len(tc.fault) == 0 && got.usd != tc.usd {
				t.Errorf("costs $%v/h, want $%v/h", got.usd, tc.usd)
			}
		})
	}
}

func TestEveryPodIsPlacedOnceOrRefused(t *testing.T) {
	w := fromOne(replicas(2, "p", size(100, 1)), cloudprovider.InstanceTypes{
		builders.InstanceType("small", builders.Capacity("4", "16Gi", 10), builders.OnDemand(1, "a")),
	})
	one, other, stranger := w.pods[:1], w.pods[1:], replicas(1, "q")
	for name, tc := range map[string]struct {
		nodes    [][]*corev1.Pod
		unplaced []*corev1.Pod
		fault    []string
	}{
		"all placed":            {nodes: [][]*corev1.Pod{one, other}},
		"one refused":           {nodes: [][]*corev1.Pod{one}, unplaced: other},
		"one forgotten":         {nodes: [][]*corev1.Pod{one}, fault: []string{"p-00001", "forgotten"}},
		"one on two nodes":      {nodes: [][]*corev1.Pod{one, other, one}, fault: []string{"p-00000", "on node 0", "on node 2"}},
		"one twice on a node":   {nodes: [][]*corev1.Pod{{one[0], one[0]}, other}, fault: []string{"p-00000", "twice"}},
		"one placed and not":    {nodes: [][]*corev1.Pod{one, other}, unplaced: other, fault: []string{"p-00001", "on node 1 and unplaced"}},
		"one from nowhere":      {nodes: [][]*corev1.Pod{one, other, stranger}, fault: []string{"q-00000", "never asked for"}},
		"one refused for all 2": {nodes: [][]*corev1.Pod{other}, unplaced: []*corev1.Pod{one[0], one[0]}, fault: []string{"p-00000", "twice"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := answer{unplaced: tc.unplaced}
			for _, pods := range tc.nodes {
				a.nodes = append(a.nodes, planned(pods, nil, "small"))
			}
			accuse(t, newReferee(w).bill(a), tc.fault...)
		})
	}
}

// sellers are provisioners of the same types, each with a rule of its own.
func sellers() []solver.Provisioner {
	types := cloudprovider.InstanceTypes{
		builders.InstanceType("arm", builders.Capacity("4", "16Gi", 4), builders.OnDemand(1, "a", "b"), builders.TypeLabel(corev1.LabelArchStable, "arm64")),
		builders.InstanceType("plain", builders.Capacity("4", "16Gi", 4), builders.OnDemand(1, "a", "b"), builders.Spot(0.25, "b"), builders.TypeLabel("example.com/fast")),
		builders.InstanceType("fast", builders.Capacity("8", "16Gi", 4), builders.Has(region.NVIDIA, "1"), builders.OnDemand(2, "a"), builders.TypeLabel("example.com/fast", "7")),
		builders.InstanceType("weak", builders.Capacity("2", "2Gi", 4), builders.OnDemand(9, "a")),
	}
	return []solver.Provisioner{
		{Name: "default", InstanceTypes: types},
		{Name: "limited", InstanceTypes: types, Remaining: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("7")}},
		{Name: "picky", InstanceTypes: types, Requirements: in("example.com/fast", "7", "8").Union(in("team", "x"))},
		{Name: "tainted", InstanceTypes: types, Taints: []corev1.Taint{
			{Key: "rather", Effect: corev1.TaintEffectPreferNoSchedule}, {Key: "dedicated", Value: "x", Effect: corev1.TaintEffectNoSchedule},
		}},
	}
}

func TestPodsAreHeldAgainstTheNodesTheyArePlannedFor(t *testing.T) {
	wants := func(key string, operator corev1.NodeSelectorOperator, values ...string) builders.PodModifier {
		return builders.NodeAffinity(corev1.NodeSelectorRequirement{Key: key, Operator: operator, Values: values})
	}
	tolerant := builders.Toleration(corev1.Toleration{Key: "dedicated", Operator: corev1.TolerationOpEqual, Value: "x"})
	selects := func(key, value string) builders.PodModifier {
		return builders.NodeSelector(map[string]string{key: value})
	}
	onNode := func(provisioner string, left scheduling.Requirements, types ...string) plannedNode {
		return plannedNode{provisioner: provisioner, requirements: left, instanceTypes: types}
	}
	const selected, overfull = "not what the pod selects", "overfull"
	for name, tc := range map[string]struct {
		pods        []*corev1.Pod
		fine, wrong plannedNode
		fault       string
	}{
		"architecture":            {replicas(1, "p", selects(corev1.LabelArchStable, "arm64")), onNode("default", nil, "arm"), onNode("default", nil, "plain"), selected},
		"operating system":        {replicas(1, "p", wants(corev1.LabelOSStable, corev1.NodeSelectorOpNotIn, "linux")), plannedNode{}, onNode("default", nil, "fast"), selected},
		"zone":                    {replicas(1, "p", selects(corev1.LabelTopologyZone, "b")), onNode("default", in(corev1.LabelTopologyZone, "b"), "arm"), onNode("default", nil, "arm"), selected},
		"capacity type":           {replicas(1, "p", wants(v1alpha5.CapacityTypeLabel, corev1.NodeSelectorOpIn, "on-demand")), onNode("default", in(v1alpha5.CapacityTypeLabel, "on-demand"), "plain"), onNode("default", nil, "plain"), selected},
		"instance type":           {replicas(1, "p", selects(corev1.LabelInstanceTypeStable, "fast")), onNode("default", nil, "fast"), onNode("default", nil, "arm", "fast"), selected},
		"another type's label":    {replicas(1, "p", wants("example.com/fast", corev1.NodeSelectorOpGt, "6")), onNode("default", nil, "fast"), onNode("default", nil, "plain"), selected},
		"the user's label":        {replicas(1, "p", selects("team", "x")), onNode("picky", nil, "fast"), onNode("default", nil, "fast"), selected},
		"the plan's label":        {replicas(1, "p", selects("color", "red")), onNode("default", in("color", "red"), "fast"), onNode("default", in("color", "blue"), "fast"), selected},
		"the provisioner's types": {replicas(1, "p"), onNode("picky", nil, "arm", "fast"), onNode("picky", nil, "arm", "plain"), "cannot be bought"},
		"the provisioner's name":  {replicas(1, "p", selects(v1alpha5.ProvisionerNameLabel, "picky")), onNode("picky", nil, "fast"), onNode("default", nil, "fast"), selected},
		"taints":                  {replicas(1, "p"), onNode("default", nil, "arm"), onNode("tainted", nil, "arm"), "dedicated=x:NoSchedule"},
		"tolerations":             {replicas(1, "p", tolerant), onNode("tainted", nil, "arm"), plannedNode{}, ""},
		"cpu":                     {replicas(3, "p", size(1500, 1)), onNode("default", nil, "fast"), onNode("default", nil, "plain"), overfull + ": 4500m of cpu"},
		"cpu as a dearer type":    {replicas(1, "p", size(5000, 1)), onNode("default", nil, "fast"), onNode("default", nil, "fast", "arm"), overfull},
		"cpu of a fallback":       {replicas(1, "p", size(3000, 15*1024)), onNode("default", nil, "plain", "fast"), onNode("default", nil, "plain", "fast", "weak"), "weak, on-demand in a): it is overfull: 3 of cpu"},
		"memory":                  {replicas(1, "p", size(1, 16*1024)), onNode("default", nil, "plain"), plannedNode{}, ""},
		"too much memory":         {replicas(1, "p", size(1, 16*1024+1)), plannedNode{}, onNode("default", nil, "plain"), overfull + ": 16385Mi of memory"},
		"slots for pods":          {replicas(5, "p"), plannedNode{}, onNode("default", nil, "fast"), overfull + ": 5 of pods"},
		"devices":                 {replicas(1, "p", builders.Request(region.NVIDIA, "1")), onNode("default", nil, "fast"), onNode("default", nil, "plain"), overfull + ": 1 of nvidia.com/gpu"},
		"limits":                  {replicas(1, "p"), onNode("limited", nil, "arm"), onNode("limited", nil, "fast"), "provisioner limited has 7 of cpu left, its nodes have 8"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReferee(workload{pods: tc.pods, provisioners: sellers()})
			if tc.fine.pods = tc.pods; tc.fine.provisioner != "" {
				accuse(t, r.bill(answer{nodes: []plannedNode{tc.fine}}))
			}
			if tc.wrong.pods = tc.pods; tc.fault != "" {
				accuse(t, r.bill(answer{nodes: []plannedNode{tc.wrong}}), tc.fault, "node")
			}
		})
	}
}

func TestDaemonSetsAreThereBeforePods(t *testing.T) {
	small := builders.InstanceType("small", builders.Capacity("4", "16Gi", 10), builders.OnDemand(1, "a"))
	daemon := func(modifiers ...builders.PodModifier) *corev1.Pod { return replicas(1, "daemon", modifiers...)[0] }
	anything := builders.Toleration(corev1.Toleration{Operator: corev1.TolerationOpExists})
	taints := []corev1.Taint{{Key: "k", Effect: corev1.TaintEffectNoExecute}}
	for name, tc := range map[string]struct {
		daemon *corev1.Pod
		taints []corev1.Taint
		pod    builders.PodModifier
		fault  []string
	}{
		"beside the pod":           {daemon: daemon(size(1000, 1)), pod: size(3000, 1)},
		"in its room":              {daemon: daemon(size(1001, 1)), pod: size(3000, 1), fault: []string{"p-00000", "overfull"}},
		"not on these nodes":       {daemon: daemon(size(2000, 1), builders.NodeSelector(map[string]string{corev1.LabelArchStable: "arm64"})), pod: size(3000, 1)},
		"not behind the taint":     {daemon: daemon(size(2000, 1)), taints: taints, pod: both(size(3000, 1), anything)},
		"behind the taint":         {daemon: daemon(size(2000, 1), anything), taints: taints, pod: both(size(3000, 1), anything), fault: []string{"p-00000", "overfull"}},
		"with the pod's host port": {daemon: daemon(builders.HostPort(80)), pod: builders.HostPort(80), fault: []string{"p-00000", "daemon-00000 has host port 80"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := fromOne(replicas(1, "p", tc.pod), cloudprovider.InstanceTypes{small})
			w.daemons, w.provisioners[0].Taints = []*corev1.Pod{tc.daemon}, tc.taints
			accuse(t, newReferee(w).bill(answer{nodes: []plannedNode{planned(w.pods, nil, "small")}}), tc.fault...)
		})
	}
}

// A side may have relaxed the copies of pods that are in its plan.
func TestThePodsOfTheWorkloadCountNotThoseOfThePlan(t *testing.T) {
	w := workload{pods: replicas(1, "p", builders.NodeSelector(map[string]string{corev1.LabelArchStable: "arm64"})), provisioners: sellers()}
	accuse(t, newReferee(w).bill(answer{nodes: []plannedNode{planned(replicas(1, "p"), nil, "plain")}}), "p-00000", "not what the pod selects")
}
