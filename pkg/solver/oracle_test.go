package solver_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/resources"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
)

// The oracle says, in the API's own words and without the solver's algebra, whether the scheduler lets a pod onto a node.

// matches evaluates one expression on labels as Kubernetes defines it.
func matches(e corev1.NodeSelectorRequirement, on map[string]string) bool {
	value, there := on[v1alpha5.NormalizeLabel(e.Key)]
	switch e.Operator {
	case corev1.NodeSelectorOpIn:
		return there && slices.Contains(e.Values, value)
	case corev1.NodeSelectorOpNotIn:
		return !there || !slices.Contains(e.Values, value)
	case corev1.NodeSelectorOpExists:
		return there
	case corev1.NodeSelectorOpDoesNotExist:
		return !there
	case corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt:
		have, errHave := strconv.ParseInt(value, 10, 64)
		bound, errBound := strconv.ParseInt(e.Values[0], 10, 64)
		if !there || errHave != nil || errBound != nil {
			return false
		}
		return e.Operator == corev1.NodeSelectorOpGt && have > bound || e.Operator == corev1.NodeSelectorOpLt && have < bound
	}
	return false
}

// selects reports whether the pod's node selector and required affinity let it onto a node with the labels.
func selects(pod *corev1.Pod, on map[string]string) bool {
	for key, value := range pod.Spec.NodeSelector {
		if on[v1alpha5.NormalizeLabel(key)] != value {
			return false
		}
	}
	if pod.Spec.Affinity == nil || pod.Spec.Affinity.NodeAffinity == nil ||
		pod.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return true
	}
	return slices.ContainsFunc(pod.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms,
		func(t corev1.NodeSelectorTerm) bool {
			return !slices.ContainsFunc(t.MatchExpressions, func(e corev1.NodeSelectorRequirement) bool { return !matches(e, on) })
		})
}

// tolerates reports whether all taints that keep pods off are tolerated.
func tolerates(pod *corev1.Pod, taints []corev1.Taint) bool {
	return !slices.ContainsFunc(taints, func(t corev1.Taint) bool {
		return !slices.ContainsFunc(pod.Spec.Tolerations, func(o corev1.Toleration) bool {
			return o.Operator == corev1.TolerationOpExists || o.Key == t.Key && o.Value == t.Value
		})
	})
}

// quarrel returns what keeps the pods from sharing a node, or "": host ports, anti-affinity, spread over hostnames.
func quarrel(together []*corev1.Pod) string {
	for i, a := range together {
		for j, b := range together {
			if i == j {
				continue
			}
			if p := hostPort(a); p != 0 && p == hostPort(b) {
				return fmt.Sprintf("%s and %s share host port %d", a.Name, b.Name, p)
			}
			if a.Spec.Affinity != nil && a.Spec.Affinity.PodAntiAffinity != nil {
				for _, t := range a.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
					if labels.SelectorFromSet(t.LabelSelector.MatchLabels).Matches(labels.Set(b.Labels)) {
						return fmt.Sprintf("%s repels %s", a.Name, b.Name)
					}
				}
			}
		}
	}
	return crowded(together)
}

// crowded returns which pods cannot come to the node in any order in which those with a spread over hostnames come first, or "".
func crowded(together []*corev1.Pod) string {
	var there, waiting []*corev1.Pod
	for _, pod := range together {
		if pod.Spec.NodeName != "" {
			there = append(there, pod)
		} else if slices.ContainsFunc(pod.Spec.TopologySpreadConstraints, overNodes) {
			waiting = append(waiting, pod)
		}
	}
	for {
		i := slices.IndexFunc(waiting, func(pod *corev1.Pod) bool { return !skews(pod, there) })
		if i < 0 {
			break
		}
		there, waiting = append(there, waiting[i]), slices.Delete(waiting, i, i+1)
	}
	if len(waiting) > 0 {
		return fmt.Sprintf("one more pod exceeds the skew of %s", waiting[0].Name)
	}
	return ""
}

func overNodes(c corev1.TopologySpreadConstraint) bool { return c.TopologyKey == corev1.LabelHostname }

// skews reports whether the pod would be one too many among those that are there, if other nodes had none.
func skews(pod *corev1.Pod, there []*corev1.Pod) bool {
	return slices.ContainsFunc(pod.Spec.TopologySpreadConstraints, func(c corev1.TopologySpreadConstraint) bool {
		n := 0
		for _, other := range append([]*corev1.Pod{pod}, there...) {
			if labels.SelectorFromSet(c.LabelSelector.MatchLabels).Matches(labels.Set(other.Labels)) {
				n++
			}
		}
		return overNodes(c) && n > int(c.MaxSkew)
	})
}

func hostPort(pod *corev1.Pod) int32 {
	for _, p := range pod.Spec.Containers[0].Ports {
		return p.HostPort
	}
	return 0
}

// outcomes returns the labels of every node that a machine of the requirements can become as an instance type: one for each
// zone in which the type is on offer.
func outcomes(r scheduling.Requirements, t *cloudprovider.InstanceType) []map[string]string {
	var out []map[string]string
	for _, o := range t.Offerings {
		if !o.Available || !r.Get(corev1.LabelTopologyZone).Has(o.Zone) || !r.Get(v1alpha5.CapacityTypeLabel).Has(o.CapacityType) {
			continue
		}
		on := r.Labels()
		maps.Copy(on, t.Requirements.Labels())
		on[corev1.LabelTopologyZone], on[v1alpha5.CapacityTypeLabel], on[corev1.LabelHostname] = o.Zone, o.CapacityType, "some-new-node"
		out = append(out, on)
	}
	return out
}

// broken returns what is wrong with a node of these labels, taints and allocatable that hosts pods and the DaemonSets that come
// along, or "".
func broken(on map[string]string, taints []corev1.Taint, allocatable corev1.ResourceList, hosted, daemons []*corev1.Pod) string {
	var problems []string
	all := slices.Clone(hosted)
	for _, d := range daemons {
		if tolerates(d, taints) && selects(d, on) {
			all = append(all, d)
		}
	}
	total := corev1.ResourceList{}
	for _, pod := range all {
		total = resources.Sum(total, pods.Requests(pod))
	}
	if names := resources.Exceeding(total, allocatable); len(names) > 0 {
		problems = append(problems, fmt.Sprintf("too little %v", names))
	}
	for _, pod := range hosted {
		if !tolerates(pod, taints) {
			problems = append(problems, pod.Name+" does not tolerate the taints")
		}
		if !selects(pod, on) {
			problems = append(problems, fmt.Sprintf("%s does not select %v", pod.Name, on))
		}
	}
	return strings.Join(append(problems, quarrel(all)), "")
}

// buyable returns a machine that could host the pod alone if there were no limits, or "". It follows two rules that Solve
// states: a label that the provisioner leaves open gets a value only if somebody names one, and a DaemonSet that runs in some
// zones, or for some values of such a label, counts in all.
func buyable(p solver.Problem, pod *corev1.Pod) string {
	var daemons []*corev1.Pod
	for _, d := range p.DaemonSets {
		d = d.DeepCopy()
		delete(d.Spec.NodeSelector, corev1.LabelTopologyZone)
		delete(d.Spec.NodeSelector, teamLabel)
		daemons = append(daemons, d)
	}
	for _, provisioner := range p.Provisioners {
		own := provisioner.Requirements.Union(scheduling.FromLabels(map[string]string{v1alpha5.ProvisionerNameLabel: provisioner.Name}))
		for _, t := range provisioner.InstanceTypes {
			if own.Conflict(t.Requirements) != "" {
				continue
			}
			for _, r := range settlings(own, pod) {
				for _, on := range outcomes(r, t) {
					if broken(on, provisioner.Taints, t.Allocatable(), []*corev1.Pod{pod}, daemons) == "" {
						return fmt.Sprintf("%s as %s", provisioner.Name, t.Name)
					}
				}
			}
		}
	}
	return ""
}

// settlings returns the requirements with each value that the team label can settle on.
func settlings(own scheduling.Requirements, pod *corev1.Pod) []scheduling.Requirements {
	if !own.Has(teamLabel) {
		return []scheduling.Requirements{own}
	}
	named := own.Get(teamLabel).Values()
	if !own.Get(teamLabel).Finite() {
		named = named[:0]
		for _, alternative := range scheduling.PodRequirements(pod) {
			if q := alternative.Get(teamLabel); q.Finite() {
				named = append(named, q.Values()...)
			}
		}
	}
	var out []scheduling.Requirements
	for _, team := range named {
		out = append(out, own.Union(scheduling.FromLabels(map[string]string{teamLabel: team})))
	}
	return out
}
