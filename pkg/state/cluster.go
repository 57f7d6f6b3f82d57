// Package state is the model of the cluster that decisions are made on, kept in memory and fed by watches.
package state

import (
	"maps"
	"slices"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
)

// Cluster is the present state. Objects that it is given are shared and must not be changed by anybody.
type Cluster struct {
	mu sync.Mutex
	// nodes maps name -> Node.
	nodes map[string]*corev1.Node
	// machines maps name -> Machine.
	machines map[string]*v1alpha5.Machine
	// assumed maps name -> Machine that was created and not seen by the watch yet. Time alone ends no assumption: a watch may
	// stall for any time, and what it has not shown is launching all the same.
	assumed map[string]assumption
	// pods maps UID -> pod, finished ones left out.
	pods map[types.UID]*corev1.Pod
	// bound maps node name -> UID -> pod. The inner maps are replaced, never changed, once a snapshot has them.
	bound map[string]map[types.UID]*corev1.Pod
	// pending maps UID -> pod that is bound to no node.
	pending map[types.UID]*corev1.Pod
	// daemonSets maps UID -> DaemonSet.
	daemonSets map[types.UID]*appsv1.DaemonSet
	// nominated maps name of Node or Machine -> until when pods are expected to come there.
	nominated map[string]time.Time
	// past is what lately was there.
	past    past
	storage storage
	// namespaces maps name -> labels.
	namespaces table[string, map[string]string]
}

type assumption struct {
	machine *v1alpha5.Machine
	at      time.Time
}

// NewCluster returns an empty model.
func NewCluster() *Cluster {
	return &Cluster{
		nodes: map[string]*corev1.Node{}, machines: map[string]*v1alpha5.Machine{}, assumed: map[string]assumption{},
		pods: map[types.UID]*corev1.Pod{}, bound: map[string]map[types.UID]*corev1.Pod{}, pending: map[types.UID]*corev1.Pod{},
		daemonSets: map[types.UID]*appsv1.DaemonSet{}, nominated: map[string]time.Time{},
	}
}

// UpdateNode applies what a watch says of a Node.
func (c *Cluster) UpdateNode(node *corev1.Node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes[node.Name] = node
}

// DeleteNode applies that a Node is gone. Its pods stay until their own watch says so.
func (c *Cluster) DeleteNode(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.past.nodeGone(c.nodes[name])
	delete(c.nodes, name)
	delete(c.nominated, name)
}

// UpdateMachine applies what a watch says of a Machine, and ends an assumption of it.
func (c *Cluster) UpdateMachine(machine *v1alpha5.Machine) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.machines[machine.Name] = machine
	delete(c.assumed, machine.Name)
}

// DeleteMachine applies that a Machine is gone.
func (c *Cluster) DeleteMachine(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.past.machineGone(c.machines[name], c.nodes)
	delete(c.machines, name)
	delete(c.assumed, name)
	delete(c.nominated, name)
}

// Assume makes a Machine that was just created count before the watch has seen it.
func (c *Cluster) Assume(machine *v1alpha5.Machine, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, seen := c.machines[machine.Name]; !seen {
		c.assumed[machine.Name] = assumption{machine: machine, at: now}
	}
}

// Unconfirmed returns, in order, the names of the assumed Machines that the watch has not shown for longer than age. Whoever
// decides on the model asks the API server for each, and forgets those that are not there.
func (c *Cluster) Unconfirmed(now time.Time, age time.Duration) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for name, assumed := range c.assumed {
		if now.Sub(assumed.at) > age {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// Forget ends the assumption of a Machine that turned out not to exist. What the watch has shown stays.
func (c *Cluster) Forget(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.assumed, name)
}

// Nominate notes that pods are expected on a Node or Machine until a time; nominated nodes are not removed as empty.
func (c *Cluster) Nominate(name string, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nominated[name] = until
}

// Nominated reports whether pods are expected on a Node or Machine.
func (c *Cluster) Nominated(name string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return now.Before(c.nominated[name])
}

// UpdatePod applies what a watch says of a Pod.
func (c *Cluster) UpdatePod(pod *corev1.Pod) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(pod.UID)
	if pods.IsTerminal(pod) {
		return
	}
	c.pods[pod.UID] = pod
	if pod.Spec.NodeName == "" {
		c.pending[pod.UID] = pod
		return
	}
	onNode := maps.Clone(c.bound[pod.Spec.NodeName])
	if onNode == nil {
		onNode = map[types.UID]*corev1.Pod{}
	}
	onNode[pod.UID] = pod
	c.bound[pod.Spec.NodeName] = onNode
}

// DeletePod applies that a Pod is gone.
func (c *Cluster) DeletePod(uid types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(uid)
}

func (c *Cluster) forget(uid types.UID) {
	old, ok := c.pods[uid]
	if !ok {
		return
	}
	delete(c.pods, uid)
	delete(c.pending, uid)
	if onNode := maps.Clone(c.bound[old.Spec.NodeName]); onNode != nil {
		delete(onNode, uid)
		c.bound[old.Spec.NodeName] = onNode
		if len(onNode) == 0 {
			delete(c.bound, old.Spec.NodeName)
		}
	}
}

// UpdateDaemonSet applies what a watch says of a DaemonSet.
func (c *Cluster) UpdateDaemonSet(daemonSet *appsv1.DaemonSet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.daemonSets[daemonSet.UID] = daemonSet
}

// DeleteDaemonSet applies that a DaemonSet is gone.
func (c *Cluster) DeleteDaemonSet(uid types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.daemonSets, uid)
}
