package world

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/resources"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// Labels and resources that worlds are made of.
const (
	betaArch = "beta.kubernetes.io/arch"
	betaOS   = "beta.kubernetes.io/os"

	teamLabel     = "example.com/team"
	rackLabel     = "example.com/rack"
	categoryLabel = "karpenter.k8s.aws/instance-category"
	cpuLabel      = "karpenter.k8s.aws/instance-cpu"
	gpuLabel      = "karpenter.k8s.aws/instance-gpu-name"

	gpuResource = corev1.ResourceName("nvidia.com/gpu")

	region = "test-1"
)

// drawing is a world in the making.
type drawing struct {
	dice
	world *World
	zones []string
}

// Draw makes up the world of a seed, with that many pods or a few more.
func Draw(seed uint64, pods int) *World {
	d := drawing{dice: newDice(seed, plainStream), world: &World{Seed: seed, Planned: map[types.UID]string{}}}
	d.zones = []string{"test-1a", "test-1b", "test-1c"}[:d.between(2, 3)]
	d.world.Namespaces = map[string]map[string]string{
		"default": {"kubernetes.io/metadata.name": "default", "tier": "front"},
		"other":   {"kubernetes.io/metadata.name": "other", "tier": "back"},
		"third":   {"kubernetes.io/metadata.name": "third", "tier": "back"},
	}
	d.drawTypes()
	for i := range d.between(1, 3) {
		d.world.Provisioners = append(d.world.Provisioners, d.provisioner(i))
	}
	for i := range d.between(0, 2) {
		d.world.DaemonSets = append(d.world.DaemonSets, d.daemon(i))
	}
	d.drawClasses()
	for i := range d.between(0, 8) {
		d.world.Nodes = append(d.world.Nodes, d.node(i))
	}
	for i := 0; len(d.world.Pods) < pods; i++ {
		d.world.Pods = append(d.world.Pods, d.workload(fmt.Sprintf("w%02d", i), d.replicas())...)
	}
	d.plan()
	if rich(seed) {
		d.dice = newDice(seed, richStream)
		d.enrich()
	}
	return d.world
}

func (d drawing) replicas() int {
	if d.chance(35) {
		return 1
	}
	return d.between(2, 12)
}

// plan remembers some pods as meant for machines on their way.
func (d drawing) plan() {
	for _, pod := range d.world.Pods {
		if len(d.world.Nodes) > 0 && d.chance(5) {
			if n := one(d.dice, d.world.Nodes...); n.Machine != nil {
				d.world.Planned[pod.UID] = n.Name()
			}
		}
	}
}

func (d drawing) drawTypes() {
	for i := range d.between(4, 20) {
		cores, category := 1<<d.between(0, 4), one(d.dice, "c", "m", "r")
		memory := cores * map[string]int{"c": 2, "m": 4, "r": 8}[category]
		price := float64(cores)*0.04 + float64(memory)*0.005 + float64(d.IntN(10))/1000
		modifiers := []builders.InstanceTypeModifier{
			builders.Capacity(fmt.Sprint(cores), fmt.Sprintf("%dGi", memory), one(d.dice, 6, 8+6*cores)), builders.Reserved("80m", "300Mi"),
			builders.TypeLabel(categoryLabel, category), builders.TypeLabel(cpuLabel, fmt.Sprint(cores)), builders.TypeLabel(gpuLabel),
			builders.TypeLabel(corev1.LabelTopologyRegion, region),
			builders.OnDemand(price, some(d.dice, d.zones...)...),
		}
		if d.chance(70) {
			modifiers = append(modifiers, builders.Spot(price*(0.3+d.Float64()/2), some(d.dice, d.zones...)...))
		}
		if d.chance(30) {
			modifiers = append(modifiers, builders.TypeLabel(corev1.LabelArchStable, "arm64"))
		}
		if d.chance(15) {
			modifiers = append(modifiers, builders.Has(gpuResource, one(d.dice, "1", "4")), builders.TypeLabel(gpuLabel, "t4"))
		}
		if d.chance(15) {
			modifiers = append(modifiers, builders.SoldOut(one(d.dice, d.zones...)))
		}
		t := builders.InstanceType(fmt.Sprintf("%s%d.x%d", category, i, cores), modifiers...)
		t.Special = d.chance(10)
		d.world.Types = append(d.world.Types, t)
	}
	slices.SortFunc(d.world.Types, func(a, b *cloudprovider.InstanceType) int { return slices.Compare([]byte(a.Name), []byte(b.Name)) })
}

func (d drawing) provisioner(i int) *v1alpha5.Provisioner {
	p := builders.Provisioner(fmt.Sprintf("prov-%d", i), builders.Weight(int32(d.IntN(3)))) //nolint:gosec // 0 to 2
	in := corev1.NodeSelectorOpIn
	for _, modify := range []builders.ProvisionerModifier{
		builders.Requirement(v1alpha5.CapacityTypeLabel, in, some(d.dice, "spot", "on-demand")...),
		builders.Requirement(corev1.LabelArchStable, in, some(d.dice, "amd64", "arm64")...),
		builders.Requirement(one(d.dice, corev1.LabelTopologyZone, corev1.LabelFailureDomainBetaZone), one(d.dice, in, corev1.NodeSelectorOpNotIn), one(d.dice, d.zones...)),
		builders.Requirement(categoryLabel, in, some(d.dice, "c", "m", "r")...),
		builders.Requirement(teamLabel, in, some(d.dice, "red", "blue", "green")...),
		builders.Requirement(teamLabel, corev1.NodeSelectorOpExists),
		builders.MachineLabels(map[string]string{rackLabel: one(d.dice, "r1", "r2")}),
		builders.Requirement(rackLabel, in, some(d.dice, "r1", "r2", "r3")...),
		builders.Requirement(cpuLabel, one(d.dice, corev1.NodeSelectorOpLt, corev1.NodeSelectorOpGt), one(d.dice, "2", "4", "16")),
		builders.MachineTaint("dedicated", one(d.dice, "red", "blue"), one(d.dice, corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute, corev1.TaintEffectPreferNoSchedule)),
		builders.Limit(corev1.ResourceCPU, fmt.Sprint(d.IntN(60))),
	} {
		if d.chance(20) {
			modify(p)
		}
	}
	if d.chance(10) {
		builders.Limit(v1alpha5.ResourceNodes, fmt.Sprint(d.IntN(8)))(p)
	}
	return p
}

func (d drawing) daemon(i int) *corev1.Pod {
	name := fmt.Sprintf("daemon-%d", i)
	modifiers := []builders.PodModifier{
		builders.Name(name), builders.Namespace("other"), builders.Labels(map[string]string{"app": name}),
		builders.CPU(fmt.Sprintf("%dm", d.between(1, 3)*50)), builders.Memory(fmt.Sprintf("%dMi", d.between(1, 5)*50)),
	}
	if d.chance(60) {
		modifiers = append(modifiers, builders.Toleration(corev1.Toleration{Operator: corev1.TolerationOpExists}))
	}
	if d.chance(30) {
		modifiers = append(modifiers, d.selector())
	}
	if i == 0 && d.chance(30) { // two that want the same port of each node are the user's to sort out
		modifiers = append(modifiers, builders.HostPort(8080))
	}
	return builders.Pod(modifiers...)
}

// node draws a node, or a machine on its way. Pods run only on nodes.
func (d drawing) node(i int) Node {
	name := fmt.Sprintf("node-%d", i)
	if d.chance(30) {
		return Node{Machine: d.machine(name)}
	}
	t, provisioner := one(d.dice, d.world.Types...), one(d.dice, d.world.Provisioners...)
	labels := requirementsOf(provisioner).Labels()
	maps.Copy(labels, t.Requirements.Labels())
	labels[corev1.LabelTopologyZone], labels[v1alpha5.CapacityTypeLabel] = one(d.dice, d.zones...), one(d.dice, "spot", "on-demand")
	n := Node{Node: Registered(name, labels, v1alpha5.NodeTaints(provisioner.Spec.Taints), t)}
	if d.chance(10) {
		n.Node.Spec.Unschedulable = true // cordoned: the controller of nodes adds the taint
		n.Node.Spec.Taints = append(slices.Clone(n.Node.Spec.Taints), corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule})
	}
	if d.chance(50) {
		n.Attachable = map[string]int32{ebsDriver: int32(d.between(0, 4))} //nolint:gosec // 0 to 4
	}
	d.run(&n)
	return n
}

// machine draws a machine on its way: one that has an instance, so that all about it is settled, or one that may still become
// one of several instance types in one of several zones.
func (d drawing) machine(name string) *v1alpha5.Machine {
	types, provisioner := some(d.dice, d.world.Types...), one(d.dice, d.world.Provisioners...)
	m := builders.Machine(name, provisioner.Name)
	m.Spec.Taints = v1alpha5.NodeTaints(provisioner.Spec.Taints)
	maps.Copy(m.Labels, requirementsOf(provisioner).Labels())
	m.Labels[v1alpha5.CapacityTypeLabel], m.Labels[corev1.LabelOSStable] = one(d.dice, "spot", "on-demand"), string(corev1.Linux)
	delete(m.Labels, corev1.LabelTopologyZone)
	delete(m.Labels, categoryLabel)
	delete(m.Labels, corev1.LabelArchStable)
	t := types[0]
	if d.chance(50) {
		maps.Copy(m.Labels, t.Requirements.Labels())
		m.Labels[corev1.LabelTopologyZone] = one(d.dice, zonesOf(t)...)
		m.Status.Capacity, m.Status.Allocatable, m.Status.ProviderID = t.Capacity, t.Allocatable(), "instance-of-"+name
		return m
	}
	in := corev1.NodeSelectorOpIn
	var names, arches []string
	for _, t := range types {
		names, arches = append(names, t.Name), append(arches, t.Requirements[corev1.LabelArchStable].Values()...)
	}
	zones := some(d.dice, zonesOf(t)...)
	for _, modify := range []builders.MachineModifier{
		builders.MachineRequirement(corev1.LabelInstanceTypeStable, in, names...), builders.MachineRequirement(corev1.LabelArchStable, in, arches...),
		builders.MachineRequirement(corev1.LabelTopologyZone, in, zones...),
	} {
		modify(m)
	}
	maps.Copy(m.Labels, scheduling.FromNodeSelector(m.Spec.Requirements).Labels())
	return m
}

// requirementsOf returns what a provisioner requires of its machines, labels included.
func requirementsOf(p *v1alpha5.Provisioner) scheduling.Requirements {
	return scheduling.FromNodeSelector(v1alpha5.NodeSelectorRequirements(p.Spec.Requirements)).Union(scheduling.FromLabels(p.Spec.Labels)).
		Union(scheduling.FromLabels(map[string]string{v1alpha5.ProvisionerNameLabel: p.Name}))
}

// run puts pods on a node: those of DaemonSets, and what is left of some workloads.
func (d drawing) run(n *Node) {
	for _, daemon := range d.world.DaemonSets {
		if RunsOn(daemon, n.Node) {
			pod := daemon.DeepCopy()
			pod.Name += "-" + n.Node.Name
			pod.UID = types.UID(pod.Namespace + "/" + pod.Name)
			builders.OwnedBy("apps/v1", "DaemonSet", daemon.Name)(pod)
			pod.OwnerReferences[0].UID = daemon.UID
			builders.OnNode(n.Node.Name)(pod)
			n.Pods = append(n.Pods, pod)
		}
	}
	for i := range d.between(0, 2) {
		for _, pod := range d.workload(fmt.Sprintf("%s-old%d", n.Node.Name, i), d.between(1, 2)) {
			builders.OnNode(n.Node.Name)(pod)
			if d.chance(30) {
				d.resize(pod)
			}
			if d.chance(5) {
				pod.DeletionTimestamp = new(someTime())
			}
			if d.fits(*n, pod) {
				n.Pods = append(n.Pods, pod)
			}
		}
	}
}

// fits reports whether what the pod asks for is left on the node; whatever else it asks for may have changed since it came.
func (d drawing) fits(n Node, pod *corev1.Pod) bool {
	total := pods.Requests(pod)
	for _, p := range n.Pods {
		total = resources.Sum(total, pods.Requests(p))
	}
	return len(resources.Exceeding(total, n.Node.Status.Allocatable)) == 0
}
