package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/conformance/world"
)

// scenario writes a problem in the form of the files in pkg/solver/testdata, and gathers what that form has no words for.
type scenario struct {
	text    strings.Builder
	missing map[string]bool
}

// scenarioOf returns the commands that make up the problem of a world, and what they leave out.
func scenarioOf(w *world.World) (commands string, missing []string) {
	s := scenario{missing: map[string]bool{}}
	p := w.Problem()
	for _, t := range w.Types {
		s.instanceType(t)
	}
	for _, q := range p.Provisioners {
		s.provisioner(q)
	}
	for _, daemon := range p.DaemonSets {
		s.line("add-daemon", daemon.Name, s.pod(daemon))
	}
	for _, n := range p.Nodes {
		s.node(n)
	}
	s.workloads(p.Pods)
	s.lack(len(p.Volumes) > 0, "volumes")
	s.lack(len(p.Planned) > 0, "what was planned before")
	s.lack(p.Settings.MinValuesBestEffort, "minValues")
	s.text.WriteString("solve\n")
	return s.text.String(), slices.Sorted(maps.Keys(s.missing))
}

func (s *scenario) lack(is bool, what string) {
	if is {
		s.missing[what] = true
	}
}

func (s *scenario) line(verb, name string, arguments []string) {
	fmt.Fprintln(&s.text, strings.Join(append([]string{verb, name}, arguments...), " "))
}

func (s *scenario) instanceType(t *cloudprovider.InstanceType) {
	arguments := quantities(t.Allocatable(), "")
	for _, key := range t.Requirements.Keys() {
		switch q := t.Requirements[key]; {
		case key == corev1.LabelInstanceTypeStable || key == corev1.LabelOSStable:
		case len(q.Values()) == 0:
			arguments = append(arguments, "label="+key)
		default:
			arguments = append(arguments, "label="+key+":"+q.Values()[0])
		}
	}
	soldOut := map[string]bool{}
	for _, o := range t.Offerings {
		arguments = append(arguments, "zones="+o.Zone, fmt.Sprintf("%s=%g", o.CapacityType, o.Price))
		soldOut[o.Zone] = soldOut[o.Zone] || !o.Available
	}
	for _, o := range t.Offerings {
		s.lack(o.Available && soldOut[o.Zone], "zones with one capacity type sold out")
	}
	for zone, is := range soldOut {
		if is {
			arguments = append(arguments, "sold-out="+zone)
		}
	}
	if t.Special {
		arguments = append(arguments, "special=true")
	}
	s.line("add-type", t.Name, arguments)
}

func (s *scenario) provisioner(p solver.Provisioner) {
	var arguments []string
	s.lack(len(p.MinValues) > 0, "minValues")
	if p.Weight != 0 {
		arguments = append(arguments, fmt.Sprintf("weight=%d", p.Weight))
	}
	arguments = append(arguments, quantities(p.Remaining, "limit=")...)
	arguments = append(append(arguments, requirements(p.Requirements, "require=")...), taints(p.Taints)...)
	s.line("add-provisioner", p.Name, arguments)
}

func (s *scenario) node(n solver.Node) {
	arguments := append(quantities(n.Available, ""), requirements(n.Possible, "possible=")...)
	if !n.Initialized {
		arguments = append(arguments, "in-flight=true")
	}
	for _, key := range slices.Sorted(maps.Keys(n.Labels)) {
		if key != corev1.LabelHostname && !strings.Contains(key, "beta.kubernetes.io") {
			arguments = append(arguments, "label="+key+":"+n.Labels[key])
		}
	}
	s.line("add-node", n.Name, append(arguments, taints(n.Taints)...))
	for _, pod := range n.Pods {
		s.line("add-pod", pod.Labels["app"], append([]string{"node=" + n.Name}, s.pod(pod)...))
	}
	s.lack(n.Attachable != nil, "attach limits")
}

// workloads writes pods that are the same but for their names as one command.
func (s *scenario) workloads(list []*corev1.Pod) {
	var names []string
	replicas := map[string]int{}
	arguments := map[string][]string{}
	for _, pod := range list {
		app := pod.Labels["app"]
		if replicas[app]++; replicas[app] == 1 {
			names, arguments[app] = append(names, app), s.pod(pod)
		}
	}
	for _, app := range names {
		s.line("add-pod", app, append([]string{fmt.Sprintf("replicas=%d", replicas[app])}, arguments[app]...))
	}
}

func (s *scenario) pod(pod *corev1.Pod) []string {
	requests := pods.Requests(pod)
	delete(requests, corev1.ResourcePods)
	out := quantities(requests, "")
	for _, key := range slices.Sorted(maps.Keys(pod.Spec.NodeSelector)) {
		out = append(out, "select="+key+":"+pod.Spec.NodeSelector[key])
	}
	for _, t := range pod.Spec.Tolerations {
		s.lack(t.Operator == corev1.TolerationOpExists, "tolerations by Exists")
		out = append(out, fmt.Sprintf("tolerate=%s:%s:%s", t.Key, t.Value, t.Effect))
	}
	for _, c := range pod.Spec.Containers {
		for _, p := range c.Ports {
			s.lack(p.HostIP != "" || p.Protocol != corev1.ProtocolTCP, "addresses and protocols of host ports")
			out = append(out, fmt.Sprintf("port=%d", p.HostPort))
		}
	}
	s.lack(pod.Namespace != metav1.NamespaceDefault, "namespaces")
	s.lack(len(pod.Spec.Volumes) > 0, "volumes")
	s.lack(pod.DeletionTimestamp != nil, "terminating pods")
	return append(append(out, s.spread(pod)...), s.affinity(pod)...)
}

func (s *scenario) spread(pod *corev1.Pod) []string {
	var out []string
	for _, c := range pod.Spec.TopologySpreadConstraints {
		s.lack(c.WhenUnsatisfiable != corev1.DoNotSchedule || c.MinDomains != nil || c.NodeAffinityPolicy != nil || c.NodeTaintsPolicy != nil ||
			c.MatchLabelKeys != nil, "the finer points of topology spread")
		s.selector(pod, c.LabelSelector)
		out = append(out, fmt.Sprintf("spread=%s:%d", c.TopologyKey, c.MaxSkew))
	}
	return out
}

func (s *scenario) affinity(pod *corev1.Pod) []string {
	a := pod.Spec.Affinity
	if a == nil {
		return nil
	}
	var out []string
	if n := a.NodeAffinity; n != nil {
		s.lack(len(n.PreferredDuringSchedulingIgnoredDuringExecution) > 0, "preferences")
		for _, alternative := range required(n) {
			s.lack(len(alternative.MatchFields) > 0, "fields of nodes")
			out = append(out, "affinity="+strings.Join(requirements(scheduling.FromNodeSelector(alternative.MatchExpressions), ""), "+"))
		}
	}
	if p := a.PodAffinity; p != nil {
		s.lack(len(p.PreferredDuringSchedulingIgnoredDuringExecution) > 0, "preferences")
		out = append(out, s.terms(pod, "with=", p.RequiredDuringSchedulingIgnoredDuringExecution)...)
	}
	if p := a.PodAntiAffinity; p != nil {
		s.lack(len(p.PreferredDuringSchedulingIgnoredDuringExecution) > 0, "preferences")
		out = append(out, s.terms(pod, "apart=", p.RequiredDuringSchedulingIgnoredDuringExecution)...)
	}
	return out
}

func required(a *corev1.NodeAffinity) []corev1.NodeSelectorTerm {
	if a.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return nil
	}
	return a.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
}

func (s *scenario) terms(pod *corev1.Pod, verb string, terms []corev1.PodAffinityTerm) []string {
	var out []string
	for _, t := range terms {
		s.selector(pod, t.LabelSelector)
		s.lack(len(t.Namespaces) > 0 || t.NamespaceSelector != nil, "namespaces")
		out = append(out, verb+t.TopologyKey)
	}
	return out
}

// selector notes where a selector is not the one that scenarios know: the label app of the pod itself.
func (s *scenario) selector(pod *corev1.Pod, selector *metav1.LabelSelector) {
	own, _ := json.Marshal(metav1.LabelSelector{MatchLabels: map[string]string{"app": pod.Labels["app"]}}) // plain data
	given, _ := json.Marshal(selector)
	s.lack(string(own) != string(given), "selectors of other pods")
}

func quantities(list corev1.ResourceList, prefix string) []string {
	separator := "="
	if prefix != "" {
		separator = ":"
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(list)) {
		quantity := list[name]
		out = append(out, prefix+string(name)+separator+quantity.String())
	}
	return out
}

func requirements(r scheduling.Requirements, prefix string) []string {
	var out []string
	for _, e := range r.NodeSelectorRequirements() {
		text := prefix + e.Key + ":" + string(e.Operator)
		if len(e.Values) > 0 {
			text += ":" + strings.Join(e.Values, ",")
		}
		out = append(out, text)
	}
	return out
}

func taints(list []corev1.Taint) []string {
	var out []string
	for _, t := range list {
		out = append(out, fmt.Sprintf("taint=%s:%s:%s", t.Key, t.Value, t.Effect))
	}
	return out
}
