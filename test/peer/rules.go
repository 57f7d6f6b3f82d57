package main

import (
	"fmt"
	"math/rand/v2"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/region"
)

// anySize is a size as people write them down.
func anySize(r *rand.Rand) builders.PodModifier {
	cpu := pick(r, 100, 250, 500, 1000, 2000, 4000, 7000)
	return size(cpu, cpu*pick(r, 1, 2, 4, 8))
}

func deployments() (workload, error) {
	r := dice(9)
	var out []*corev1.Pod
	for i := range 40 {
		name := fmt.Sprintf("deployment-%02d", i)
		labels := map[string]string{"app": name}
		out = append(out, replicas(3+r.IntN(60), name, anySize(r), builders.Labels(labels), builders.Spread(corev1.LabelTopologyZone, 1, labels))...)
	}
	return onDemand(out, region.GeneralPurpose)
}

func architectures() (workload, error) {
	r := dice(10)
	var out []*corev1.Pod
	for i := range 60 {
		selector := map[string]string{}
		if arch := pick(r, "arm64", "amd64", ""); arch != "" {
			selector[corev1.LabelArchStable] = arch
		}
		if r.IntN(4) == 0 {
			selector[v1alpha5.CapacityTypeLabel] = v1alpha5.CapacityTypeOnDemand
		}
		out = append(out, replicas(5+r.IntN(30), fmt.Sprintf("app-%02d", i), anySize(r), builders.NodeSelector(selector))...)
	}
	types, err := region.InstanceTypes(region.Common, v1alpha5.CapacityTypeSpot, v1alpha5.CapacityTypeOnDemand)
	return fromOne(out, types), err
}

func preferences() (workload, error) {
	r := dice(11)
	var out []*corev1.Pod
	for i := range 30 {
		name := fmt.Sprintf("app-%02d", i)
		labels := map[string]string{"app": name}
		wish := ratherSpread(corev1.LabelTopologyZone, labels)
		if i%2 == 0 {
			wish = both(ratherIn(80, corev1.LabelTopologyZone, region.Name+"a"), ratherIn(20, awsv1alpha1.LabelInstanceCategory, "c", "m"))
		}
		out = append(out, replicas(10+r.IntN(30), name, anySize(r), builders.Labels(labels), wish)...)
	}
	return onDemand(out, region.GeneralPurpose)
}

// ratherIn prefers nodes whose label has one of the values.
func ratherIn(weight int32, key string, values ...string) builders.PodModifier {
	return func(p *corev1.Pod) {
		if p.Spec.Affinity == nil {
			p.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{}}
		}
		terms := &p.Spec.Affinity.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution
		*terms = append(*terms, corev1.PreferredSchedulingTerm{
			Weight: weight,
			Preference: corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{
				{Key: key, Operator: corev1.NodeSelectorOpIn, Values: values},
			}},
		})
	}
}

// ratherSpread spreads the pods with the labels if that can be done.
func ratherSpread(key string, labels map[string]string) builders.PodModifier {
	return func(p *corev1.Pod) {
		p.Spec.TopologySpreadConstraints = append(p.Spec.TopologySpreadConstraints, corev1.TopologySpreadConstraint{
			TopologyKey: key, MaxSkew: 1, WhenUnsatisfiable: corev1.ScheduleAnyway,
			LabelSelector: &metav1.LabelSelector{MatchLabels: labels},
		})
	}
}

func daemonSets() (workload, error) {
	w, err := onDemand(randomPods(1500, 12), region.GeneralPurpose)
	w.daemons = slices.Concat(
		replicas(1, "network", size(100, 128)), replicas(1, "proxy", size(100, 64)), replicas(1, "logs", size(250, 512)),
		replicas(1, "for-new-types", size(200, 256), builders.NodeAffinity(corev1.NodeSelectorRequirement{
			Key: awsv1alpha1.LabelInstanceGeneration, Operator: corev1.NodeSelectorOpGt, Values: []string{"6"},
		})),
		replicas(1, "for-arm", size(4000, 4096), builders.NodeSelector(map[string]string{corev1.LabelArchStable: "arm64"})),
	)
	return w, err
}

func twoProvisioners() (workload, error) {
	r := dice(13)
	var out []*corev1.Pod
	for i := range 40 {
		tolerate := func(*corev1.Pod) {}
		if i%2 == 0 {
			tolerate = builders.Toleration(corev1.Toleration{Key: "dedicated", Operator: corev1.TolerationOpEqual, Value: "batch"})
		}
		out = append(out, replicas(5+r.IntN(40), fmt.Sprintf("app-%02d", i), anySize(r), tolerate)...)
	}
	w, err := onDemand(out, region.GeneralPurpose)
	heavy := solver.Provisioner{
		Name: "batch", Weight: 50, InstanceTypes: w.provisioners[0].InstanceTypes,
		Requirements: scheduling.NewRequirements(
			scheduling.NewRequirement(awsv1alpha1.LabelInstanceCategory, corev1.NodeSelectorOpIn, "c", "m"),
			scheduling.NewRequirement(awsv1alpha1.LabelInstanceGeneration, corev1.NodeSelectorOpGt, "4"),
		),
		Taints: []corev1.Taint{{Key: "dedicated", Value: "batch", Effect: corev1.TaintEffectNoSchedule}},
	}
	w.provisioners = append(w.provisioners, heavy)
	return w, err
}

func services() (workload, error) {
	r := dice(14)
	var out []*corev1.Pod
	for i := range 25 {
		name := fmt.Sprintf("service-%02d", i)
		labels := map[string]string{"app": name}
		out = append(out, replicas(2+r.IntN(8), name, anySize(r), builders.Labels(labels), builders.AntiAffinity(corev1.LabelHostname, labels))...)
	}
	for i := range 25 {
		out = append(out, replicas(10+r.IntN(30), fmt.Sprintf("job-%02d", i), anySize(r))...)
	}
	return onDemand(out, region.GeneralPurpose)
}
