package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/conformance/world"
)

func TestAWorldIsWrittenAsAScenario(t *testing.T) {
	app := map[string]string{"app": "web"}
	pod := func(name string, modifiers ...builders.PodModifier) *corev1.Pod {
		return builders.Pod(append(modifiers, builders.Name(name), builders.Labels(app), builders.CPU("1"), builders.Spread(corev1.LabelHostname, 2, app),
			builders.NodeSelector(map[string]string{"team": "red"}))...)
	}
	w := &world.World{
		Types: cloudprovider.InstanceTypes{
			builders.InstanceType("large", builders.Capacity("8", "32Gi", 20), builders.TypeLabel("gpu"), builders.OnDemand(0.4, "a", "b"), builders.SoldOut("b")),
		},
		Provisioners: []*v1alpha5.Provisioner{builders.Provisioner("default", builders.Weight(3), builders.Limit(corev1.ResourceCPU, "20"),
			builders.MachineLabels(map[string]string{"team": "red"}), builders.MachineTaint("dedicated", "x", corev1.TaintEffectNoSchedule))},
		Pods: []*corev1.Pod{pod("web-0"), pod("web-1")},
	}
	got, missing := scenarioOf(w)
	want := `add-type large cpu=8 memory=32Gi pods=20 label=gpu label=kubernetes.io/arch:amd64 zones=a on-demand=0.4 zones=b on-demand=0.4 sold-out=b
add-provisioner default weight=3 limit=cpu:20 require=karpenter.sh/provisioner-name:In:default require=team:In:red taint=dedicated:x:NoSchedule
add-pod web replicas=2 cpu=1 select=team:red spread=kubernetes.io/hostname:2
solve
`
	if diff := cmp.Diff(want, got); diff != "" || len(missing) > 0 {
		t.Errorf("left out %v, commands (-want +got):\n%s", missing, diff)
	}
}

func TestWhatScenariosHaveNoWordsForIsNamed(t *testing.T) {
	w := &world.World{Pods: []*corev1.Pod{builders.Pod(builders.Labels(map[string]string{"app": "web"}), builders.Namespace("other"),
		builders.AntiAffinity(corev1.LabelHostname, map[string]string{"app": "db"}), builders.Claim("data"))}}
	_, missing := scenarioOf(w)
	if diff := cmp.Diff([]string{"namespaces", "selectors of other pods", "volumes"}, missing); diff != "" {
		t.Errorf("left out (-want +got):\n%s", diff)
	}
}
