package solver

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// grouper sorts pods into groups.
type grouper struct {
	problem    *Problem
	dimensions dimensions
	rulebook   *rulebook
	// taints of all nodes and machines.
	taints  []corev1.Taint
	groups  map[digest]*group
	filters map[digest]*filter
	shapes  map[digest]int
	scratch vector
}

func newGrouper(p *Problem, d dimensions, b *rulebook) *grouper {
	r := &grouper{
		problem: p, dimensions: d, rulebook: b, scratch: make(vector, len(d.names)),
		groups: map[digest]*group{}, filters: map[digest]*filter{}, shapes: map[digest]int{},
	}
	for i := range p.Nodes {
		r.taints = append(r.taints, p.Nodes[i].Taints...)
	}
	for i := range p.Provisioners {
		r.taints = append(r.taints, p.Provisioners[i].Taints...)
	}
	return r
}

// group returns the groups of the pods, which are in order, the largest requests first. Twins follow each other up to an end; the
// ties are those of each run of them. It returns nothing if the time is over meanwhile.
func (r *grouper) group(all []*corev1.Pod, ends []int, learned []*ties, at *tempo) []*group {
	var out []*group
	start := 0
	for i, end := range ends {
		if at.stops(i) {
			return nil
		}
		if g := r.add(all[start:end], learned[i]); g != nil {
			g.rank = i
			out = append(out, g)
		}
		start = end
	}
	for _, g := range out {
		g.left = len(g.pods)
		g.plan(r.problem.Planned)
	}
	r.weigh(out)
	sortGroups(out, r.dimensions)
	return out
}

// add puts twins into their group and returns the group if it is new.
func (r *grouper) add(run []*corev1.Pod, t *ties) *group {
	b, pod := r.rulebook, run[0]
	unknown := r.dimensions.requests(pod, r.scratch)
	var shape digest
	for _, n := range r.scratch {
		shape = shape.number(n)
	}
	w := b.wishesOf(pod)
	filterKey, _, _ := r.filterDigest(pod, &w)
	filterKey = r.volumesDigest(filterKey, pod)
	key := shape.and(filterKey)
	if unknown != "" {
		key = key.and(b.text(string(unknown)))
	}
	if t != nil {
		key = key.number(t.id)
	}
	if len(pod.Spec.ResourceClaims) > 0 { // it is refused
		key = key.number(-7)
	}
	var carried *bearing
	if len(b.traits) > 0 {
		carried = b.bearing(pod)
		key = key.number(carried.id)
	}
	for _, p := range hostPorts(pod) {
		key = key.number(int64(b.portMark(p)))
	}
	if slices.Contains(r.scratch, absurd) { // its reason tells how much it is
		for _, name := range r.dimensions.names {
			q := pods.Requests(pod)[name]
			key = key.and(b.text(q.String()))
		}
	}
	if g, ok := r.groups[key]; ok {
		g.pods = append(g.pods, run...)
		return nil
	}
	g := &group{size: 1, pods: slices.Clone(run), requests: r.scratch.clone(), unknown: unknown, ties: t, wishes: w}
	g.shape = r.shape(shape)
	g.filter = r.filter(pod, &w, filterKey)
	if carried == nil {
		carried = &bearing{}
	}
	g.bear(b, carried)
	g.attachments = attachmentsOf(r.problem.Volumes[pod.UID])
	g.miss = r.refuse(pod, t)
	r.groups[key] = g
	return g
}

// bear sets what the group brings to its nodes.
func (g *group) bear(b *rulebook, carried *bearing) {
	g.carried = make([]carry, 0, len(carried.marks))
	for _, m := range carried.marks {
		g.carried = append(g.carried, carry{m, 1})
	}
	g.guest, g.manners = b.guest(g.pods[0], g.ties, carried), b.manners(g.pods[0], g.ties, carried)
	g.wants = nil
	if g.ties == nil {
		return
	}
	for _, w := range g.ties.with {
		if w.onNode {
			g.wants = append(g.wants, w.mark)
		}
	}
	slices.Sort(g.wants)
	g.wants = slices.Compact(g.wants)
}

// shape numbers the requests of a group.
func (r *grouper) shape(d digest) int {
	n, ok := r.shapes[d]
	if !ok {
		n = len(r.shapes)
		r.shapes[d] = n
	}
	return n
}

// volumesDigest appends what the pod's volumes ask for.
func (r *grouper) volumesDigest(d digest, pod *corev1.Pod) digest {
	v, ok := r.problem.Volumes[pod.UID]
	if !ok {
		return d
	}
	b := r.rulebook
	d = b.texts(d, v.Trouble)
	for _, alternatives := range v.Topologies {
		for _, q := range alternatives {
			for _, e := range q.NodeSelectorRequirements() {
				d = b.texts(b.texts(d, e.Key, string(e.Operator)), e.Values...)
			}
			d = d.number(-5)
		}
		d = d.number(-6)
	}
	var sum digest
	for driver, n := range v.Attachments {
		entry := b.text(driver).number(int64(n))
		sum.high, sum.low = sum.high+entry.high, sum.low+entry.low
	}
	return d.and(sum)
}

// refuse returns why the pod cannot be planned for, whatever machines there are.
func (r *grouper) refuse(pod *corev1.Pod, t *ties) miss {
	reason := ""
	switch {
	case t != nil && t.trouble != "":
		reason = t.trouble
	case r.problem.Volumes[pod.UID].Trouble != "":
		reason = r.problem.Volumes[pod.UID].Trouble
	case len(pod.Spec.ResourceClaims) > 0:
		reason = "resource claims (dynamic resource allocation) are not planned for; ask for extended resources instead"
	default:
		return miss{}
	}
	return miss{stage: missRefused, text: reason}
}

// weigh finds the counters that each group adds to, once all counters are known, and the axes on which its place matters.
func (r *grouper) weigh(groups []*group) {
	t := &r.rulebook.topology
	for _, g := range groups {
		r.bindSpreads(g)
	}
	if len(t.counters) == 0 {
		return
	}
	for _, g := range groups {
		g.stakes = t.stakes(g)
		g.axes = t.axesOf(g)
	}
}

// bindSpreads gives each spread of the group its counter: which nodes count depends on where the pods may go.
func (r *grouper) bindSpreads(g *group) {
	if g.ties == nil || g.miss.stage == missRefused || len(g.ties.spreads)+len(g.ties.near) == 0 {
		return
	}
	t := &r.rulebook.topology
	own := *g.ties
	own.spreads, own.near = slices.Clone(own.spreads), slices.Clone(own.near)
	for i := range own.spreads {
		s := &own.spreads[i]
		key := counterKey{axis: s.axis, mark: s.mark, reach: t.reachOf(g, s.ignoresAffinity, s.honorsTaints, own.keysBut(t.axes[s.axis].key), r.taints)}
		s.counter = t.bind(key, s.soft)
		t.counters[s.counter].spread = true
	}
	for i := range own.near {
		if n := &own.near[i]; n.skew > 0 {
			n.reach = t.reachOf(g, n.ignoresAffinity, n.honorsTaints, own.keysBut(""), r.taints)
		}
	}
	g.ties = &own
}

// keysBut returns the labels that nodes must have for the spreads to count them, but for one and those that all nodes have.
func (t *ties) keysBut(one string) []string {
	var out []string
	for _, key := range t.keys {
		if key != one && !always(key) {
			out = append(out, key)
		}
	}
	return out
}

// relax returns the group with one preference fewer, nil if it has none left.
func (r *grouper) relax(g *group) *group {
	if len(g.members) > 0 {
		return nil // its members do, once they are on their own again
	}
	out := *g
	if !out.wishes.relax() {
		return nil
	}
	b, pod := r.rulebook, g.pods[0]
	key, _, _ := r.filterDigest(pod, &out.wishes)
	out.filter = r.filter(pod, &out.wishes, r.volumesDigest(key, pod))
	if _, some := b.tiesDigest(pod); some {
		out.ties = b.parse(pod, out.wishes)
	}
	out.bear(b, b.bearing(pod))
	r.weigh([]*group{&out})
	out.tried, out.pins, out.place = nil, nil, nil
	return &out
}

// relaxable reports whether the group, or a member of it, has a preference left.
func (r *grouper) relaxable(g *group) bool {
	if len(g.members) > 0 {
		return slices.ContainsFunc(g.members, func(m companion) bool { return r.relaxable(m.group) })
	}
	w := g.wishes
	return w.relax()
}

// probe returns a filter of what a spread looks at.
func (r *grouper) probe(of *reach) *filter {
	f := &filter{key: "everything", sample: &corev1.Pod{Spec: corev1.PodSpec{Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}}}}, alternatives: []scheduling.Requirements{{}}}
	if of == nil {
		return f
	}
	f.key = fmt.Sprintf("reach %d %d", of.digest.high, of.digest.low)
	if of.affinity {
		f.alternatives = of.alternatives
	}
	if of.sample != nil {
		f.sample = of.sample
		f.key += " tainted"
	}
	return f
}
