package solver

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// reach is the set of nodes that a topology spread constraint looks at. A nil reach is all nodes.
type reach struct {
	digest digest
	// alternatives of the pods' own requirements, if those restrict it.
	alternatives []scheduling.Requirements
	affinity     bool
	// sample is one of the pods, for its tolerations; nil if taints do not restrict it.
	sample      *corev1.Pod
	tolerations digest
	// keys are labels that nodes must have, whatever the value.
	keys  []string
	axes  []int // of the keys
	named bool  // some alternative is about the hostname

	// known says of a label key whether any node or machine has it.
	known   func(key string) bool
	hosts   map[*nodeClass]presence
	filters map[located]presence
	// machines that are sold.
	machines map[*outcomes]presence
}

// located is where a filter lets pods go that are pinned.
type located struct {
	filter *filter
	pins   *pins
}

// reachOf returns the reach of a spread of the group's pods; taints are those of all nodes and machines.
func (t *topology) reachOf(g *group, ignoresAffinity, honorsTaints bool, keys []string, taints []corev1.Taint) *reach {
	f := g.filter
	affinity, tainted := !ignoresAffinity && !f.own.any, honorsTaints && scheduling.Taints(taints).Tolerated(f.sample) != ""
	if !affinity && !tainted && len(keys) == 0 {
		return nil
	}
	d := digest{}
	if affinity {
		d = d.number(1).and(f.own.digest)
	}
	if tainted {
		d = d.number(2).and(f.tolerations)
	}
	var axes []int
	for _, key := range keys {
		axes = append(axes, t.axisOf(key))
		d = d.number(int64(t.axisOf(key)))
	}
	r, ok := t.reaches[d]
	if ok {
		return r
	}
	r = &reach{digest: f.own.digest, keys: keys, axes: axes, hosts: map[*nodeClass]presence{}, filters: map[located]presence{}, machines: map[*outcomes]presence{}, known: t.knows}
	if affinity {
		r.affinity, r.alternatives, r.named = true, f.own.alternatives, f.own.named
	}
	if tainted {
		r.sample, r.tolerations = f.sample, f.tolerations
	}
	t.reaches[d] = r
	return r
}

// host says whether pods on the node count.
func (r *reach) host(h *host) presence {
	if r == nil {
		return surely
	}
	p, known := r.hosts[h.class]
	if !known || r.named {
		p = r.look(h)
		r.hosts[h.class] = p
	}
	return p
}

func (r *reach) look(h *host) presence {
	if r.sample != nil && scheduling.Taints(h.class.taints).Tolerated(r.sample) != "" {
		return never
	}
	out := surely
	for _, key := range r.keys {
		if _, there := h.class.labels[key]; !there {
			if !h.class.possible.Has(key) {
				return never
			}
			out = maybe
		}
	}
	if !r.affinity || slices.ContainsFunc(r.alternatives, func(q scheduling.Requirements) bool { return h.accepts(q) }) {
		return out
	}
	if slices.ContainsFunc(r.alternatives, h.may) {
		return maybe
	}
	return never
}

// covers reports whether nodes in the place have the keys.
func (r *reach) covers(p *place) bool {
	return r == nil || !slices.ContainsFunc(r.axes, func(axis int) bool { return p.at(axis) < 0 })
}

// filter says whether pods of the group count on nodes that have the keys and the pins.
func (r *reach) filter(f *filter, at *pins) presence {
	if r == nil {
		return surely
	}
	key := located{f, at}
	p, known := r.filters[key]
	if !known {
		p = r.compare(f, at)
		r.filters[key] = p
	}
	return p
}

// always reports whether every node has the label.
func always(key string) bool {
	switch key {
	case corev1.LabelTopologyZone, corev1.LabelHostname, corev1.LabelInstanceTypeStable, corev1.LabelArchStable, corev1.LabelOSStable, v1alpha5.CapacityTypeLabel:
		return true
	default:
		return false
	}
}

func (r *reach) compare(f *filter, at *pins) presence {
	out := surely
	if r.sample != nil && f.tolerations != r.tolerations {
		out = maybe
	}
	if !r.affinity || r.digest == f.own.digest {
		return out
	}
	covered, possible := true, false
	for _, a := range f.alternatives {
		if r.unheard(a) {
			continue
		}
		if at != nil {
			a = a.Union(at.all)
		}
		inside := false
		for _, q := range r.alternatives {
			possible = possible || q.Conflict(a) == "" && !r.unheard(q)
			inside = inside || covers(q, a)
		}
		covered = covered && inside
	}
	switch {
	case !possible:
		return never
	case !covered:
		return maybe
	default:
		return out
	}
}

// unheard reports whether the requirements ask for a label that nothing has.
func (r *reach) unheard(q scheduling.Requirements) bool {
	for key, x := range q {
		if !x.AllowsAbsent() && !r.known(key) {
			return true
		}
	}
	return false
}

// covers reports whether whatever meets a meets q, too.
func covers(q, a scheduling.Requirements) bool {
	for key, r := range q {
		asked := a.Get(key)
		if always(key) {
			asked = asked.Intersect(scheduling.NewRequirement(key, corev1.NodeSelectorOpExists))
		}
		if !r.Covers(asked) {
			return false
		}
	}
	return true
}
