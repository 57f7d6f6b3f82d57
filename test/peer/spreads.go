package main

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/utils/ptr"
)

// evenness is a topology spread constraint that binds, with all that decides between which nodes it counts.
type evenness struct {
	corev1.TopologySpreadConstraint

	selector  labels.Selector
	namespace string
	keys      []string // of all the pod's constraints: nodes that lack one count for none
	owner     demand
}

// even returns the pod's binding spread constraints.
func even(p place) map[string]evenness {
	var binding []corev1.TopologySpreadConstraint
	var keys []string
	for _, c := range p.pod.Spec.TopologySpreadConstraints {
		if c.WhenUnsatisfiable == corev1.DoNotSchedule {
			binding, keys = append(binding, c), append(keys, c.TopologyKey)
		}
	}
	out := map[string]evenness{}
	for _, c := range binding {
		e := evenness{
			TopologySpreadConstraint: c, namespace: p.pod.Namespace, keys: keys, owner: demandOf(p.pod),
			selector: narrowed(selectorOf(c.LabelSelector), p.pod, selection.In, c.MatchLabelKeys),
		}
		out[nameOf(c, e.selector.String(), e.namespace, keys, p.pod.Spec.NodeSelector, nodeAffinityOf(p.pod), p.pod.Spec.Tolerations)] = e
	}
	return out
}

func nodeAffinityOf(pod *corev1.Pod) *corev1.NodeSelector {
	if a := pod.Spec.Affinity; a != nil && a.NodeAffinity != nil {
		return a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	}
	return nil
}

// counts reports whether the constraint counts on a node: one with all topology keys, which the pod selects and tolerates as far as
// the policies say that this matters.
func (e evenness) counts(node *corev1.Node) bool {
	for _, key := range e.keys {
		if _, ok := node.Labels[key]; !ok {
			return false
		}
	}
	if ptr.Deref(e.NodeAffinityPolicy, corev1.NodeInclusionPolicyHonor) == corev1.NodeInclusionPolicyHonor && !e.owner.selects(node) {
		return false
	}
	if ptr.Deref(e.NodeTaintsPolicy, corev1.NodeInclusionPolicyIgnore) == corev1.NodeInclusionPolicyHonor {
		if _, kept := e.owner.untolerated(node); kept {
			return false
		}
	}
	return true
}

func (e evenness) matches(pod *corev1.Pod) bool {
	return pod.Namespace == e.namespace && e.selector.Matches(labels.Set(pod.Labels))
}

// spreadFaults names pods that are spread more unevenly than their constraints let them be.
func spreadFaults(sites []*site) []string {
	places := placesOf(sites)
	var faults []string
	for _, g := range grouped(places, even) {
		faults = append(faults, unevenFaults(g, places, sites)...)
	}
	return faults
}

// unevenFaults compares the domains when all pods are bound.
//
// Pods that a constraint means but that do not have it may be bound wherever they like and at any time, so they are no fault of the
// pods that have it: those could be bound, in some order, if in no domain there are more of them than maxSkew above the fewest pods
// of their kind in any domain. If all pods of the kind have the constraint, as those of a Deployment do, that is the skew itself.
func unevenFaults(g *group[evenness], places []place, sites []*site) []string {
	rule, all := g.rule, map[string]int{} // domain -> pods of the kind
	counted := map[*site]bool{}
	for _, s := range sites {
		if counted[s] = rule.counts(s.node); counted[s] {
			all[s.node.Labels[rule.TopologyKey]] += 0
		}
	}
	for _, p := range places {
		if counted[p.site] && rule.matches(p.pod) {
			all[p.site.node.Labels[rule.TopologyKey]]++
		}
	}
	fewest := 0
	if len(all) > 0 && len(all) >= int(ptr.Deref(rule.MinDomains, 1)) {
		fewest = slices.Min(slices.Collect(maps.Values(all)))
	}
	var faults []string
	bound := map[string]int{} // domain -> pods with the constraint that are of the kind themselves
	for _, p := range g.members {
		domain, ok := p.domain(rule.TopologyKey)
		switch {
		case !ok:
			faults = append(faults, fmt.Sprintf("pod %s on %s: it is spread over %s, which the node does not have", p.pod.Name, p.site, rule.TopologyKey))
		case !rule.matches(p.pod) || !counted[p.site]:
		default:
			if bound[domain]++; bound[domain] == fewest+int(rule.MaxSkew)+1 { // once for each domain
				faults = append(faults, fmt.Sprintf("pod %s on %s: more of its kind are in %s %s than %d and the %d of another domain",
					p.pod.Name, p.site, rule.TopologyKey, domain, rule.MaxSkew, fewest))
			}
		}
	}
	return faults
}
