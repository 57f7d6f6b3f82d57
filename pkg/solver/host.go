package solver

import (
	"cmp"
	"context"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// host is a node that is there or on its way, while it is being filled.
type host struct {
	node     *Node
	class    *nodeClass
	hostname string
	free     vector
	company  company
	// attachable is how many more volumes of a driver the node can attach.
	attachable map[string]int
	// residents are the pods that were there before.
	residents []*resident
	// yielding may be there, if nobody comes who needs their room.
	yielding []*resident
}

// resident is a pod that is on a node already, with all that are like it.
type resident struct {
	ties    *ties
	bearing *bearing
	guest   guest
}

// residency is what residents depend on.
type residency struct {
	ties    *ties
	bearing *bearing
	ports   digest
}

// hostsOf returns the nodes, initialized ones first, then by name. learned are the ties of the pods of each, those that yield last.
func hostsOf(nodes []*Node, learned [][]*ties, d dimensions, b *rulebook) []*host {
	out := make([]*host, 0, len(nodes))
	classes, residents := map[digest]*nodeClass{}, map[residency]*resident{}
	for i, n := range nodes {
		h := &host{node: n, hostname: n.Labels[corev1.LabelHostname], free: d.vector(n.Available), attachable: maps.Clone(n.Attachable)}
		key := b.classDigest(n)
		if h.class = classes[key]; h.class == nil {
			h.class = newClass(n)
			classes[key] = h.class
		}
		if len(b.traits) > 0 {
			for k, pod := range n.Pods {
				h.house(b.lodge(residents, pod, learned[i][k]))
			}
			for k, pod := range n.Yielding {
				h.yielding = append(h.yielding, b.lodge(residents, pod, learned[i][len(n.Pods)+k]))
			}
		}
		out = append(out, h)
	}
	return out
}

// lodge returns what a running pod is to others on its node and elsewhere.
func (b *rulebook) lodge(residents map[residency]*resident, pod *corev1.Pod, t *ties) *resident {
	key := residency{ties: t, bearing: b.bearing(pod)}
	for _, p := range hostPorts(pod) {
		key.ports = key.ports.number(int64(b.portMark(p)))
	}
	r, ok := residents[key]
	if !ok {
		r = &resident{ties: t, bearing: key.bearing, guest: b.resident(pod, t, key.bearing)}
		residents[key] = r
	}
	return r
}

// house takes a resident in.
func (h *host) house(r *resident) {
	if len(r.bearing.marks) > 0 || r.ties != nil {
		h.residents = append(h.residents, r)
		h.company.join(r.guest, 1)
	}
}

// reset takes off all that was placed.
func (h *host) reset(d dimensions) {
	h.free, h.company, h.attachable = d.vector(h.node.Available), company{}, maps.Clone(h.node.Attachable)
	for _, r := range h.residents {
		h.company.join(r.guest, 1)
	}
}

// byReadiness orders nodes: initialized ones first, then by name.
func byReadiness(nodes []Node) []*Node {
	out := make([]*Node, 0, len(nodes))
	for i := range nodes {
		out = append(out, &nodes[i])
	}
	slices.SortFunc(out, func(a, b *Node) int {
		if a.Initialized != b.Initialized {
			if a.Initialized {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Name, b.Name)
	})
	return out
}

// room returns how many units of the group the node can take.
func (h *host) room(g *group) int {
	if g.unknown != "" || !h.pinned(g.pins) {
		return 0
	}
	n := h.attaches(g, g.requests.times(h.free, g.left))
	if n == 0 {
		return 0
	}
	for _, m := range g.wants {
		if h.company.look(m).count == 0 {
			return 0
		}
	}
	if n = h.company.room(g.guest, n); n == 0 || !h.admit(g.filter) {
		return 0
	}
	return n
}

// pinned reports whether the node has the pinned labels, and none of those that it must not have.
func (h *host) pinned(p *pins) bool {
	if p == nil {
		return true
	}
	for key, value := range p.labels {
		if h.class.labels[key] != value {
			return false
		}
	}
	for _, key := range p.absent {
		if _, there := h.class.labels[key]; there || h.class.possible.Has(key) {
			return false
		}
	}
	return true
}

// fillPlanned places pods on the nodes that they were meant for before.
func (s *solution) fillPlanned() {
	if len(s.problem.Planned) == 0 {
		return
	}
	for _, h := range s.nodes {
		if s.effort.tempo.Err() != nil {
			return
		}
		for _, g := range s.groups {
			if most := g.planned[h.node.Name]; most > 0 {
				g.planned[h.node.Name] -= s.place(h, g, most)
			}
		}
	}
}

// fillNodes places what fits on nodes, node by node the largest first. If half of the time passes meanwhile, the rest of it is for
// machines: nodes that are full must not keep pods from them for ever.
func (s *solution) fillNodes(ctx context.Context) {
	leisurely := !s.effort.tempo.hasty()
	for _, h := range s.nodes {
		if ctx.Err() != nil || leisurely && s.effort.tempo.hasty() {
			return
		}
		for _, g := range s.groups {
			s.place(h, g, g.left)
		}
	}
}

// place puts as many units of the group on the node as fit, at most most, and returns how many.
func (s *solution) place(h *host, g *group, most int) int {
	if g.left == 0 || g.miss.stage == missRefused {
		return 0
	}
	n := min(h.room(g), most)
	if n == 0 {
		return 0
	}
	s.lodge(h, g, n)
	return n
}

// lodge puts n units of the group on the node.
func (s *solution) lodge(h *host, g *group, n int) {
	h.take(g, n)
	for _, pod := range g.take(n) {
		s.plan.Placements = append(s.plan.Placements, Placement{Pod: pod, Node: h.node.Name})
	}
}

// take makes room for n units of the group.
func (h *host) take(g *group, n int) {
	h.free.sub(g.requests, int64(n))
	h.company.join(g.guest, n)
	h.attach(g, n)
}

// clone returns a copy to try things on.
func (h *host) clone() *host {
	out := *h
	out.free, out.company, out.attachable = h.free.clone(), h.company.clone(), maps.Clone(h.attachable)
	return &out
}
