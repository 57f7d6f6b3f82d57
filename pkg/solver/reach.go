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

	hosts   map[*nodeClass]presence
	filters map[*filter]presence
}

// reachOf returns the reach of a spread of the group's pods; taints are those of all nodes and machines.
func (t *topology) reachOf(g *group, s *spread, keys []string, taints []corev1.Taint) *reach {
	f := g.filter
	affinity, tainted := !s.ignoresAffinity && !f.own.any, s.honorsTaints && scheduling.Taints(taints).Tolerated(f.sample) != ""
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
	r = &reach{digest: f.own.digest, keys: keys, axes: axes, hosts: map[*nodeClass]presence{}, filters: map[*filter]presence{}}
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
	if slices.ContainsFunc(r.alternatives, func(q scheduling.Requirements) bool { return h.class.may(q) }) {
		return maybe
	}
	return never
}

// covers reports whether nodes in the place have the keys.
func (r *reach) covers(p *place) bool {
	return r == nil || !slices.ContainsFunc(r.axes, func(axis int) bool { return p.at(axis) < 0 })
}

// filter says whether pods of the group count on nodes that have the keys.
func (r *reach) filter(g *group) presence {
	if r == nil {
		return surely
	}
	p, known := r.filters[g.filter]
	if !known {
		p = r.compare(g.filter)
		r.filters[g.filter] = p
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

func (r *reach) compare(f *filter) presence {
	out := surely
	if r.sample != nil && f.tolerations != r.tolerations {
		out = maybe
	}
	if !r.affinity || r.digest == f.own.digest {
		return out
	}
	covered, possible := true, false
	for _, a := range f.alternatives {
		inside := false
		for _, q := range r.alternatives {
			possible = possible || q.Conflict(a) == ""
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

// covers reports whether whatever meets a meets q, too.
func covers(q, a scheduling.Requirements) bool {
	for key, r := range q {
		if !r.Covers(a.Get(key)) {
			return false
		}
	}
	return true
}
