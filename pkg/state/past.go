package state

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// remembered is how many Machines and Nodes are remembered that are gone. What counts is how the last ones of a provisioner ended: two
// failures in a row make it wait, more only make it wait for longer, and it keeps rows of a hundred workloads. So 256 are enough for
// several provisioners that fail at once, and should more end between two decisions, the oldest of them tell nothing that the others
// do not. Each is some 10 KB with its Node, and the list is copied whenever one is added.
const remembered = 256

// past is what was there until lately: a Machine may end between two looks at the cluster, and how it ended matters for the next.
type past struct {
	// machines that ended, with their Nodes, the last one last. A snapshot shares them; they are replaced, never changed.
	machines []Entry
	// nodes that are gone, the last one last.
	nodes []*corev1.Node
}

// nodeGone remembers a Node as it last was; nil is none.
func (p *past) nodeGone(node *corev1.Node) {
	if node != nil {
		p.nodes = last(p.nodes, node)
	}
}

// machineGone remembers a Machine that had an instance as it last was; nil is none. Nodes are those that are still there.
func (p *past) machineGone(machine *v1alpha5.Machine, nodes map[string]*corev1.Node) {
	if machine == nil || machine.Status.ProviderID == "" {
		return
	}
	entry := Entry{Machine: machine}
	own := func(n *corev1.Node) bool {
		return n != nil && n.Name == machine.Status.NodeName && n.Spec.ProviderID == machine.Status.ProviderID
	}
	if there := nodes[machine.Status.NodeName]; own(there) {
		entry.Node = there
	} else if i := slices.IndexFunc(p.nodes, own); i >= 0 {
		entry.Node = p.nodes[i]
	}
	p.machines = last(p.machines, entry)
}

// last returns a list with one more at its end, less what is too old to remember.
func last[T any](list []T, one T) []T {
	from := max(0, len(list)+1-remembered)
	return append(slices.Clone(list[from:]), one)
}
