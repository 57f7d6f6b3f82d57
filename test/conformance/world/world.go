// Package world makes up small clusters that use all that decides where a pod may run, and says what kerf would be asked there.
package world

import (
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/pkg/state"
	"github.com/kerf-autoscaler/kerf/pkg/volumes"
)

// World is a cluster, the pods that wait in it and what may be bought for them.
type World struct {
	// Seed that it was drawn from.
	Seed uint64
	// Namespaces maps name -> labels.
	Namespaces map[string]map[string]string
	// Types are offered to every provisioner.
	Types        cloudprovider.InstanceTypes
	Provisioners []*v1alpha5.Provisioner
	Nodes        []Node
	// DaemonSets holds one pod per DaemonSet.
	DaemonSets []*corev1.Pod
	// Pods that wait for capacity; those of nodes on their way out do, too.
	Pods []*corev1.Pod
	// Aside are pods that wait, but that nothing is to be bought for: expendable ones, gated ones, and those that the scheduler
	// keeps room for on a node.
	Aside   []*corev1.Pod
	Claims  []*corev1.PersistentVolumeClaim
	Volumes []*corev1.PersistentVolume
	Classes []*storagev1.StorageClass
	// Planned maps the UID of a pod -> the node on its way that it was meant for.
	Planned map[types.UID]string
	// BestEffort says that a machine may do with fewer values than minValues ask for.
	BestEffort bool
}

// Node is a node that is there, or a machine on its way.
type Node struct {
	// Node is nil for a machine on its way.
	Node *corev1.Node
	// Machine is nil for a node that is there, unless it is still starting.
	Machine *v1alpha5.Machine
	// Passing are taints of a node that is starting, which it loses before it is ready.
	Passing []corev1.Taint
	// Leaving says that the node is on its way out: what runs there looks for another place.
	Leaving bool
	// Pods on the node, those of DaemonSets included.
	Pods []*corev1.Pod
	// Attachable maps a CSI driver -> how many volumes the node can attach in all.
	Attachable map[string]int32
}

// Name returns the name of the node or machine.
func (n Node) Name() string {
	if n.Node == nil {
		return n.Machine.Name
	}
	return n.Node.Name
}

// Clone returns a copy whose lists and maps may be changed; what is in them may not.
func (w *World) Clone() *World {
	out := *w
	out.Namespaces, out.Planned = maps.Clone(w.Namespaces), maps.Clone(w.Planned)
	out.Types, out.Provisioners = slices.Clone(w.Types), slices.Clone(w.Provisioners)
	out.Nodes, out.DaemonSets, out.Pods, out.Aside = slices.Clone(w.Nodes), slices.Clone(w.DaemonSets), slices.Clone(w.Pods), slices.Clone(w.Aside)
	return &out
}

// Problem returns what kerf is asked in this world.
func (w *World) Problem() solver.Problem {
	offers := problem.Offers{}
	for _, p := range w.Provisioners {
		offers[p.Name] = problem.NewOffer(p, w.Types)
	}
	out := problem.Build(problem.Facts{
		Snapshot: w.snapshot(), Offers: offers, ExpendableBelow: problem.DefaultExpendableBelow,
		Settings: solver.Settings{MinValuesBestEffort: w.BestEffort},
	})
	out.Planned = w.Planned
	return out
}

// Waiting returns the pods that a plan has to have: those that wait, and what looks for another place because its node goes.
func (w *World) Waiting() []*corev1.Pod {
	out := slices.Clone(w.Pods)
	for _, n := range w.Nodes {
		if !n.Leaving {
			continue
		}
		for _, pod := range n.Pods {
			if metav1.GetControllerOfNoCopy(pod) == nil && pod.DeletionTimestamp == nil && !Expendable(pod) {
				out = append(out, pod)
			}
		}
	}
	return out
}

// Expendable reports whether any pod may take the room of this one.
func Expendable(pod *corev1.Pod) bool {
	return pod.Spec.Priority != nil && *pod.Spec.Priority < problem.DefaultExpendableBelow
}

// NeverPreempts reports whether the pod leaves expendable ones where they are.
func NeverPreempts(pod *corev1.Pod) bool {
	return pod.Spec.PreemptionPolicy != nil && *pod.Spec.PreemptionPolicy == corev1.PreemptNever
}

// Nominated returns the pods that the scheduler keeps room for on the node.
func (w *World) Nominated(node string) []*corev1.Pod {
	var out []*corev1.Pod
	for _, pod := range w.Aside {
		if pod.Status.NominatedNodeName == node && !Expendable(pod) {
			out = append(out, pod)
		}
	}
	return out
}

// snapshot returns the world as kerf's model of the cluster has it.
func (w *World) snapshot() state.Snapshot {
	out := state.Snapshot{Pending: slices.Concat(w.Pods, w.Aside), Namespaces: w.Namespaces, Storage: w.inventory()}
	for _, n := range w.Nodes {
		entry := state.Entry{Node: n.Node, Machine: n.Machine, Pods: map[types.UID]*corev1.Pod{}}
		for _, pod := range n.Pods {
			entry.Pods[pod.UID] = pod
		}
		out.Entries = append(out.Entries, entry)
	}
	for _, daemon := range w.DaemonSets {
		out.DaemonSets = append(out.DaemonSets, &appsv1.DaemonSet{
			ObjectMeta: metav1.ObjectMeta{Name: daemon.Name, Namespace: daemon.Namespace, UID: daemon.UID},
			Spec:       appsv1.DaemonSetSpec{Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: daemon.Labels}, Spec: daemon.Spec}},
		})
	}
	return out
}

func (w *World) inventory() volumes.Inventory {
	out := volumes.Inventory{
		Claims: map[types.NamespacedName]*corev1.PersistentVolumeClaim{}, Volumes: map[string]*corev1.PersistentVolume{},
		Classes: map[string]*storagev1.StorageClass{}, Drivers: map[string]*storagev1.CSINode{},
	}
	for _, c := range w.Claims {
		out.Claims[types.NamespacedName{Namespace: c.Namespace, Name: c.Name}] = c
	}
	for _, v := range w.Volumes {
		out.Volumes[v.Name] = v
	}
	for _, c := range w.Classes {
		out.Classes[c.Name] = c
	}
	for _, c := range w.CSINodes() {
		out.Drivers[c.Name] = c
	}
	return out
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
		if n.Attachable == nil {
			continue
		}
		c := &storagev1.CSINode{ObjectMeta: metav1.ObjectMeta{Name: n.Name()}}
		for driver, count := range n.Attachable {
			c.Spec.Drivers = append(c.Spec.Drivers, storagev1.CSINodeDriver{
				Name: driver, NodeID: n.Name(), Allocatable: &storagev1.VolumeNodeResources{Count: new(count)},
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

// OneNamespace returns the world with all pods in the namespace default, nil if they are there.
func (w *World) OneNamespace() *World {
	out, moved := w.Clone(), false
	move := func(list []*corev1.Pod) []*corev1.Pod {
		list = slices.Clone(list)
		for i, pod := range list {
			if pod.Namespace != metav1.NamespaceDefault {
				list[i], moved = pod.DeepCopy(), true
				list[i].Namespace = metav1.NamespaceDefault
			}
		}
		return list
	}
	out.Pods, out.Aside, out.DaemonSets = move(out.Pods), move(out.Aside), move(out.DaemonSets)
	for i := range out.Nodes {
		out.Nodes[i].Pods = move(out.Nodes[i].Pods)
	}
	if !moved {
		return nil
	}
	return out
}
