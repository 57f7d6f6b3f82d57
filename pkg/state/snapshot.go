package state

import (
	"cmp"
	"maps"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/volumes"
)

// Snapshot is the cluster at one moment. It shares the objects with the model and never changes.
type Snapshot struct {
	// Entries are the nodes and machines, ordered by name.
	Entries []Entry
	// Ended are Machines that had an instance and are gone since lately, as they last were, the last one last.
	Ended []Entry
	// Pending pods are bound to no node, ordered by UID.
	Pending []*corev1.Pod
	// DaemonSets, ordered by UID.
	DaemonSets []*appsv1.DaemonSet
	// Storage is what the claims of pods refer to.
	Storage volumes.Inventory
	// Namespaces maps name -> labels; nil where no namespace is known.
	Namespaces map[string]map[string]string
}

// Entry is a Node, a Machine, or both where they belong together.
type Entry struct {
	// Node is nil until the machine has joined.
	Node *corev1.Node
	// Machine is nil for nodes that kerf did not make.
	Machine *v1alpha5.Machine
	// Pods maps UID -> pod bound to the Node, finished ones left out.
	Pods map[types.UID]*corev1.Pod
}

// Name returns the name of the Node or, before there is one, of the Machine.
func (e Entry) Name() string {
	if e.Node != nil {
		return e.Node.Name
	}
	return e.Machine.Name
}

// Deleting reports whether the Node or the Machine is about to go.
func (e Entry) Deleting() bool {
	if e.Machine != nil && !e.Machine.DeletionTimestamp.IsZero() {
		return true
	}
	if e.Node == nil {
		return false
	}
	return !e.Node.DeletionTimestamp.IsZero() || slices.ContainsFunc(e.Node.Spec.Taints, func(t corev1.Taint) bool {
		return t.Key == v1alpha5.DisruptedTaintKey
	})
}

// Initialized reports whether the entry is ready for ordinary pods; nodes that kerf did not make always count as ready.
func (e Entry) Initialized() bool {
	if e.Machine == nil {
		return true
	}
	return e.Node != nil && e.Node.Labels[v1alpha5.InitializedLabel] == "true"
}

// Vanished reports whether the entry is a Machine whose Node joined and is there no more. Nothing can run on it: it is no
// capacity, neither present nor on its way.
func (e Entry) Vanished() bool {
	return e.Node == nil && e.Machine != nil && e.Machine.Status.NodeName != ""
}

// Snapshot returns the state at this moment.
func (c *Cluster) Snapshot(now time.Time) Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expire(now)
	byProviderID := c.byProviderID()
	claimed := make(map[string]bool, len(c.nodes))
	snapshot := Snapshot{Ended: c.past.machines, Entries: make([]Entry, 0, len(c.nodes)+len(c.assumed))}
	add := func(machine *v1alpha5.Machine) {
		entry := Entry{Machine: machine}
		node := byProviderID[machine.Status.ProviderID]
		if registered := c.nodes[machine.Status.NodeName]; registered != nil && registered.Spec.ProviderID == machine.Status.ProviderID {
			node = registered
		}
		if node != nil && machine.Status.ProviderID != "" {
			entry.Node, entry.Pods = node, c.bound[node.Name]
			claimed[node.Name] = true
		}
		snapshot.Entries = append(snapshot.Entries, entry)
	}
	for _, machine := range c.machines {
		add(machine)
	}
	for _, assumed := range c.assumed {
		add(assumed.machine)
	}
	for name, node := range c.nodes {
		if !claimed[name] {
			snapshot.Entries = append(snapshot.Entries, Entry{Node: node, Pods: c.bound[name]})
		}
	}
	slices.SortFunc(snapshot.Entries, func(a, b Entry) int { return cmp.Compare(a.Name(), b.Name()) })
	snapshot.Pending = sortedByUID(c.pending)
	snapshot.DaemonSets = sortedByUID(c.daemonSets)
	snapshot.Storage, snapshot.Namespaces = c.storage.share(), c.namespaces.share()
	return snapshot
}

// byProviderID returns the node of each instance. Of several, as when a kubelet came back under another name, it is the first
// by name: a decision must not hang on the order of a map.
func (c *Cluster) byProviderID() map[string]*corev1.Node {
	out := make(map[string]*corev1.Node, len(c.nodes))
	for name, node := range c.nodes {
		if other := out[node.Spec.ProviderID]; node.Spec.ProviderID != "" && (other == nil || name < other.Name) {
			out[node.Spec.ProviderID] = node
		}
	}
	return out
}

func (c *Cluster) expire(now time.Time) {
	maps.DeleteFunc(c.nominated, func(_ string, until time.Time) bool { return !now.Before(until) })
}

func sortedByUID[T interface{ GetUID() types.UID }](objects map[types.UID]T) []T {
	return slices.SortedFunc(maps.Values(objects), func(a, b T) int { return cmp.Compare(a.GetUID(), b.GetUID()) })
}
