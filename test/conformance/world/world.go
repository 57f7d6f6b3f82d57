// Package world makes up small clusters that use all that decides where a pod may run, and says what kerf would be asked there.
package world

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/resources"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
)

// World is a cluster, the pods that wait in it and what may be bought for them.
type World struct {
	// Seed that it was drawn from.
	Seed uint64
	// Namespaces maps name -> labels.
	Namespaces map[string]map[string]string
	// Types are offered to every provisioner.
	Types        cloudprovider.InstanceTypes
	Provisioners []solver.Provisioner
	Nodes        []Node
	DaemonSets   []*corev1.Pod
	// Pods that wait.
	Pods    []*corev1.Pod
	Claims  []*corev1.PersistentVolumeClaim
	Volumes []*corev1.PersistentVolume
	Classes []*storagev1.StorageClass
	// Planned maps the UID of a pod -> the node on its way that it was meant for.
	Planned map[types.UID]string
}

// Node is a node that is there, or a machine on its way.
type Node struct {
	Initialized bool
	// Node has the labels that are settled, taints and allocatable.
	Node *corev1.Node
	// Zones that a machine on its way may come up in; empty where the zone is settled.
	Zones []string
	// Pods on it, those of DaemonSets included. None is on a machine on its way.
	Pods []*corev1.Pod
	// Attachable maps a CSI driver -> how many volumes it can attach in all.
	Attachable map[string]int32
}

// Clone returns a copy whose lists and maps may be changed; what is in them may not.
func (w *World) Clone() *World {
	out := *w
	out.Namespaces, out.Planned = maps.Clone(w.Namespaces), maps.Clone(w.Planned)
	out.Types, out.Provisioners = slices.Clone(w.Types), slices.Clone(w.Provisioners)
	out.Nodes, out.DaemonSets, out.Pods = slices.Clone(w.Nodes), slices.Clone(w.DaemonSets), slices.Clone(w.Pods)
	return &out
}

// Problem returns what kerf is asked in this world.
func (w *World) Problem() solver.Problem {
	p := solver.Problem{
		Pods: w.Pods, Planned: w.Planned, DaemonSets: w.DaemonSets, Namespaces: w.Namespaces, Volumes: map[types.UID]solver.Volumes{},
	}
	for _, pod := range w.Pods {
		if v, any := w.volumesOf(pod); any {
			p.Volumes[pod.UID] = v
		}
	}
	for _, n := range w.Nodes {
		p.Nodes = append(p.Nodes, w.node(n))
	}
	for _, q := range w.Provisioners {
		q.InstanceTypes = w.Types
		p.Provisioners = append(p.Provisioners, q)
	}
	return p
}

// node returns a node as kerf sees it: what runs there, and the DaemonSets that will run on a machine on its way wherever it may
// come up, have taken their part of it.
func (w *World) node(n Node) solver.Node {
	out := solver.Node{
		Name: n.Node.Name, Initialized: n.Initialized, Labels: n.Node.Labels, Taints: n.Node.Spec.Taints, Pods: slices.Clone(n.Pods),
	}
	if len(n.Zones) > 0 {
		out.Possible = scheduling.NewRequirements(scheduling.NewRequirement(corev1.LabelTopologyZone, corev1.NodeSelectorOpIn, n.Zones...))
	}
	if !n.Initialized {
		out.Pods = append(out.Pods, w.daemonsAnywhere(n)...)
	}
	requests := corev1.ResourceList{}
	for _, pod := range out.Pods {
		requests = resources.Sum(requests, pods.Requests(pod))
	}
	out.Available = resources.Sub(n.Node.Status.Allocatable, requests)
	out.Attachable = w.attachable(n)
	return out
}

// daemonsAnywhere returns the pods of DaemonSets that may come to run on a machine on its way.
func (w *World) daemonsAnywhere(n Node) []*corev1.Pod {
	var out []*corev1.Pod
	for _, daemon := range w.DaemonSets {
		if slices.ContainsFunc(n.Outcomes(), func(node *corev1.Node) bool { return RunsOn(daemon, node) }) {
			out = append(out, daemon)
		}
	}
	return out
}

// Outcomes returns the nodes that this one may turn out to be: one for each zone that is still open.
func (n Node) Outcomes() []*corev1.Node {
	if len(n.Zones) == 0 {
		return []*corev1.Node{WithAliases(n.Node.DeepCopy())}
	}
	var out []*corev1.Node
	for _, zone := range n.Zones {
		node := n.Node.DeepCopy()
		node.Labels[corev1.LabelTopologyZone] = zone
		out = append(out, WithAliases(node))
	}
	return out
}

// WithAliases adds the beta labels that kubelets and cloud controllers still put beside the stable ones.
func WithAliases(node *corev1.Node) *corev1.Node {
	for beta, stable := range map[string]string{
		corev1.LabelFailureDomainBetaZone: corev1.LabelTopologyZone, corev1.LabelFailureDomainBetaRegion: corev1.LabelTopologyRegion,
		betaArch: corev1.LabelArchStable, betaOS: corev1.LabelOSStable, corev1.LabelInstanceType: corev1.LabelInstanceTypeStable,
	} {
		if value, ok := node.Labels[stable]; ok {
			node.Labels[beta] = value
		}
	}
	return node
}

// NamespaceObjects returns the namespaces as the API server has them.
func (w *World) NamespaceObjects() []*corev1.Namespace {
	var out []*corev1.Namespace
	for name, labels := range w.Namespaces {
		out = append(out, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}})
	}
	return out
}

// CSINodes returns how many volumes the drivers of each node can attach.
func (w *World) CSINodes() []*storagev1.CSINode {
	var out []*storagev1.CSINode
	for _, n := range w.Nodes {
		c := &storagev1.CSINode{ObjectMeta: metav1.ObjectMeta{Name: n.Node.Name}}
		for driver, count := range n.Attachable {
			c.Spec.Drivers = append(c.Spec.Drivers, storagev1.CSINodeDriver{
				Name: driver, NodeID: n.Node.Name, Allocatable: &storagev1.VolumeNodeResources{Count: new(count)},
			})
		}
		out = append(out, c)
	}
	return out
}

// Type returns the instance type of that name.
func (w *World) Type(name string) (*cloudprovider.InstanceType, error) {
	i := slices.IndexFunc(w.Types, func(t *cloudprovider.InstanceType) bool { return t.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("there is no instance type %q", name)
	}
	return w.Types[i], nil
}

// Provisioner returns the provisioner of that name.
func (w *World) Provisioner(name string) (solver.Provisioner, error) {
	i := slices.IndexFunc(w.Provisioners, func(p solver.Provisioner) bool { return p.Name == name })
	if i < 0 {
		return solver.Provisioner{}, fmt.Errorf("there is no provisioner %q", name)
	}
	return w.Provisioners[i], nil
}
