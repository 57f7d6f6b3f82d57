package solver

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// group is a set of pods that nothing in the Problem tells apart.
type group struct {
	// pods in order of namespace, name and uid, size of them to a unit. A unit stays on one node; but for pods that require each
	// other's company it is one pod.
	pods []*corev1.Pod
	size int
	// left units, the last ones, are not placed yet.
	left int
	// requests of one unit.
	requests vector
	// unknown is a resource that the pods ask for and nothing has.
	unknown corev1.ResourceName
	filter  *filter
	guest   guest
	spreads []spread
	// pins are the labels that topology wants the pods' nodes to have; nil for any.
	pins *pins
	// planned maps the name of a node -> how many of the pods were meant for it before; parts of a divided group share it.
	planned map[string]int
	// miss is the nearest that the pods have come to a machine.
	miss miss
	// key orders groups that are otherwise equal.
	key string
}

// filter is the part of a pod that says which nodes it may be on, shared by all groups that agree in it.
type filter struct {
	key string
	// sample is one of the pods, for its tolerations.
	sample *corev1.Pod
	// alternatives of requirements; any will do.
	alternatives []scheduling.Requirements
}

// untolerated returns why taints keep the pods off, or "".
func (f *filter) untolerated(taints []corev1.Taint) string {
	return scheduling.Taints(taints).Tolerated(f.sample)
}

// pins are labels that a node must have, one value each.
type pins struct {
	labels map[string]string
	// key identifies the labels.
	key string
}

func newPins(labels map[string]string) *pins {
	return &pins{labels: labels, key: scheduling.FromLabels(labels).String()}
}

// requirements returns the pins as requirements.
func (p *pins) requirements() scheduling.Requirements {
	if p == nil {
		return nil
	}
	return scheduling.FromLabels(p.labels)
}

// text identifies the pins, "" for none.
func (p *pins) text() string {
	if p == nil {
		return ""
	}
	return p.key
}

// take returns the pods of the next n units and counts them as placed.
func (g *group) take(n int) []*corev1.Pod {
	start := len(g.pods) - g.left*g.size
	g.left -= n
	end := start + n*g.size
	return g.pods[start:end:end]
}

// plan counts the nodes that the pods were meant for.
func (g *group) plan(planned map[types.UID]string) {
	g.planned = map[string]int{}
	for _, pod := range g.pods {
		if name, ok := planned[pod.UID]; ok {
			g.planned[name]++
		}
	}
}

// grouper sorts pods into groups.
type grouper struct {
	dimensions dimensions
	rulebook   *rulebook
	groups     map[string]*group  // key -> group
	filters    map[string]*filter // key -> filter
}

// groups returns the groups of the pods, the largest requests first.
func groupsOf(all []*corev1.Pod, d dimensions, b *rulebook, refuse func(*corev1.Pod, []mark) string) []*group {
	r := &grouper{dimensions: d, rulebook: b, groups: map[string]*group{}, filters: map[string]*filter{}}
	for _, pod := range all {
		r.add(pod, refuse)
	}
	out := make([]*group, 0, len(r.groups))
	for _, g := range r.groups {
		slices.SortFunc(g.pods, comparePods)
		g.left = len(g.pods)
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b *group) int {
		return cmp.Or(d.compare(a.requests, b.requests), cmp.Compare(a.key, b.key))
	})
	return out
}

func (r *grouper) add(pod *corev1.Pod, refuse func(*corev1.Pod, []mark) string) {
	var key strings.Builder
	writeFilterKey(&key, pod)
	filterKey := key.String()
	requests := pods.Requests(pod)
	v := r.dimensions.vector(requests)
	for i := range v {
		v[i] = max(v[i], 0) // the API server refuses negative requests; one that slips through must not make room
		writeInt(&key, v[i])
	}
	unknown := r.dimensions.unknown(requests)
	guest, spreads := r.rulebook.guest(pod), r.rulebook.spreads(pod)
	reason := refuse(pod, r.rulebook.marks(pod))
	for _, part := range []string{string(unknown), ruleText(guest, spreads), reason} {
		key.WriteByte('|')
		key.WriteString(part)
	}
	g, ok := r.groups[key.String()]
	if !ok {
		g = &group{
			size: 1, requests: v, unknown: unknown, filter: r.filter(filterKey, pod),
			guest: guest, spreads: spreads, key: key.String(),
		}
		if reason != "" {
			g.miss = miss{stage: missRefused, text: reason}
		}
		r.groups[g.key] = g
	}
	g.pods = append(g.pods, pod)
}

func (r *grouper) filter(key string, pod *corev1.Pod) *filter {
	f, ok := r.filters[key]
	if !ok {
		f = &filter{key: key, sample: pod, alternatives: scheduling.PodRequirements(pod)}
		r.filters[key] = f
	}
	return f
}

func comparePods(a, b *corev1.Pod) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.UID, b.UID))
}
