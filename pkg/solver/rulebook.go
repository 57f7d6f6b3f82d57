package solver

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// rule bounds how many pods with a mark a node may have while a pod with the rule is there, that pod included.
type rule struct {
	mark mark
	most int
	// loose says that the rule matters only when a pod with it joins, not when others join later.
	loose bool
}

// label is one label of a pod.
type label struct{ key, value string }

// rulebook knows all traits and which pods carry them. Host ports, anti-affinity and spread over nodes all become rules, so
// that a node is checked in one way.
type rulebook struct {
	digester
	topology
	namespaces map[string]map[string]string
	// preferences says that they count, discouraged that some node or machine has a taint that is better avoided.
	preferences, discouraged bool

	traits []trait
	index  map[string]mark // text -> mark
	// byLabel maps a label that the selector of a trait needs -> the traits; the others with a selector are open.
	byLabel map[label][]mark
	open    []mark
	ports   []mark
	joint   []mark // traits of several parts
	// keys are the labels of pods that any selector looks at, in the order in which they were met.
	keys     []string
	hasKey   map[string]bool
	tiesOf   map[digest]*ties
	marksOf  map[digest]*bearing
	bearings map[digest]*bearing
	// daemons maps a counter of pods that others keep away from -> the mark of those of them that DaemonSets bring to a new node
	// which is in a domain.
	daemons map[int]mark
	// parsed counts ties.
	parsed int64
}

// bearing is a set of marks that pods carry, shared by all pods that carry the same.
type bearing struct {
	marks []mark
	// id tells bearings apart.
	id int64
}

func newRulebook(p *Problem) *rulebook {
	return &rulebook{
		digester: newDigester(), topology: newTopology(), namespaces: p.Namespaces,
		preferences: !p.Settings.IgnorePreferences, discouraged: discouraged(p),
		index: map[string]mark{}, byLabel: map[label][]mark{}, hasKey: map[string]bool{},
		tiesOf: map[digest]*ties{}, marksOf: map[digest]*bearing{}, bearings: map[digest]*bearing{},
	}
}

// discouraged reports whether some node or machine has a taint that only says that it is better avoided.
func discouraged(p *Problem) bool {
	prefers := func(t corev1.Taint) bool { return t.Effect == corev1.TaintEffectPreferNoSchedule }
	return slices.ContainsFunc(p.Nodes, func(n Node) bool { return slices.ContainsFunc(n.Taints, prefers) }) ||
		slices.ContainsFunc(p.Provisioners, func(q Provisioner) bool { return slices.ContainsFunc(q.Taints, prefers) })
}

// learn notes all traits that the pod cares about, with all its preferences, and returns its ties; nil if it has none. Marks are
// complete once all pods have been learned.
func (b *rulebook) learn(pod *corev1.Pod) *ties {
	for _, p := range hostPorts(pod) {
		b.portMark(p)
	}
	d, some := b.tiesDigest(pod)
	if !some {
		return nil
	}
	t, ok := b.tiesOf[d]
	if !ok {
		t = b.parse(pod, b.wishesOf(pod))
		b.tiesOf[d] = t
	}
	return t
}

// learnResident notes the traits that a running pod cares about: what it required of others when it came no longer matters,
// what it keeps away still does.
func (b *rulebook) learnResident(pod *corev1.Pod) *ties {
	for _, p := range hostPorts(pod) {
		b.portMark(p)
	}
	a := pod.Spec.Affinity
	if a == nil || a.PodAntiAffinity == nil || len(a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution) == 0 {
		return nil
	}
	terms := a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	d := b.text(pod.Namespace).number(-3)
	for i := range terms {
		d = b.podTerm(d, &terms[i], pod.Labels)
	}
	t, ok := b.tiesOf[d]
	if !ok {
		b.parsed++
		p := parser{rulebook: b, pod: pod, out: &ties{id: b.parsed}}
		for i := range terms {
			p.antiAffinity(&terms[i], false)
		}
		t = p.out
		b.tiesOf[d] = t
	}
	return t
}

// IsPlain reports whether a running pod keeps nobody away by what it is itself: it takes no port of its node, and need not be apart from
// others.
func IsPlain(pod *corev1.Pod) bool {
	a := pod.Spec.Affinity
	apart := a != nil && a.PodAntiAffinity != nil && len(a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution) > 0
	return !apart && len(hostPorts(pod)) == 0
}

// learnDaemons notes the traits of the pods of DaemonSets. A pod that keeps out of domains where such pods are cannot be on a
// node in a domain with one, either: that is a rule within the node.
func (b *rulebook) learnDaemons(daemons []*corev1.Pod) {
	for _, pod := range daemons {
		b.learnResident(pod)
	}
	b.daemons = map[int]mark{}
	for _, pod := range daemons {
		for _, m := range b.bearing(pod).marks {
			for _, i := range b.carriersOf(m) {
				if c := b.counters[i]; c.binding && c.shunned {
					b.daemons[i], _ = b.mark(fmt.Sprint("from DaemonSets ", i), func() trait { return trait{onNode: true, strict: true} }, nil)
				}
			}
		}
	}
}

// bearing returns the marks that the pod carries.
func (b *rulebook) bearing(pod *corev1.Pod) *bearing {
	d := b.text(pod.Namespace)
	if pod.DeletionTimestamp != nil {
		d = d.number(-4)
	}
	for i, key := range b.keys {
		if value, ok := pod.Labels[key]; ok {
			d = d.number(int64(i)).and(b.text(value))
		}
	}
	ports := hostPorts(pod)
	for _, p := range ports {
		d = b.texts(d, string(p.protocol), p.address).number(int64(p.number))
	}
	if out, ok := b.marksOf[d]; ok {
		return out
	}
	marks := b.marks(pod, ports)
	var same digest
	for _, m := range marks {
		same = same.number(int64(m))
	}
	out, ok := b.bearings[same]
	if !ok {
		out = &bearing{marks: marks, id: int64(len(b.bearings))}
		b.bearings[same] = out
	}
	b.marksOf[d] = out
	return out
}

// marks returns the marks that the pod carries, in order.
func (b *rulebook) marks(pod *corev1.Pod, ports []port) []mark {
	var out []mark
	has := make(map[mark]bool, 8)
	note := func(candidates []mark, carries func(t *trait) bool) {
		for _, m := range candidates {
			if !has[m] && carries(&b.traits[m]) {
				has[m] = true
				out = append(out, m)
			}
		}
	}
	selected := func(t *trait) bool {
		return (!t.living || pod.DeletionTimestamp == nil) && t.scope.has(pod.Namespace, b.namespaces) && t.selector.Matches(labels.Set(pod.Labels))
	}
	for _, key := range b.keys {
		if value, ok := pod.Labels[key]; ok {
			note(b.byLabel[label{key, value}], selected)
		}
	}
	note(b.open, selected)
	if len(ports) > 0 {
		note(b.ports, func(t *trait) bool { return slices.ContainsFunc(ports, t.port.conflicts) })
	}
	note(b.joint, func(t *trait) bool {
		return !slices.ContainsFunc(t.parts, func(m mark) bool { return !has[m] })
	})
	slices.Sort(out)
	return out
}

func (b *rulebook) portMark(p port) mark {
	m, _ := b.mark("port "+p.String(), func() trait { return trait{port: &p, onNode: true, strict: true} }, &b.ports)
	return m
}

// allOf returns the mark of the pods that carry all of the marks.
func (b *rulebook) allOf(parts []mark) mark {
	slices.Sort(parts)
	parts = slices.Compact(parts)
	if len(parts) == 1 {
		return parts[0]
	}
	m, _ := b.mark("all of "+fmt.Sprint(parts), func() trait { return trait{parts: parts} }, &b.joint)
	return m
}

// selectorMark returns the mark of the pods that a valid selector selects in the scope; living ones only if it says so.
func (b *rulebook) selectorMark(in scope, s *metav1.LabelSelector, living bool) mark {
	var key strings.Builder
	key.WriteString(in.text())
	if living {
		key.WriteString(" living")
	}
	if s == nil { // selects nothing, the empty selector everything
		m, _ := b.mark("nobody", func() trait { return trait{selector: labels.Nothing()} }, nil)
		return m
	}
	selector, _ := metav1.LabelSelectorAsSelector(s)
	key.WriteString(" those with " + selector.String())
	m, fresh := b.mark(key.String(), func() trait { return trait{scope: in, selector: selector, living: living} }, nil)
	if fresh {
		b.file(m, selector)
	}
	return m
}

// file makes the trait known where pods look for what they may carry.
func (b *rulebook) file(m mark, selector labels.Selector) {
	requirements, _ := selector.Requirements()
	filed := false
	for _, r := range requirements {
		if !b.hasKey[r.Key()] {
			b.hasKey[r.Key()] = true
			b.keys = append(b.keys, r.Key())
		}
		if op := r.Operator(); !filed && (op == selection.In || op == selection.Equals || op == selection.DoubleEquals) {
			filed = true
			for value := range r.Values() {
				b.byLabel[label{r.Key(), value}] = append(b.byLabel[label{r.Key(), value}], m)
			}
		}
	}
	if !filed {
		b.open = append(b.open, m)
	}
}

// mark returns the mark of a text, and whether it is new; a new one joins the list.
func (b *rulebook) mark(text string, make func() trait, list *[]mark) (mark, bool) {
	m, ok := b.index[text]
	if !ok {
		m = mark(len(b.traits))
		b.index[text] = m
		b.traits = append(b.traits, make())
		if list != nil {
			*list = append(*list, m)
		}
	}
	return m, !ok
}
