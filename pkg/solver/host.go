package solver

import (
	"cmp"
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// host is a node that is there or on its way, while it is being filled.
type host struct {
	node    *Node
	free    vector
	company company
	// labels are the node's, with stable keys in place of beta ones, and those that can only become one thing.
	labels map[string]string
	// admits caches by filter whether the node lets it in.
	admits map[*filter]bool
}

func hostsOf(nodes []Node, d dimensions, b *rulebook) []*host {
	out := make([]*host, 0, len(nodes))
	for i := range nodes {
		n := &nodes[i]
		h := &host{node: n, free: d.vector(n.Available), admits: map[*filter]bool{}}
		h.labels = scheduling.FromLabels(n.Labels).Labels()
		for key, value := range n.Possible.Labels() {
			if _, there := h.labels[key]; !there { // a label with one possible value is as good as settled
				h.labels[key] = value
			}
		}
		for _, pod := range n.Pods {
			h.company.join(b.guest(pod), 1)
		}
		out = append(out, h)
	}
	slices.SortFunc(out, func(a, b *host) int {
		if a.node.Initialized != b.node.Initialized {
			if a.node.Initialized {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.node.Name, b.node.Name)
	})
	return out
}

// admit reports whether taints and labels let the pods in.
func (h *host) admit(f *filter) bool {
	ok, known := h.admits[f]
	if !known {
		ok = f.untolerated(h.node.Taints) == "" &&
			slices.ContainsFunc(f.alternatives, func(r scheduling.Requirements) bool {
				return r.Accepts(h.labels, h.node.Possible) == ""
			})
		h.admits[f] = ok
	}
	return ok
}

// room returns how many pods of the group the node can take.
func (h *host) room(g *group) int {
	// The scheduler lets no pod that spreads over zones onto a node without one, even where no zone was found for it.
	if g.unknown != "" || !h.pinned(g.pins, len(g.spreads) > 0) {
		return 0
	}
	n := g.requests.times(h.free, g.left)
	if n = h.company.room(g.guest, n); n == 0 || !h.admit(g.filter) {
		return 0
	}
	return n
}

// pinned reports whether the node has the pinned labels; where a pod must have pins it needs a node even if none was found.
func (h *host) pinned(p *pins, must bool) bool {
	if p == nil {
		return !must
	}
	for key, value := range p.labels {
		if h.labels[key] != value {
			return false
		}
	}
	return true
}

// zone returns the node's zone, "" while it is open.
func (h *host) zone() string { return h.labels[corev1.LabelTopologyZone] }

// fillPlanned places pods on the nodes that they were meant for before.
func (s *solution) fillPlanned() {
	for _, h := range s.nodes {
		for _, g := range s.groups {
			if most := g.planned[h.node.Name]; most > 0 {
				g.planned[h.node.Name] -= s.place(h, g, most)
			}
		}
	}
}

// fillNodes places what fits on nodes, node by node the largest first.
func (s *solution) fillNodes(ctx context.Context) {
	for _, h := range s.nodes {
		if ctx.Err() != nil {
			return
		}
		for _, g := range s.groups {
			s.place(h, g, g.left)
		}
	}
	slices.SortStableFunc(s.plan.Placements, func(a, b Placement) int { return comparePods(a.Pod, b.Pod) })
}

// place puts as many pods of the group on the node as fit, at most most, and returns how many.
func (s *solution) place(h *host, g *group, most int) int {
	if g.left == 0 || g.miss.stage == missRefused {
		return 0
	}
	n := min(h.room(g), most)
	if n == 0 {
		return 0
	}
	h.take(g, n)
	for _, pod := range g.take(n) {
		s.plan.Placements = append(s.plan.Placements, Placement{Pod: pod, Node: h.node.Name})
	}
	return n
}

// take makes room for n units of the group.
func (h *host) take(g *group, n int) {
	h.free.sub(g.requests, int64(n))
	h.company.join(g.guest, n)
}

// clone returns a copy to try things on.
func (h *host) clone() *host {
	out := *h
	out.free, out.company = h.free.clone(), h.company.clone()
	return &out
}
