package world

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
)

// Kinds returns what kinds of constraints a pod has, for counting: a generator that no longer draws one of them shows.
func (w *World) Kinds(pod *corev1.Pod) []string {
	k := kinds{}
	k.nodes(pod)
	k.spread(pod)
	if a := pod.Spec.Affinity; a != nil && a.PodAffinity != nil {
		k.terms("affinity", a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution, len(a.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution), pod)
	}
	if a := pod.Spec.Affinity; a != nil && a.PodAntiAffinity != nil {
		k.terms("anti-affinity", a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution, len(a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution), pod)
	}
	k.containers(pod)
	for _, v := range pod.Spec.Volumes {
		k.add(v.Ephemeral != nil, "ephemeral volume")
		if v.PersistentVolumeClaim == nil {
			continue
		}
		claim := w.claim(pod.Namespace, v.PersistentVolumeClaim.ClaimName)
		k.add(claim == nil, "missing claim")
		k.add(claim != nil && claim.Spec.VolumeName == "", "unbound claim")
		k.add(claim != nil && claim.Spec.VolumeName != "", "bound claim")
		k.add(claim != nil && slices.Contains(claim.Spec.AccessModes, corev1.ReadWriteOncePod), "claim for one pod at a time")
		k.add(claim != nil && claim.Spec.VolumeName == "" && *claim.Spec.StorageClassName == immediateClass, "claim that should have been bound")
		k.add(strings.HasPrefix(v.PersistentVolumeClaim.ClaimName, localPrefix), "local volume")
	}
	k.add(pod.Spec.NodeName != "", "displaced")
	k.add(pod.Spec.Priority != nil, "priority")
	k.add(NeverPreempts(pod), "never preempts")
	_, planned := w.Planned[pod.UID]
	k.add(planned, "planned before")
	k.add(len(k) == 0, "nothing special")
	return k.list()
}

// Surroundings returns what kinds of things there are in the world beside the waiting pods.
func (w *World) Surroundings() []string {
	k := kinds{}
	for _, pod := range w.Aside {
		k.add(Expendable(pod), "expendable pod waits")
		k.add(len(pod.Spec.SchedulingGates) > 0, "gated pod")
		k.add(pod.Status.NominatedNodeName != "", "nominated node")
	}
	for _, p := range w.Provisioners {
		least := len(v1alpha5.MinValues(p.Spec.Requirements)) > 0
		k.add(least && !w.BestEffort, "minValues")
		k.add(least && w.BestEffort, "minValues, best effort")
		k.add(p.Spec.Limits != nil, "limits")
		k.add(len(p.Spec.Taints) > 0, "tainted provisioner")
		k.add(!requirementsOf(p).Get(teamLabel).AllowsAbsent() && !requirementsOf(p)[teamLabel].Finite(), "open label")
	}
	for _, t := range w.Types {
		k.add(slices.ContainsFunc(t.Offerings, func(o cloudprovider.Offering) bool { return !o.Available }), "sold out")
	}
	for _, n := range w.Nodes {
		k.add(n.Node == nil, "machine on its way")
		k.add(n.Node != nil && n.Machine != nil, "starting node")
		k.add(n.Node != nil && n.Machine != nil && len(n.Machine.Spec.StartupTaints) > 0, "starting node, startup taint")
		k.add(n.Leaving, "node on its way out")
		k.add(len(w.Outcomes(n)) > 1, "machine on its way, unsettled")
		k.add(n.Attachable != nil, "attach limits")
		k.add(n.Node != nil && n.Node.Spec.Unschedulable, "cordoned node")
		for _, pod := range n.Pods {
			k.add(pod.DeletionTimestamp != nil, "terminating pod")
			k.add(Expendable(pod), "expendable pod runs")
			k.add(len(pod.Status.ContainerStatuses) > 0, "resize in place")
			k.add(pod.Spec.Affinity != nil && pod.Spec.Affinity.PodAntiAffinity != nil, "running pod with anti-affinity")
		}
	}
	for _, d := range w.DaemonSets {
		k.add(true, "daemon set")
		k.add(len(d.Spec.NodeSelector) > 0, "daemon set on some nodes")
		k.add(d.Spec.Affinity != nil, "daemon set with node affinity")
	}
	return k.list()
}

// kinds is a set.
type kinds map[string]bool

func (k kinds) add(is bool, name string) {
	if is {
		k[name] = true
	}
}

func (k kinds) list() []string {
	out := make([]string, 0, len(k))
	for name := range k {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

func (k kinds) nodes(pod *corev1.Pod) {
	k.add(len(pod.Spec.NodeSelector) > 0, "node selector")
	for key := range pod.Spec.NodeSelector {
		k.add(v1alpha5.NormalizeLabel(key) != key, "beta label")
	}
	k.add(len(pod.Spec.Tolerations) > 0, "toleration")
	if pod.Spec.Affinity == nil || pod.Spec.Affinity.NodeAffinity == nil {
		return
	}
	a := pod.Spec.Affinity.NodeAffinity
	k.add(len(a.PreferredDuringSchedulingIgnoredDuringExecution) > 0, "node affinity, preferred")
	if a.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return
	}
	terms := a.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
	k.add(len(terms) > 1, "node affinity, several terms")
	for _, t := range terms {
		k.add(len(t.MatchFields) > 0, "node affinity, matchFields")
		for _, e := range t.MatchExpressions {
			k.add(true, "node affinity, "+string(e.Operator))
			k.add(v1alpha5.NormalizeLabel(e.Key) != e.Key, "beta label")
		}
	}
}

func (k kinds) spread(pod *corev1.Pod) {
	for _, c := range pod.Spec.TopologySpreadConstraints {
		k.add(c.WhenUnsatisfiable == corev1.ScheduleAnyway, "spread, preferred")
		if c.WhenUnsatisfiable == corev1.ScheduleAnyway {
			continue
		}
		k.add(true, "spread over "+short(c.TopologyKey))
		k.add(c.MinDomains != nil, "spread, minDomains")
		k.add(c.NodeAffinityPolicy != nil, "spread, nodeAffinityPolicy")
		k.add(c.NodeTaintsPolicy != nil, "spread, nodeTaintsPolicy")
		k.add(len(c.MatchLabelKeys) > 0, "spread, matchLabelKeys")
	}
}

func (k kinds) terms(name string, required []corev1.PodAffinityTerm, preferred int, pod *corev1.Pod) {
	k.add(preferred > 0, name+", preferred")
	for _, t := range required {
		k.add(true, name+" over "+short(t.TopologyKey))
		k.add(len(t.Namespaces) > 0, name+", namespaces")
		k.add(t.NamespaceSelector != nil, name+", namespaceSelector")
		selector, err := metav1.LabelSelectorAsSelector(t.LabelSelector)
		k.add(err == nil && selector.Matches(labels.Set(pod.Labels)), name+" to its own kind")
	}
}

func (k kinds) containers(pod *corev1.Pod) {
	for _, c := range pod.Spec.InitContainers {
		k.add(c.RestartPolicy == nil, "init container")
		k.add(c.RestartPolicy != nil, "sidecar")
	}
	k.add(len(pod.Spec.Overhead) > 0, "overhead")
	k.add(pod.Spec.Resources != nil, "pod-level requests")
	for _, c := range pod.Spec.Containers {
		k.add(len(c.Ports) > 0, "host port")
		_, gpu := c.Resources.Requests[gpuResource]
		k.add(gpu, "extended resource")
	}
}

// short returns a label's name without its domain.
func short(key string) string { return key[strings.LastIndex(key, "/")+1:] }
