package solver

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// ties are what a pod asks of other pods, host ports apart. What is soft is a preference that is held to for now.
type ties struct {
	// near are rules about the pods on its node, before it is known whether the pod has the mark itself.
	near []tie
	// spreads over domains larger than a node.
	spreads []spread
	// apart are the anti-affinities over such domains.
	apart []apart
	// with are the affinities. All required terms of a pod make one.
	with []together
	// keys are labels that nodes must have for the binding spreads, whatever the value.
	keys []string
	// labeled are axes on which the node must have a domain, whichever: those of affinities that are met within a bundle.
	labeled []int
	// trouble is why the scheduler refuses the pod whatever the node; "" if it does not.
	trouble string
	// id tells ties apart.
	id int64
}

// tie is a rule within one node: anti-affinity or, with a skew, spread.
type tie struct {
	mark mark
	skew int // 0 for anti-affinity
	soft bool
	// after says that pods with the mark may have to be there before the pod can come, as it requires the company of others.
	after bool
	// What follows is a spread's. reach are the nodes among which the least count is looked for, set by the grouper.
	minDomains                    int
	ignoresAffinity, honorsTaints bool
	reach                         *reach
}

// spread is a topology spread constraint over domains larger than a node.
type spread struct {
	axis, maxSkew, minDomains     int
	mark                          mark
	ignoresAffinity, honorsTaints bool
	soft                          bool
	// counter of the pods that count; it depends on the pod's filter and is set by the grouper.
	counter int
}

// apart keeps a pod out of domains where pods have the mark, and them out of its own.
type apart struct {
	// carriers counts the pods that have the mark, holders those with this term.
	carriers, holders int
	mark              mark
	soft              bool
}

// together wants pods that have the mark in all domains of the pod's node.
type together struct {
	mark     mark
	counters []int // of the mark, one for each axis
	onNode   bool  // over hostnames, too
	soft     bool
	// late says that those of a bundle who have the mark come after the one who wants it.
	late bool
}

// tiesDigest returns what the ties of a pod depend on; false if there are none.
func (b *rulebook) tiesDigest(pod *corev1.Pod) (digest, bool) {
	a := pod.Spec.Affinity
	some := a != nil && (a.PodAffinity != nil || a.PodAntiAffinity != nil)
	if !some && len(pod.Spec.TopologySpreadConstraints) == 0 {
		return digest{}, false
	}
	d := b.text(pod.Namespace)
	if some && a.PodAffinity != nil {
		d = b.podTerms(d, a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution, a.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution, pod.Labels)
	}
	d = d.number(1)
	if some && a.PodAntiAffinity != nil {
		d = b.podTerms(d, a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution, a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution, pod.Labels)
	}
	for i := range pod.Spec.TopologySpreadConstraints {
		c := &pod.Spec.TopologySpreadConstraints[i]
		d = b.ownLabels(b.selector(d, c.LabelSelector), c.MatchLabelKeys, pod.Labels)
		d = b.texts(d, c.TopologyKey, string(c.WhenUnsatisfiable), string(ptr.Deref(c.NodeAffinityPolicy, "")), string(ptr.Deref(c.NodeTaintsPolicy, "")))
		d = d.number(int64(c.MaxSkew)).number(int64(ptr.Deref(c.MinDomains, 0)))
	}
	return d, true
}

func (b *rulebook) podTerms(d digest, required []corev1.PodAffinityTerm, preferred []corev1.WeightedPodAffinityTerm, own map[string]string) digest {
	for i := range required {
		d = b.podTerm(d, &required[i], own)
	}
	d = d.number(int64(len(required)))
	if b.preferences {
		for i := range preferred {
			d = b.podTerm(d, &preferred[i].PodAffinityTerm, own).number(int64(preferred[i].Weight))
		}
	}
	return d
}

// parser turns the API's terms of one pod into ties.
type parser struct {
	*rulebook
	pod *corev1.Pod
	out *ties
	// axes that the pod is tied over.
	axes []int
}

// parse returns the ties of the pod when it has given up so many of its preferences.
func (b *rulebook) parse(pod *corev1.Pod, w wishes) *ties {
	b.parsed++
	p := parser{rulebook: b, pod: pod, out: &ties{id: b.parsed}}
	if a := pod.Spec.Affinity; a != nil && a.PodAffinity != nil {
		p.affinity(a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution, false)
		for _, t := range heaviest(a.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution, w.affinity) {
			p.affinity([]corev1.PodAffinityTerm{t}, true)
		}
	}
	if a := pod.Spec.Affinity; a != nil && a.PodAntiAffinity != nil {
		for i := range a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
			p.antiAffinity(&a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution[i], false)
		}
		for _, t := range heaviest(a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution, w.antiAffinity) {
			p.antiAffinity(&t, true)
		}
	}
	anyway := 0
	for i := range pod.Spec.TopologySpreadConstraints {
		c := &pod.Spec.TopologySpreadConstraints[i]
		soft := c.WhenUnsatisfiable != corev1.DoNotSchedule
		if soft {
			if anyway++; anyway <= w.spreads.given || anyway > w.spreads.all {
				continue
			}
		}
		p.spread(c, soft)
	}
	return p.out
}

// heaviest returns the terms that are still wished for, the heaviest first.
func heaviest(terms []corev1.WeightedPodAffinityTerm, w wish) []corev1.PodAffinityTerm {
	terms = slices.Clone(terms)
	slices.SortStableFunc(terms, func(a, b corev1.WeightedPodAffinityTerm) int { return cmp.Compare(b.Weight, a.Weight) })
	var out []corev1.PodAffinityTerm
	for i := w.given; i < w.all; i++ {
		out = append(out, terms[i].PodAffinityTerm)
	}
	return out
}

// refuse notes why the scheduler refuses the pod, unless it is but a preference that comes to nothing.
func (p *parser) refuse(soft bool, format string, arguments ...any) {
	if !soft && p.out.trouble == "" {
		p.out.trouble = fmt.Sprintf(format, arguments...)
	}
}

// axis returns the index of a topology key, unless the pod has too many of them.
func (p *parser) axis(key string, soft bool) (int, bool) {
	if _, known := p.axisIndex[key]; len(p.axes) >= mostAxes && !known || len(p.rulebook.axes) >= mostKeys && !known {
		p.refuse(soft, "its affinity and topology spread are over too many topology keys, %s among them; use fewer", key)
		return 0, false
	}
	axis := p.axisOf(key)
	if !slices.Contains(p.axes, axis) {
		if p.axes = append(p.axes, axis); len(p.axes) > mostAxes {
			p.refuse(soft, "its affinity and topology spread are over more than %d topology keys; use fewer", mostAxes)
			return 0, false
		}
	}
	return axis, true
}

func (p *parser) affinity(terms []corev1.PodAffinityTerm, soft bool) {
	if len(terms) == 0 {
		return
	}
	w := together{soft: soft}
	var parts []mark
	var axes []int
	for i := range terms {
		m, ok := p.termMark(&terms[i], "affinity", soft)
		if !ok {
			return
		}
		parts = append(parts, m)
		if terms[i].TopologyKey == corev1.LabelHostname {
			w.onNode = true
		} else {
			axis, ok := p.axis(terms[i].TopologyKey, soft)
			if !ok {
				return
			}
			axes = append(axes, axis)
		}
	}
	w.mark = p.allOf(parts)
	slices.Sort(axes)
	for _, axis := range slices.Compact(axes) {
		w.counters = append(w.counters, p.bind(counterKey{axis: axis, mark: w.mark}, soft))
	}
	if w.onNode {
		p.traits[w.mark].onNode, p.traits[w.mark].strict = true, true
	}
	p.out.with = append(p.out.with, w)
}

func (p *parser) antiAffinity(term *corev1.PodAffinityTerm, soft bool) {
	m, ok := p.termMark(term, "anti-affinity", soft)
	if !ok {
		return
	}
	if term.TopologyKey == corev1.LabelHostname {
		p.near(tie{mark: m, soft: soft})
		return
	}
	axis, ok := p.axis(term.TopologyKey, soft)
	if !ok {
		return
	}
	a := apart{mark: m, soft: soft, carriers: p.bind(counterKey{axis: axis, mark: m}, soft), holders: -1}
	p.counters[a.carriers].shunned = true
	if !soft { // nobody has to keep away from a pod that would only prefer it
		a.holders = p.bind(counterKey{axis: axis, mark: m, held: true}, false)
	}
	p.out.apart = append(p.out.apart, a)
}

// near notes a rule within a node.
func (p *parser) near(t tie) {
	tr := &p.traits[t.mark]
	tr.onNode, tr.strict = true, tr.strict || !t.soft && (t.skew == 0 || t.after)
	p.out.near = append(p.out.near, t)
}

// follows reports whether the pod has to wait for others, and they perhaps for others still.
func (p *parser) follows() bool {
	return slices.ContainsFunc(p.out.with, func(w together) bool { return !w.soft })
}

func (p *parser) spread(c *corev1.TopologySpreadConstraint, soft bool) {
	if _, err := metav1.LabelSelectorAsSelector(c.LabelSelector); err != nil {
		p.refuse(soft, "the label selector of its topology spread is invalid: %s", err)
		return
	}
	if c.TopologyKey == "" || c.MaxSkew < 1 {
		p.refuse(soft, "its topology spread over %q with maxSkew %d is invalid; name a key and at least 1", c.TopologyKey, c.MaxSkew)
		return
	}
	s := withLabelKeys(c.LabelSelector, c.MatchLabelKeys, nil, p.pod.Labels)
	if s != nil && len(s.MatchLabels)+len(s.MatchExpressions) == 0 {
		s = nil // the scheduler counts nobody for a selector that selects everybody
	}
	m := p.selectorMark(scope{names: []string{p.pod.Namespace}}, s, true)
	if c.TopologyKey == corev1.LabelHostname {
		p.near(tie{
			mark: m, skew: int(c.MaxSkew), soft: soft, after: !soft && p.follows(), minDomains: int(ptr.Deref(c.MinDomains, 1)),
			ignoresAffinity: ignoresAffinity(c), honorsTaints: honorsTaints(c),
		})
		return
	}
	axis, ok := p.axis(c.TopologyKey, soft)
	if !ok {
		return
	}
	if !soft {
		p.out.keys = append(p.out.keys, c.TopologyKey)
	}
	p.out.spreads = append(p.out.spreads, spread{
		axis: axis, mark: m, soft: soft, counter: -1,
		maxSkew: int(c.MaxSkew), minDomains: int(ptr.Deref(c.MinDomains, 1)),
		ignoresAffinity: ignoresAffinity(c), honorsTaints: honorsTaints(c),
	})
}

func ignoresAffinity(c *corev1.TopologySpreadConstraint) bool {
	return ptr.Deref(c.NodeAffinityPolicy, corev1.NodeInclusionPolicyHonor) == corev1.NodeInclusionPolicyIgnore
}

func honorsTaints(c *corev1.TopologySpreadConstraint) bool {
	return ptr.Deref(c.NodeTaintsPolicy, corev1.NodeInclusionPolicyIgnore) == corev1.NodeInclusionPolicyHonor
}

// termMark returns the mark of the pods that the term is about; false if there is no telling.
func (p *parser) termMark(term *corev1.PodAffinityTerm, of string, soft bool) (mark, bool) {
	s := withLabelKeys(term.LabelSelector, term.MatchLabelKeys, term.MismatchLabelKeys, p.pod.Labels)
	for _, selector := range []*metav1.LabelSelector{s, term.NamespaceSelector} {
		if _, err := metav1.LabelSelectorAsSelector(selector); err != nil {
			p.refuse(soft, "a selector of its %s is invalid: %s", of, err)
			return 0, false
		}
	}
	if term.TopologyKey == "" {
		p.refuse(soft, "its %s has no topology key; name one", of)
		return 0, false
	}
	return p.selectorMark(p.scopeOf(term, of == "anti-affinity"), s, false), true
}

// scopeOf returns the namespaces that a term is about. Those of which nothing is known are in or not as the caller says.
func (p *parser) scopeOf(term *corev1.PodAffinityTerm, unknown bool) scope {
	out := scope{names: slices.Compact(slices.Sorted(slices.Values(term.Namespaces)))}
	if len(out.names) == 0 && term.NamespaceSelector == nil {
		out.names = []string{p.pod.Namespace}
	}
	if s := term.NamespaceSelector; s != nil {
		if out.all = len(s.MatchLabels)+len(s.MatchExpressions) == 0; !out.all {
			out.selector, _ = metav1.LabelSelectorAsSelector(s)
			out.unknown = unknown
		}
	}
	return out
}

// text identifies the scope.
func (s *scope) text() string {
	out := strings.Join(s.names, ",")
	if s.all {
		return "everywhere"
	}
	if s.selector != nil {
		out += fmt.Sprintf(" where %s (%t)", s.selector, s.unknown)
	}
	return out
}

// withLabelKeys adds to a selector that the values of some keys are, or are not, the pod's own. A nil selector selects nothing
// and stays so.
func withLabelKeys(s *metav1.LabelSelector, same, other []string, own map[string]string) *metav1.LabelSelector {
	if s == nil || len(same)+len(other) == 0 {
		return s
	}
	s = s.DeepCopy()
	add := func(keys []string, operator metav1.LabelSelectorOperator) {
		for _, key := range keys {
			if value, ok := own[key]; ok {
				s.MatchExpressions = append(s.MatchExpressions, metav1.LabelSelectorRequirement{Key: key, Operator: operator, Values: []string{value}})
			}
		}
	}
	add(same, metav1.LabelSelectorOpIn)
	add(other, metav1.LabelSelectorOpNotIn)
	return s
}
