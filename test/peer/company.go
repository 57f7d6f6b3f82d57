package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// term is a pod affinity term of a pod, ready to be held against other pods.
type term struct {
	topologyKey string
	selector    labels.Selector
	namespaces  map[string]bool
	byLabels    labels.Selector // of namespaces, beside those that are named
}

// termOf reads a term of a pod. A selector that cannot be read matches nobody.
func termOf(pod *corev1.Pod, t corev1.PodAffinityTerm) term {
	out := term{
		topologyKey: t.TopologyKey, namespaces: map[string]bool{}, byLabels: selectorOf(t.NamespaceSelector),
		selector: narrowed(narrowed(selectorOf(t.LabelSelector), pod, selection.In, t.MatchLabelKeys), pod, selection.NotIn, t.MismatchLabelKeys),
	}
	for _, name := range t.Namespaces {
		out.namespaces[name] = true
	}
	if len(t.Namespaces) == 0 && t.NamespaceSelector == nil {
		out.namespaces[pod.Namespace] = true
	}
	return out
}

func selectorOf(s *metav1.LabelSelector) labels.Selector {
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return labels.Nothing()
	}
	return selector
}

// narrowed adds what the pod's own values of some labels are to a selector. Labels that the pod does not have are left out.
func narrowed(selector labels.Selector, pod *corev1.Pod, operator selection.Operator, keys []string) labels.Selector {
	for _, key := range keys {
		if value, ok := pod.Labels[key]; ok {
			if requirement, err := labels.NewRequirement(key, operator, []string{value}); err == nil {
				selector = selector.Add(*requirement)
			}
		}
	}
	return selector
}

// matches reports whether the term means the pod. Namespaces of workloads have no labels but their name.
func (t term) matches(pod *corev1.Pod) bool {
	return (t.namespaces[pod.Namespace] || t.byLabels.Matches(labels.Set{corev1.LabelMetadataName: pod.Namespace})) &&
		t.selector.Matches(labels.Set(pod.Labels))
}

// String is the same for terms that mean the same pods over the same domains.
func (t term) String() string {
	return fmt.Sprintf("%s|%s|%v|%s", t.topologyKey, t.selector, slices.Sorted(maps.Keys(t.namespaces)), t.byLabels)
}

// place is a pod where it is planned to be.
type place struct {
	pod  *corev1.Pod
	site *site
}

// placesOf lists the pods of all sites.
func placesOf(sites []*site) []place {
	var out []place
	for _, s := range sites {
		for _, d := range s.demands {
			out = append(out, place{d.pod, s})
		}
	}
	return out
}

func (p place) domain(topologyKey string) (string, bool) {
	value, ok := p.site.node.Labels[topologyKey]
	return value, ok
}

// group are pods with the same rule.
type group[R any] struct {
	rule    R
	members []place
}

// grouped brings places with rules of one name together, in the order in which they come.
func grouped[R any](places []place, rules func(p place) map[string]R) []*group[R] {
	var out []*group[R]
	index := map[string]*group[R]{}
	for _, p := range places {
		own := rules(p)
		for _, name := range slices.Sorted(maps.Keys(own)) {
			g, ok := index[name]
			if !ok {
				g = &group[R]{rule: own[name]}
				index[name], out = g, append(out, g)
			}
			g.members = append(g.members, p)
		}
	}
	return out
}

// companyFaults names pods that are with pods that they must not be with, or without those that they have to be with.
func companyFaults(sites []*site) []string {
	places := placesOf(sites)
	var faults []string
	for _, g := range grouped(places, apart) {
		faults = append(faults, apartFaults(g, places)...)
	}
	for _, g := range grouped(places, together) {
		faults = append(faults, togetherFaults(g, places)...)
	}
	return faults
}

// apart returns the pod's required anti-affinity, term by term.
func apart(p place) map[string]term {
	a := p.pod.Spec.Affinity
	if a == nil || a.PodAntiAffinity == nil {
		return nil
	}
	out := map[string]term{}
	for _, t := range a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
		read := termOf(p.pod, t)
		out[read.String()] = read
	}
	return out
}

// together returns the pod's required affinity, which the scheduler looks at as a whole.
func together(p place) map[string][]term {
	a := p.pod.Spec.Affinity
	if a == nil || a.PodAffinity == nil || len(a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution) == 0 {
		return nil
	}
	var terms []term
	for _, t := range a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
		terms = append(terms, termOf(p.pod, t))
	}
	return map[string][]term{fmt.Sprint(terms): terms}
}

// apartFaults finds pods of the term's kind in the domain of a pod with the term. Who came first does not matter: the scheduler holds
// the terms of those who are there against the one that comes.
func apartFaults(g *group[term], places []place) []string {
	kind := map[string][]place{} // domain -> pods that the term means
	for _, p := range places {
		if domain, ok := p.domain(g.rule.topologyKey); ok && g.rule.matches(p.pod) {
			kind[domain] = append(kind[domain], p)
		}
	}
	var faults []string
	for _, p := range g.members {
		domain, ok := p.domain(g.rule.topologyKey)
		if !ok {
			continue // nobody shares a domain that is not there
		}
		if i := slices.IndexFunc(kind[domain], func(o place) bool { return o.pod != p.pod }); i >= 0 {
			faults = append(faults, fmt.Sprintf("pod %s on %s: it must not share %s %s with pod %s",
				p.pod.Name, p.site, g.rule.topologyKey, domain, kind[domain][i].pod.Name))
		}
	}
	return faults
}

// togetherFaults finds pods that could be bound in no order. Each needs a pod in its domain that all of its terms mean; where there
// are none but pods with the same terms, one of them has to be bound while nobody that the terms mean is anywhere, which the scheduler
// lets it only if they mean itself. So that can be in one domain of each term.
func togetherFaults(g *group[[]term], places []place) []string {
	meant := func(p place) bool {
		return !slices.ContainsFunc(g.rule, func(t term) bool { return !t.matches(p.pod) })
	}
	member := map[*corev1.Pod]bool{}
	for _, p := range g.members {
		member[p.pod] = true
	}
	var faults []string
	for _, t := range g.rule {
		joined, founded := map[string]bool{}, map[string]bool{} // domains where others are, and where one of the group could be first
		for _, p := range places {
			if domain, ok := p.domain(t.topologyKey); ok && meant(p) {
				joined[domain] = joined[domain] || !member[p.pod]
				founded[domain] = true
			}
		}
		first, begun := "", false
		for _, p := range g.members {
			domain, ok := p.domain(t.topologyKey)
			switch {
			case ok && joined[domain], ok && begun && domain == first:
			case ok && founded[domain] && !begun:
				first, begun = domain, true
			default:
				faults = append(faults, fmt.Sprintf("pod %s on %s: in %s %q it is without the pods that it has to be with",
					p.pod.Name, p.site, t.topologyKey, domain))
			}
		}
	}
	return faults
}

// nameOf is the same for values that are written alike.
func nameOf(values ...any) string {
	text, err := json.Marshal(values)
	if err != nil { // the API's own types can all be written
		return fmt.Sprint(values...)
	}
	return string(text)
}
