package solver

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// filter is the part of a pod that says which nodes it may be on, shared by all groups that agree in it.
type filter struct {
	// key tells filters apart.
	key string
	// sample is one of the pods, for its tolerations, which have a digest of their own.
	sample      *corev1.Pod
	tolerations digest
	// others are samples of pods of other kinds in the same unit.
	others []*corev1.Pod
	// untainted keeps the pods off nodes with taints that would only rather not have them.
	untainted bool
	// alternatives of requirements; any will do. Those of volumes and preferences are among them.
	alternatives []scheduling.Requirements
	// cut says that there were too many of them to keep all.
	cut bool
	// own are the requirements of the pods alone, which decide which nodes their topology spread looks at.
	own own
	// named says that some alternative is about the hostname.
	named bool
}

// own is node selector and required node affinity.
type own struct {
	digest       digest
	alternatives []scheduling.Requirements
	// any says that they let the pods onto all nodes, named that some is about the hostname.
	any, named bool
}

// candid returns a reason with a word about alternatives that were not looked at.
func (f *filter) candid(reason string) string {
	if !f.cut {
		return reason
	}
	return shorten(fmt.Sprintf("of the places that its node affinity and volumes allow, %d were looked at; %s", mostAlternatives, reason))
}

// untolerated returns why taints keep the pods off, or "".
func (f *filter) untolerated(taints []corev1.Taint) string {
	if f.untainted {
		taints = slices.Clone(taints)
		for i := range taints {
			if taints[i].Effect == corev1.TaintEffectPreferNoSchedule {
				taints[i].Effect = corev1.TaintEffectNoSchedule
			}
		}
	}
	for _, pod := range f.others {
		if reason := scheduling.Taints(taints).Tolerated(pod); reason != "" {
			return reason
		}
	}
	return scheduling.Taints(taints).Tolerated(f.sample)
}

// bothFilters returns the filter of units that have pods of both kinds.
func (r *grouper) bothFilters(f, g *filter) *filter {
	if f == g {
		return f
	}
	key := r.rulebook.text(f.key).and(r.rulebook.text(g.key))
	if out, ok := r.filters[key]; ok {
		return out
	}
	out := *f
	out.key = fmt.Sprint("f", len(r.filters))
	out.others = append(slices.Clone(f.others), append([]*corev1.Pod{g.sample}, g.others...)...)
	out.untainted = f.untainted || g.untainted
	out.alternatives = distinct(both(f.alternatives, g.alternatives))
	out.cut = f.cut || g.cut || len(out.alternatives) > mostAlternatives
	out.alternatives = out.alternatives[:min(len(out.alternatives), mostAlternatives)]
	out.named = f.named || g.named
	out.tolerations = f.tolerations.and(g.tolerations)
	out.own.digest = f.own.digest.and(g.own.digest)
	r.filters[key] = &out
	return &out
}

// filterDigest returns what the filter of a pod depends on.
func (r *grouper) filterDigest(pod *corev1.Pod, w *wishes) (all, own, tolerations digest) {
	b := r.rulebook
	if len(pod.Spec.NodeSelector) > 0 {
		own = b.labels(own, pod.Spec.NodeSelector)
	}
	a := pod.Spec.Affinity
	affine := a != nil && a.NodeAffinity != nil
	if affine && a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution != nil {
		own = b.nodeTerms(own.number(1), a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms...)
	}
	if len(pod.Spec.Tolerations) > 0 {
		tolerations = b.tolerations(tolerations, pod.Spec.Tolerations)
	}
	all = own.and(tolerations)
	if w.untainted {
		all = all.number(2)
	}
	if affine && w.node.all > 0 {
		preferred := a.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution
		for i := range preferred {
			all = b.nodeTerms(all, preferred[i].Preference).number(int64(preferred[i].Weight))
		}
		all = all.number(int64(w.node.given))
	}
	return all, own, tolerations
}

// filter returns the filter of a pod that holds to these preferences, with the topologies of its volumes.
func (r *grouper) filter(pod *corev1.Pod, w *wishes, key digest) *filter {
	if f, ok := r.filters[key]; ok {
		return f
	}
	_, ownDigest, tolerations := r.filterDigest(pod, w)
	f := &filter{key: fmt.Sprint("f", len(r.filters)), sample: pod, tolerations: tolerations, untainted: w.untainted}
	f.own = own{digest: ownDigest, alternatives: folded(scheduling.PodRequirements(pod))}
	f.own.any = slices.ContainsFunc(f.own.alternatives, func(q scheduling.Requirements) bool { return len(q) == 0 })
	f.own.named = slices.ContainsFunc(f.own.alternatives, named)
	f.alternatives = f.own.alternatives
	if v, ok := r.problem.Volumes[pod.UID]; ok {
		f.alternatives, f.cut = withVolumes(f.alternatives, v.Topologies)
	}
	if term, ok := preference(pod, w.node); ok {
		f.alternatives = both(f.alternatives, []scheduling.Requirements{scheduling.FromNodeSelector(term.MatchExpressions)})
	}
	f.named = slices.ContainsFunc(f.alternatives, named)
	r.filters[key] = f
	return f
}

// mostFolded bounds the alternatives of a pod that are compared with each other.
const mostFolded = 32

// folded returns the alternatives with one in place of two that differ in one label, and between them let it be anything: nodes
// of which nobody says yet what the label will be meet neither, but meet one or the other whatever it turns out to be.
func folded(alternatives []scheduling.Requirements) []scheduling.Requirements {
	if len(alternatives) > mostFolded {
		return alternatives
	}
	for i, a := range alternatives {
		for k, b := range alternatives[i+1:] {
			if key, anything := complementary(a, b); anything {
				both := maps.Clone(a)
				delete(both, key)
				out := slices.Delete(slices.Clone(alternatives), i+1+k, i+2+k)
				out[i] = both
				return folded(out)
			}
		}
	}
	return alternatives
}

// complementary returns the one label in which requirements differ, if they let it be anything between them.
func complementary(a, b scheduling.Requirements) (string, bool) {
	if len(a) != len(b) {
		return "", false
	}
	differing := ""
	for key, x := range a {
		y, both := b[key]
		switch {
		case !both || differing != "" && !x.Equal(y):
			return "", false
		case !x.Equal(y):
			differing = key
		}
	}
	return differing, differing != "" && a[differing].Exhausts(b[differing])
}

// named reports whether the requirements are about what each node has for itself.
func named(q scheduling.Requirements) bool {
	return q.Has(corev1.LabelHostname) || q.Has(scheduling.NodeName)
}

// both returns all combinations of an alternative of each list that some node can meet.
func both(a, b []scheduling.Requirements) []scheduling.Requirements {
	var out []scheduling.Requirements
	for _, x := range a {
		for _, y := range b {
			if x.Conflict(y) == "" {
				out = append(out, x.Union(y))
			}
		}
	}
	return out
}
