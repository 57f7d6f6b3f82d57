package solver_test

import (
	"fmt"
	"math/rand/v2"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

const (
	teamLabel     = "example.com/team"
	categoryLabel = "karpenter.k8s.aws/instance-category"
	cpuLabel      = "karpenter.k8s.aws/instance-cpu"
	gpuLabel      = "karpenter.k8s.aws/instance-gpu-name"
	gpuResource   = corev1.ResourceName("nvidia.com/gpu")
)

// world draws problems that are small enough to be checked by brute force and mix all that Solve has to honour.
type world struct{ *rand.Rand }

func newWorld(seed uint64) world { return world{rand.New(rand.NewPCG(seed, 7))} }

func (w world) chance(percent int) bool { return w.IntN(100) < percent }

func (w world) pick(of ...string) string { return of[w.IntN(len(of))] }

func (w world) zones() []string {
	var out []string
	for _, zone := range []string{"zone-a", "zone-b", "zone-c"} {
		if w.chance(70) {
			out = append(out, zone)
		}
	}
	return out
}

func (w world) problem() solver.Problem {
	var p solver.Problem
	types := w.instanceTypes()
	for i := range 1 + w.IntN(3) {
		p.Provisioners = append(p.Provisioners, w.provisioner(i, types))
	}
	for i := range w.IntN(4) {
		p.Nodes = append(p.Nodes, w.node(i))
	}
	p.Nodes = append(p.Nodes, w.full())
	for i := range w.IntN(3) {
		p.DaemonSets = append(p.DaemonSets, w.daemon(i))
	}
	for i := range 1 + w.IntN(12) {
		modifiers := w.shape()
		for k := range 1 + w.IntN(8) {
			name := builders.Name(fmt.Sprintf("pod-%02d-%d", i, k))
			p.Pods = append(p.Pods, builders.Pod(append(modifiers, name)...))
		}
	}
	return p
}

func (w world) instanceTypes() cloudprovider.InstanceTypes {
	var out cloudprovider.InstanceTypes
	for i := range 2 + w.IntN(10) {
		cores, category := 1<<w.IntN(5), w.pick("c", "m", "r")
		memory := cores * map[string]int{"c": 2, "m": 4, "r": 8}[category]
		price := float64(cores)*0.04 + float64(memory)*0.005 + float64(w.IntN(10))/1000
		modifiers := []builders.InstanceTypeModifier{
			builders.Capacity(fmt.Sprint(cores), fmt.Sprintf("%dGi", memory), 4+10*cores), builders.Reserved("80m", "300Mi"),
			builders.TypeLabel(categoryLabel, category), builders.TypeLabel(cpuLabel, fmt.Sprint(cores)), builders.TypeLabel(gpuLabel),
			builders.OnDemand(price, w.zones()...), builders.Spot(price*(0.3+w.Float64()/2), w.zones()...),
		}
		if w.chance(30) {
			modifiers = append(modifiers, builders.TypeLabel(corev1.LabelArchStable, "arm64"))
		}
		if w.chance(15) {
			modifiers = append(modifiers, builders.Has(gpuResource, w.pick("1", "4")), builders.TypeLabel(gpuLabel, "t4"))
		}
		if w.chance(15) {
			modifiers = append(modifiers, builders.SoldOut("zone-a"))
		}
		out = append(out, builders.InstanceType(fmt.Sprintf("%s%d.x%d", category, i, cores), modifiers...))
	}
	return out
}

func (w world) provisioner(i int, types cloudprovider.InstanceTypes) solver.Provisioner {
	p := solver.Provisioner{Name: fmt.Sprintf("prov-%d", i), Weight: int32(w.IntN(3)), InstanceTypes: types, Requirements: scheduling.Requirements{}}
	for _, r := range []scheduling.Requirement{
		scheduling.NewRequirement(v1alpha5.CapacityTypeLabel, corev1.NodeSelectorOpIn, w.pick("spot", "on-demand")),
		scheduling.NewRequirement(corev1.LabelArchStable, corev1.NodeSelectorOpIn, w.pick("amd64", "arm64")),
		scheduling.NewRequirement(corev1.LabelTopologyZone, corev1.NodeSelectorOpNotIn, w.pick("zone-a", "zone-b")),
		scheduling.NewRequirement(categoryLabel, corev1.NodeSelectorOpIn, "c", w.pick("m", "r")),
		scheduling.NewRequirement(teamLabel, corev1.NodeSelectorOpIn, "red", w.pick("red", "blue", "green")),
		scheduling.NewRequirement(teamLabel, corev1.NodeSelectorOpExists),
		scheduling.NewRequirement(cpuLabel, corev1.NodeSelectorOpLt, w.pick("8", "16")),
	} {
		if w.chance(25) {
			p.Requirements.Add(r)
		}
	}
	if w.chance(25) {
		p.Taints = []corev1.Taint{{Key: "dedicated", Value: w.pick("red", "blue"), Effect: corev1.TaintEffectNoSchedule}}
	}
	if w.chance(40) {
		p.Remaining = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(fmt.Sprint(w.IntN(40)))}
	}
	if w.chance(20) {
		p.Remaining = corev1.ResourceList{v1alpha5.ResourceNodes: resource.MustParse(fmt.Sprint(w.IntN(5)))}
	}
	return p
}

func (w world) node(i int) solver.Node {
	n := solver.Node{
		Name: fmt.Sprintf("node-%d", i), Initialized: w.chance(50),
		Available: builders.InstanceType("free", builders.Capacity(fmt.Sprint(1+w.IntN(8)), fmt.Sprintf("%dGi", 1+w.IntN(16)), 10)).Capacity,
		Labels:    map[string]string{corev1.LabelArchStable: "amd64", categoryLabel: "m", cpuLabel: "8", corev1.LabelHostname: fmt.Sprintf("node-%d", i)},
	}
	if w.chance(50) {
		n.Labels[corev1.LabelTopologyZone] = w.pick("zone-a", "zone-b")
	} else {
		n.Possible = scheduling.NewRequirements(scheduling.NewRequirement(corev1.LabelTopologyZone, corev1.NodeSelectorOpIn, "zone-a", w.pick("zone-b", "zone-c")))
	}
	if w.chance(30) {
		n.Taints = []corev1.Taint{{Key: "dedicated", Value: "red", Effect: corev1.TaintEffectNoExecute}}
	}
	if w.chance(30) {
		n.Pods = []*corev1.Pod{builders.Pod(append(w.company(), builders.Name(fmt.Sprintf("running-%d", i)), builders.OnNode(n.Name))...)}
	}
	return n
}

func (w world) daemon(i int) *corev1.Pod {
	modifiers := []builders.PodModifier{builders.Name(fmt.Sprintf("daemon-%d", i)), builders.CPU("100m"), builders.Memory("200Mi")}
	if w.chance(50) {
		modifiers = append(modifiers, builders.Toleration(corev1.Toleration{Operator: corev1.TolerationOpExists}))
	}
	if w.chance(40) {
		modifiers = append(modifiers, w.selector())
	}
	if i == 0 && w.chance(20) { // two that quarrel with each other are the user's to sort out
		modifiers = append(modifiers, builders.HostPort(8080))
	}
	return builders.Pod(modifiers...)
}

// shape returns what the pods of one workload have in common.
func (w world) shape() []builders.PodModifier {
	out := append(w.company(), builders.CPU(fmt.Sprintf("%dm", 50+w.IntN(5000))), builders.Memory(fmt.Sprintf("%dMi", 64+w.IntN(9000))))
	if w.chance(10) {
		out = append(out, builders.Request(gpuResource, w.pick("1", "2")))
	}
	if w.chance(40) {
		out = append(out, builders.Toleration(corev1.Toleration{Key: "dedicated", Value: w.pick("red", "blue")}))
	}
	if w.chance(40) {
		out = append(out, w.selector())
	}
	for range w.IntN(3) {
		if w.chance(40) {
			out = append(out, builders.NodeAffinity(w.expression(), w.expression()))
		}
	}
	return out
}

// company returns what matters to other pods: labels, ports, anti-affinity, spread.
func (w world) company() []builders.PodModifier {
	app := map[string]string{"app": w.pick("web", "db", "batch")}
	out := []builders.PodModifier{builders.Labels(app)}
	switch w.IntN(8) {
	case 0:
		out = append(out, builders.HostPort(8080))
	case 1:
		out = append(out, builders.AntiAffinity(corev1.LabelHostname, map[string]string{"app": w.pick("web", "db")}))
	case 2:
		out = append(out, builders.Spread(corev1.LabelHostname, 1+int32(w.IntN(2)), app), overAllNodes)
	}
	return out
}

// overAllNodes makes the spread of the pod look at all nodes, also at those that the pod may not be on.
func overAllNodes(pod *corev1.Pod) {
	for i := range pod.Spec.TopologySpreadConstraints {
		pod.Spec.TopologySpreadConstraints[i].NodeAffinityPolicy = ptr.To(corev1.NodeInclusionPolicyIgnore)
	}
}

// full returns a node that takes nobody and has nobody. It keeps the least count of every spread over hostnames at zero, so that
// the oracle can look at each node by itself.
func (w world) full() solver.Node {
	return solver.Node{Name: "full", Initialized: true, Labels: map[string]string{corev1.LabelHostname: "full", corev1.LabelTopologyZone: "zone-a"}}
}

func (w world) selector() builders.PodModifier {
	key := w.pick(corev1.LabelTopologyZone, "beta.kubernetes.io/arch", categoryLabel, teamLabel, v1alpha5.CapacityTypeLabel)
	value := map[string]string{
		corev1.LabelTopologyZone: w.pick("zone-a", "zone-c"), "beta.kubernetes.io/arch": w.pick("amd64", "arm64"),
		categoryLabel: w.pick("c", "m", "r"), teamLabel: w.pick("red", "blue", "none"), v1alpha5.CapacityTypeLabel: w.pick("spot", "on-demand"),
	}[key]
	return builders.NodeSelector(map[string]string{key: value})
}

func (w world) expression() corev1.NodeSelectorRequirement {
	key := w.pick(corev1.LabelTopologyZone, categoryLabel, teamLabel, gpuLabel, cpuLabel, v1alpha5.CapacityTypeLabel, corev1.LabelHostname)
	switch w.IntN(6) {
	case 0:
		return corev1.NodeSelectorRequirement{Key: key, Operator: corev1.NodeSelectorOpExists}
	case 1:
		return corev1.NodeSelectorRequirement{Key: key, Operator: corev1.NodeSelectorOpDoesNotExist}
	case 2:
		return corev1.NodeSelectorRequirement{Key: cpuLabel, Operator: corev1.NodeSelectorOpGt, Values: []string{w.pick("1", "4", "8")}}
	case 3:
		return corev1.NodeSelectorRequirement{Key: key, Operator: corev1.NodeSelectorOpIn, Values: []string{w.pick("zone-a", "c", "red", "spot"), w.pick("zone-b", "m", "blue", "4")}}
	default:
		return corev1.NodeSelectorRequirement{Key: key, Operator: corev1.NodeSelectorOpNotIn, Values: []string{w.pick("zone-a", "c", "red", "spot", "t4")}}
	}
}
