package solver

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"

	"github.com/kerf-autoscaler/kerf/pkg/pods"
)

// mark is the index of a trait that pods of the Problem care about: being selected by some selector, or holding some port.
type mark int

// rule bounds how many pods with a mark a node may have while a pod with the rule is there, that pod included.
type rule struct {
	mark mark
	most int
	// loose says that the rule matters only when a pod with it joins, not when others join later.
	loose bool
}

// spread is a topology spread constraint over zones.
type spread struct {
	mark                mark
	maxSkew, minDomains int
}

// trait says which pods carry a mark: those that hold the port, or else those in the namespaces that the selector selects.
type trait struct {
	port       *port
	namespaces []string // nil means all
	selector   labels.Selector
}

// port is a host port; the empty address is all addresses.
type port struct {
	protocol corev1.Protocol
	number   int32
	address  string
}

// rulebook knows all traits and which pods carry them. Host ports, anti-affinity and spread over nodes all become rules, so
// that a node is checked in one way.
type rulebook struct {
	traits []trait
	index  map[string]mark
	// marksOf maps what a pod's marks depend on -> the marks; most pods share it with many others.
	marksOf map[string][]mark
}

// newRulebook learns the traits of all pods that are given, so that marks are complete from the first pod that is asked about.
func newRulebook(lists ...[]*corev1.Pod) *rulebook {
	b := &rulebook{index: map[string]mark{}, marksOf: map[string][]mark{}}
	for _, list := range lists {
		for _, pod := range list {
			b.rules(pod)
			b.spreads(pod)
		}
	}
	return b
}

// rules returns what the pod asks of the company on its node, with at most one rule per mark.
func (b *rulebook) rules(pod *corev1.Pod) []rule {
	var out []rule
	for _, p := range hostPorts(pod) {
		out = append(out, rule{mark: b.portMark(p), most: 1})
	}
	for _, term := range antiAffinity(pod) {
		if term.TopologyKey == corev1.LabelHostname {
			m := b.termMark(pod, term)
			most := 0
			if b.traits[m].of(pod) {
				most = 1
			}
			out = append(out, rule{mark: m, most: most})
		}
	}
	for _, c := range pod.Spec.TopologySpreadConstraints {
		if c.WhenUnsatisfiable == corev1.DoNotSchedule && c.TopologyKey == corev1.LabelHostname {
			out = append(out, rule{mark: b.spreadMark(pod, c), most: int(c.MaxSkew)})
		}
	}
	slices.SortFunc(out, func(x, y rule) int {
		if x.mark != y.mark {
			return int(x.mark - y.mark)
		}
		return x.most - y.most
	})
	return slices.CompactFunc(out, func(x, y rule) bool { return x.mark == y.mark }) // the strictest comes first
}

// spreads returns the pod's binding constraints over zones.
func (b *rulebook) spreads(pod *corev1.Pod) []spread {
	var out []spread
	for _, c := range pod.Spec.TopologySpreadConstraints {
		if c.WhenUnsatisfiable == corev1.DoNotSchedule && c.TopologyKey == corev1.LabelTopologyZone {
			out = append(out, spread{b.spreadMark(pod, c), int(c.MaxSkew), int(ptr.Deref(c.MinDomains, 1))})
		}
	}
	return out
}

// marks returns the marks that the pod carries, in order.
func (b *rulebook) marks(pod *corev1.Pod) []mark {
	if len(b.traits) == 0 {
		return nil
	}
	parts := []string{pod.Namespace, labels.FormatLabels(pod.Labels)}
	for _, p := range hostPorts(pod) {
		parts = append(parts, p.String())
	}
	key := strings.Join(parts, "|")
	if out, ok := b.marksOf[key]; ok {
		return out
	}
	var out []mark
	for m, t := range b.traits {
		if t.of(pod) {
			out = append(out, mark(m))
		}
	}
	b.marksOf[key] = out
	return out
}

func (b *rulebook) portMark(p port) mark {
	return b.mark("port "+p.String(), func() trait { return trait{port: &p} })
}

func (b *rulebook) spreadMark(pod *corev1.Pod, c corev1.TopologySpreadConstraint) mark {
	return b.selectorMark([]string{pod.Namespace}, withLabelKeys(c.LabelSelector, c.MatchLabelKeys, pod.Labels))
}

func (b *rulebook) termMark(pod *corev1.Pod, term corev1.PodAffinityTerm) mark {
	return b.selectorMark(termNamespaces(pod, term), withLabelKeys(term.LabelSelector, term.MatchLabelKeys, pod.Labels))
}

func (b *rulebook) selectorMark(namespaces []string, s *metav1.LabelSelector) mark {
	key := "in " + strings.Join(namespaces, ",")
	if namespaces == nil {
		key = "everywhere"
	}
	if s != nil { // nil selects nothing, the empty selector everything
		key += " those with " + metav1.FormatLabelSelector(s)
	}
	return b.mark(key, func() trait {
		selector, err := metav1.LabelSelectorAsSelector(s)
		if err != nil {
			selector = labels.Nothing() // pods with such a selector are refused before their rules matter
		}
		return trait{namespaces: namespaces, selector: selector}
	})
}

func (b *rulebook) mark(key string, make func() trait) mark {
	m, ok := b.index[key]
	if !ok {
		m = mark(len(b.traits))
		b.index[key] = m
		b.traits = append(b.traits, make())
	}
	return m
}

// of reports whether the pod carries the trait.
func (t trait) of(pod *corev1.Pod) bool {
	if t.port != nil {
		return slices.ContainsFunc(hostPorts(pod), t.port.conflicts)
	}
	return (t.namespaces == nil || slices.Contains(t.namespaces, pod.Namespace)) && t.selector.Matches(labels.Set(pod.Labels))
}

// conflicts reports whether both cannot be held on one node.
func (p port) conflicts(o port) bool {
	return p.protocol == o.protocol && p.number == o.number && (p.address == o.address || p.address == "" || o.address == "")
}

func (p port) String() string {
	return fmt.Sprintf("%s/%s:%d", p.protocol, p.address, p.number)
}

// hostPorts returns the ports of the node that the pod takes. Init containers count only if they keep running.
func hostPorts(pod *corev1.Pod) []port {
	var out []port
	note := func(c *corev1.Container) {
		for _, p := range c.Ports {
			number := p.HostPort
			if number == 0 && pod.Spec.HostNetwork {
				number = p.ContainerPort
			}
			if number <= 0 {
				continue
			}
			q := port{protocol: p.Protocol, number: number, address: p.HostIP}
			if q.protocol == "" {
				q.protocol = corev1.ProtocolTCP
			}
			if q.address == "0.0.0.0" || q.address == "::" {
				q.address = ""
			}
			out = append(out, q)
		}
	}
	for i := range pod.Spec.Containers {
		note(&pod.Spec.Containers[i])
	}
	for i := range pod.Spec.InitContainers {
		if c := &pod.Spec.InitContainers[i]; pods.IsSidecar(c) {
			note(c)
		}
	}
	return out
}

func antiAffinity(pod *corev1.Pod) []corev1.PodAffinityTerm {
	if pod.Spec.Affinity == nil || pod.Spec.Affinity.PodAntiAffinity == nil {
		return nil
	}
	return pod.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution
}

// termNamespaces returns the namespaces that a term is about, nil for all of them. Which namespaces a selector selects is not
// part of a Problem, so one that selects counts as all: that keeps apart more than needs be, never less.
func termNamespaces(pod *corev1.Pod, term corev1.PodAffinityTerm) []string {
	if term.NamespaceSelector != nil {
		return nil
	}
	if len(term.Namespaces) == 0 {
		return []string{pod.Namespace}
	}
	return slices.Compact(slices.Sorted(slices.Values(term.Namespaces)))
}

// withLabelKeys adds to a selector that the values of some keys are the pod's own. A nil selector selects nothing and stays so.
func withLabelKeys(s *metav1.LabelSelector, keys []string, own map[string]string) *metav1.LabelSelector {
	if s == nil || len(keys) == 0 {
		return s
	}
	s = s.DeepCopy()
	for _, key := range keys {
		if value, ok := own[key]; ok {
			s.MatchExpressions = append(s.MatchExpressions, metav1.LabelSelectorRequirement{
				Key: key, Operator: metav1.LabelSelectorOpIn, Values: []string{value},
			})
		}
	}
	return s
}

// guest returns what the pod brings to its node.
func (b *rulebook) guest(pod *corev1.Pod) guest {
	g := guest{rules: b.rules(pod)}
	for _, m := range b.marks(pod) {
		g.marks = append(g.marks, carry{m, 1})
	}
	return g
}

// ruleText returns marks and rules as part of a group's identity.
func ruleText(g guest, spreads []spread) string {
	if len(g.marks) == 0 && len(g.rules) == 0 && len(spreads) == 0 {
		return ""
	}
	var s strings.Builder
	for _, m := range g.marks {
		s.WriteString(strconv.Itoa(int(m.mark)) + ",")
	}
	for _, r := range g.rules {
		s.WriteString(";" + strconv.Itoa(int(r.mark)) + "<=" + strconv.Itoa(r.most))
	}
	for _, p := range spreads {
		s.WriteString(";" + strconv.Itoa(int(p.mark)) + "~" + strconv.Itoa(p.maxSkew) + "/" + strconv.Itoa(p.minDomains))
	}
	return s.String()
}
