package world

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// plainSeeds is up to which seed worlds are plain: what is drawn into rich ones is of a later age, and seeds that people have
// written down go on to mean what they did.
const plainSeeds = 600

// Priorities that are drawn: that of pods which give way to any other, and two of pods which do not.
const (
	expendable int32 = -20
	low        int32 = -5
	high       int32 = 100
)

// rich reports whether a world has what rich ones have: every second one beyond the plain ones.
func rich(seed uint64) bool { return seed > plainSeeds && seed%2 == 0 }

// enrich adds to a plain world what is rarer: how nodes come and go, who gives way to whom, and the odder kinds of daemons,
// volumes and affinity.
func (d drawing) enrich() {
	d.values()
	for _, daemon := range d.world.DaemonSets {
		d.chooseDaemon(daemon)
	}
	for i := range d.world.Nodes {
		if n := &d.world.Nodes[i]; n.Node != nil {
			d.tie(n)
			d.stage(n)
		}
	}
	for _, replicas := range workloads(d.world.Pods) {
		d.decorate(replicas)
	}
	d.aside()
}

// workloads returns the pods of each workload, in their order.
func workloads(list []*corev1.Pod) [][]*corev1.Pod {
	var out [][]*corev1.Pod
	for i, pod := range list {
		if i == 0 || list[i-1].Labels["app"] != pod.Labels["app"] {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], pod)
	}
	return out
}

// values draws how many different instance types, sizes or kinds a provisioner wants its machines to choose from.
func (d drawing) values() {
	d.world.BestEffort = d.chance(40)
	for _, p := range d.world.Provisioners {
		if d.chance(35) {
			p.Spec.Requirements = append(p.Spec.Requirements, v1alpha5.Requirement{
				Key:       one(d.dice, corev1.LabelInstanceTypeStable, corev1.LabelInstanceTypeStable, categoryLabel, cpuLabel),
				Operator:  corev1.NodeSelectorOpExists,
				MinValues: new(int32(d.between(2, 5))), //nolint:gosec // at most 5
			})
		}
	}
}

// chooseDaemon draws which nodes a DaemonSet is for.
func (d drawing) chooseDaemon(daemon *corev1.Pod) {
	if d.chance(40) {
		for range d.between(1, 2) {
			builders.NodeAffinity(d.expressions()...)(daemon)
		}
	}
	if d.chance(10) {
		daemon.Spec.Tolerations = append(daemon.Spec.Tolerations, corev1.Toleration{Key: "dedicated", Operator: corev1.TolerationOpExists})
	}
}

// tie makes the pods of DaemonSets on a node what their controller makes them: its affinity is for that one node, which takes
// the place of what the template says. Those that the node is not for any more are gone.
func (d drawing) tie(n *Node) {
	n.Pods = slices.DeleteFunc(n.Pods, func(pod *corev1.Pod) bool {
		return metav1.GetControllerOfNoCopy(pod) != nil && !RunsOn(d.daemonOf(pod), n.Node)
	})
	for _, pod := range n.Pods {
		if metav1.GetControllerOfNoCopy(pod) != nil {
			pod.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
				RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{
					{MatchFields: []corev1.NodeSelectorRequirement{named(corev1.NodeSelectorOpIn, n.Name())}},
				}},
			}}
		}
	}
}

// daemonOf returns the pod of the DaemonSet that owns this one.
func (d drawing) daemonOf(pod *corev1.Pod) *corev1.Pod {
	owner := metav1.GetControllerOfNoCopy(pod)
	return d.world.DaemonSets[slices.IndexFunc(d.world.DaemonSets, func(set *corev1.Pod) bool { return set.UID == owner.UID })]
}

// stage draws whether a node is only starting, or on its way out already.
func (d drawing) stage(n *Node) {
	switch {
	case d.chance(20) && !n.Node.Spec.Unschedulable:
		d.start(n)
	case d.chance(12):
		n.Leaving = true
		n.Node.Spec.Taints = append(slices.Clone(n.Node.Spec.Taints), v1alpha5.DisruptedTaint())
	}
}

// start makes a node one that has just joined: it has taints that pass, not all of its labels, resources and daemons yet, and no
// other pods.
func (d drawing) start(n *Node) {
	provisioner := n.Node.Labels[v1alpha5.ProvisionerNameLabel]
	n.Machine = builders.Machine(n.Name(), provisioner, builders.RegisteredAs(n.Name()))
	n.Machine.Spec.Taints, n.Machine.Labels = n.Node.Spec.Taints, maps.Clone(n.Node.Labels)
	n.Machine.Status.ProviderID, n.Node.Spec.ProviderID = "instance-of-"+n.Name(), "instance-of-"+n.Name()
	n.Machine.Status.Capacity, n.Machine.Status.Allocatable = n.Node.Status.Capacity, n.Node.Status.Allocatable
	delete(n.Machine.Labels, v1alpha5.InitializedLabel)
	delete(n.Node.Labels, v1alpha5.InitializedLabel)
	if d.chance(50) {
		delete(n.Node.Labels, v1alpha5.RegisteredLabel)
		delete(n.Node.Labels, one(d.dice, teamLabel, rackLabel, v1alpha5.CapacityTypeLabel))
	}
	if d.chance(60) {
		startup := corev1.Taint{Key: "example.com/agent", Value: one(d.dice, "", "starting"), Effect: one(d.dice, corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute)}
		n.Machine.Spec.StartupTaints = []corev1.Taint{startup}
		n.Passing = append(n.Passing, startup)
	}
	n.Passing = append(n.Passing, some(d.dice,
		corev1.Taint{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule}, corev1.Taint{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoExecute},
		corev1.Taint{Key: corev1.TaintNodeNetworkUnavailable, Effect: corev1.TaintEffectNoSchedule},
		corev1.Taint{Key: "node.cloudprovider.kubernetes.io/uninitialized", Value: "true", Effect: corev1.TaintEffectNoSchedule},
		corev1.Taint{Key: "readiness.k8s.io/storage", Effect: corev1.TaintEffectNoSchedule},
	)...)
	n.Node.Spec.Taints = slices.Concat(n.Node.Spec.Taints, n.Passing)
	n.Node.Status.Allocatable = maps.Clone(n.Node.Status.Allocatable)
	if d.chance(50) {
		delete(n.Node.Status.Allocatable, gpuResource)
	}
	n.Pods = slices.DeleteFunc(n.Pods, func(pod *corev1.Pod) bool {
		return metav1.GetControllerOfNoCopy(pod) == nil || d.chance(50)
	})
}

// decorate draws the odder things that pods of one workload ask for.
func (d drawing) decorate(replicas []*corev1.Pod) {
	each := func(percent int, modify func(*corev1.Pod)) {
		if d.chance(percent) {
			for _, pod := range replicas {
				modify(pod)
			}
		}
	}
	d.nameNodes(each)
	priority := one(d.dice, low, high)
	each(10, func(pod *corev1.Pod) { pod.Spec.Priority = new(priority) })
	each(1, func(pod *corev1.Pod) { pod.Spec.PreemptionPolicy = new(corev1.PreemptNever) })
	each(6, d.askTogether)
	if replicas[0].Spec.Volumes == nil {
		mount := one(d.dice, d.mountLocal, d.mountEphemeral, d.mountExclusive, d.mountImmediate)
		each(8, mount)
	}
}

// named returns a term about the name of a node.
func named(operator corev1.NodeSelectorOperator, node string) corev1.NodeSelectorRequirement {
	return corev1.NodeSelectorRequirement{Key: metav1.ObjectNameField, Operator: operator, Values: []string{node}}
}

// nameNodes draws affinity to a node by its name, as one more term or as a part of one that is there.
func (d drawing) nameNodes(each func(int, func(*corev1.Pod))) {
	field := named(one(d.dice, corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn), d.nodeName())
	more := d.chance(50)
	each(8, func(pod *corev1.Pod) {
		if required := requiredTerms(pod); len(required) == 0 || more {
			builders.NodeAffinity()(pod)
		}
		last := requiredTerms(pod)
		last[len(last)-1].MatchFields = []corev1.NodeSelectorRequirement{field}
	})
}

// nodeName draws the name of a node that is there, or of one that is gone. What a machine on its way will be called is not known.
func (d drawing) nodeName() string {
	names := []string{"gone"}
	for _, n := range d.world.Nodes {
		if n.Node != nil {
			names = append(names, n.Name())
		}
	}
	return one(d.dice, names...)
}

func requiredTerms(pod *corev1.Pod) []corev1.NodeSelectorTerm {
	if a := pod.Spec.Affinity; a != nil && a.NodeAffinity != nil && a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution != nil {
		return a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
	}
	return nil
}

// aside draws pods that wait or run without anything being bought for them.
func (d drawing) aside() {
	for i := range d.world.Nodes {
		n := &d.world.Nodes[i]
		if n.Node == nil || n.Machine != nil || n.Leaving {
			continue
		}
		if d.chance(20) {
			for _, pod := range d.workload(n.Name()+"-filler", d.between(1, 2)) {
				builders.OnNode(n.Name())(pod)
				pod.Spec.Priority = new(expendable)
				if d.fits(*n, pod) {
					n.Pods = append(n.Pods, pod)
				}
			}
		}
		if d.chance(15) {
			d.nominate(*n)
		}
	}
	if d.chance(30) {
		for _, pod := range d.workload("filler", d.between(1, 3)) {
			pod.Spec.Priority = new(expendable)
			d.world.Aside = append(d.world.Aside, pod)
		}
	}
	if d.chance(20) {
		for _, pod := range d.workload("gated", d.between(1, 3)) {
			pod.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "example.com/quota"}}
			pod.Status.Conditions[0].Reason = corev1.PodReasonSchedulingGated
			d.world.Aside = append(d.world.Aside, pod)
		}
	}
}

// nominate draws a pod that the scheduler keeps room for on the node.
func (d drawing) nominate(n Node) {
	pod := d.workload(n.Name()+"-nominated", 1)[0]
	pod.Status.NominatedNodeName = n.Name()
	if d.fits(n, pod) {
		d.world.Aside = append(d.world.Aside, pod)
	}
}
