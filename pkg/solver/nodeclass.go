package solver

import (
	"cmp"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// nodeClass is what nodes have in common that differ in their names, pods and room only: labels and taints.
type nodeClass struct {
	// labels are the nodes', with stable keys in place of beta ones, and those that can only become one thing; no hostname.
	labels   map[string]string
	possible scheduling.Requirements
	taints   []corev1.Taint
	// admits caches by filter whether the nodes let it in; filters that are about the hostname are not there.
	admits map[*filter]bool
	// at caches by axis in which domains the nodes may be.
	at [][]int
}

// classDigest returns what the class of a node depends on.
func (b *rulebook) classDigest(n *Node) digest {
	var sum digest
	count := int64(0)
	for key, value := range n.Labels {
		if key != corev1.LabelHostname {
			entry := b.text(key).and(b.text(value))
			sum.high, sum.low, count = sum.high+entry.high, sum.low+entry.low, count+1
		}
	}
	d := sum.number(count)
	for i := range n.Taints {
		t := &n.Taints[i]
		d = b.texts(d, t.Key, t.Value, string(t.Effect))
	}
	if len(n.Possible) > 0 {
		for _, e := range n.Possible.NodeSelectorRequirements() {
			d = b.texts(b.texts(d, e.Key, string(e.Operator)), e.Values...)
		}
		for _, key := range n.Possible.Keys() {
			if n.Possible[key].AllowsAbsent() { // which the API's form of some values does not tell
				d = b.texts(d.number(-1), key)
			}
		}
	}
	return d
}

func newClass(n *Node) *nodeClass {
	c := &nodeClass{possible: n.Possible, taints: n.Taints, admits: map[*filter]bool{}}
	c.labels = scheduling.FromLabels(n.Labels).Labels()
	for key, value := range n.Possible.Labels() {
		if _, there := c.labels[key]; !there { // a label with one possible value is as good as settled
			c.labels[key] = value
		}
	}
	delete(c.labels, corev1.LabelHostname)
	return c
}

// domains returns the domains of the axis in which the nodes may be: none if they lack the label.
func (c *nodeClass) domains(t *topology, axis int) []int {
	for len(c.at) <= axis {
		c.at = append(c.at, t.domainsOf(c, len(c.at)))
	}
	return c.at[axis]
}

func (t *topology) domainsOf(c *nodeClass, axis int) []int {
	a := t.axes[axis]
	if value, ok := c.labels[a.key]; ok {
		return []int{a.domain(value)}
	}
	q, open := c.possible[a.key]
	if !open || !q.Finite() { // what could be anything is nowhere in particular
		return nil
	}
	var out []int
	for _, value := range q.Values() {
		out = append(out, a.domain(value))
	}
	return out
}

// may reports whether the nodes can turn out to meet the requirements.
func (c *nodeClass) may(q scheduling.Requirements) bool {
	for key, r := range q {
		if key == corev1.LabelHostname || key == scheduling.NodeName {
			continue
		}
		value, there := c.labels[key]
		open, possible := c.possible[key]
		switch {
		case there && !r.Has(value):
			return false
		case !there && possible && !r.Compatible(open):
			return false
		case !there && !possible && !r.AllowsAbsent():
			return false
		}
	}
	return true
}

// accepts reports whether the node meets the requirements, whatever becomes of labels that are open.
func (h *host) accepts(q scheduling.Requirements) bool {
	labels := h.class.labels
	if named(q) {
		labels = maps.Clone(labels)
		labels[corev1.LabelHostname], labels[scheduling.NodeName] = h.hostname, h.node.Name
	}
	return q.Accepts(labels, h.class.possible) == ""
}

// may reports whether the node can turn out to meet the requirements. Nobody knows the name of a node that is yet to come.
func (h *host) may(q scheduling.Requirements) bool {
	if x, named := q[corev1.LabelHostname]; named {
		if name := cmp.Or(h.hostname, newHostname); !x.Has(name) {
			return false
		}
	}
	if x, named := q[scheduling.NodeName]; named && !x.Has(h.node.Name) {
		return false
	}
	return h.class.may(q)
}

// admit reports whether taints and labels let the pods in.
func (h *host) admit(f *filter) bool {
	ok, known := h.class.admits[f]
	if known {
		return ok
	}
	ok = f.untolerated(h.class.taints) == "" && slices.ContainsFunc(f.alternatives, h.accepts)
	if !f.named {
		h.class.admits[f] = ok
	}
	return ok
}

// knows returns a function that says of a label key whether any node or machine of the problem has it. It looks when it is first
// asked.
func (p *Problem) knows() func(key string) bool {
	var known map[string]bool
	return func(key string) bool {
		if known == nil {
			known = p.keys()
		}
		return known[key] || always(key) || key == v1alpha5.ProvisionerNameLabel
	}
}

// keys returns the label keys of all nodes and machines.
func (p *Problem) keys() map[string]bool {
	out := map[string]bool{}
	add := func(q scheduling.Requirements) {
		for key := range q {
			out[key] = true
		}
	}
	for i := range p.Nodes {
		for key := range p.Nodes[i].Labels {
			out[v1alpha5.NormalizeLabel(key)] = true
		}
		add(p.Nodes[i].Possible)
	}
	seen := map[*cloudprovider.InstanceType]bool{}
	for i := range p.Provisioners {
		add(p.Provisioners[i].Requirements)
		for _, t := range p.Provisioners[i].InstanceTypes {
			if !seen[t] {
				seen[t] = true
				add(t.Requirements)
			}
		}
	}
	return out
}
