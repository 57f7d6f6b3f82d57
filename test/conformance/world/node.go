package world

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// Outcomes returns the nodes that this one may turn out to be: itself or, for a machine on its way, one for each instance type
// and zone that it may come up as.
func (w *World) Outcomes(n Node) []*corev1.Node {
	if n.Node != nil && n.Machine != nil {
		return []*corev1.Node{n.started()}
	}
	if n.Node != nil {
		return []*corev1.Node{n.Node}
	}
	if n.Machine.Status.ProviderID != "" {
		return []*corev1.Node{w.launched(n.Machine)}
	}
	out := w.sold(n.Machine, true)
	if len(out) == 0 {
		out = w.sold(n.Machine, false)
	}
	if len(out) == 0 { // nobody offers its types any more
		out = append(out, w.launched(n.Machine))
	}
	return out
}

// sold returns what a machine may become as the instance types and in the zones that it lists, where those are on offer as its
// capacity type, sold out or not, or as any.
func (w *World) sold(m *v1alpha5.Machine, asAsked bool) []*corev1.Node {
	r := scheduling.FromNodeSelector(m.Spec.Requirements)
	var out []*corev1.Node
	for _, t := range w.Types {
		if !r.Get(corev1.LabelInstanceTypeStable).Has(t.Name) {
			continue
		}
		for _, zone := range zonesOf(t) {
			offered := !asAsked || slices.ContainsFunc(t.Offerings, func(o cloudprovider.Offering) bool {
				return o.Zone == zone && o.CapacityType == m.Labels[v1alpha5.CapacityTypeLabel]
			})
			if offered && r.Get(corev1.LabelTopologyZone).Has(zone) {
				labels := maps.Clone(m.Labels)
				labels[corev1.LabelTopologyZone] = zone
				out = append(out, Registered(m.Name, labels, m.Spec.Taints, t))
			}
		}
	}
	return out
}

// started returns what a node that is starting will be when it is ready: it lacks nothing of its machine then.
func (n Node) started() *corev1.Node {
	node := n.Node.DeepCopy()
	labels := maps.Clone(n.Machine.Labels)
	maps.Copy(labels, node.Labels)
	node.Labels = labels
	node.Labels[v1alpha5.InitializedLabel] = "true"
	node.Spec.Taints = slices.DeleteFunc(node.Spec.Taints, func(t corev1.Taint) bool { return slices.Contains(n.Passing, t) })
	for name, quantity := range n.Machine.Status.Allocatable {
		if reported := node.Status.Allocatable[name]; reported.IsZero() {
			node.Status.Allocatable[name] = quantity
		}
	}
	return withAliases(node)
}

// launched returns the node of a machine whose labels and allocatable are all known.
func (w *World) launched(m *v1alpha5.Machine) *corev1.Node {
	node := builders.Node(m.Name, builders.NodeLabels(m.Labels))
	node.Spec.Taints = m.Spec.Taints
	node.Status.Capacity, node.Status.Allocatable = m.Status.Capacity, m.Status.Allocatable
	return withAliases(node)
}

// Registered returns the Node that a machine becomes as an instance type, with the machine's own labels.
func Registered(name string, labels map[string]string, taints []corev1.Taint, t *cloudprovider.InstanceType) *corev1.Node {
	node := builders.Node(name, builders.NodeLabels(t.Requirements.Labels()), builders.NodeLabels(labels))
	node.Labels[v1alpha5.RegisteredLabel], node.Labels[v1alpha5.InitializedLabel] = "true", "true"
	node.Labels[corev1.LabelHostname] = name
	node.Spec.Taints = taints
	node.Status.Capacity, node.Status.Allocatable = t.Capacity, t.Allocatable()
	return withAliases(node)
}

// withAliases adds the beta labels that kubelets and cloud controllers still put beside the stable ones.
func withAliases(node *corev1.Node) *corev1.Node {
	for beta, stable := range map[string]string{
		corev1.LabelFailureDomainBetaZone: corev1.LabelTopologyZone, corev1.LabelFailureDomainBetaRegion: corev1.LabelTopologyRegion,
		betaArch: corev1.LabelArchStable, betaOS: corev1.LabelOSStable, corev1.LabelInstanceType: corev1.LabelInstanceTypeStable,
	} {
		if value, ok := node.Labels[stable]; ok {
			node.Labels[beta] = value
		}
	}
	return node
}

// zonesOf returns the zones in which an instance type is offered, sold out or not.
func zonesOf(t *cloudprovider.InstanceType) []string {
	var out []string
	seen := map[string]bool{}
	for _, o := range t.Offerings {
		if !seen[o.Zone] {
			seen[o.Zone] = true
			out = append(out, o.Zone)
		}
	}
	return out
}

// Forget takes an instance type from the catalogue and from what machines on their way may become.
func (w *World) Forget(name string) {
	w.Types = slices.DeleteFunc(w.Types, func(t *cloudprovider.InstanceType) bool { return t.Name == name })
	for i, n := range w.Nodes {
		if n.Machine == nil {
			continue
		}
		w.Nodes[i].Machine = n.Machine.DeepCopy()
		for k := range w.Nodes[i].Machine.Spec.Requirements {
			r := &w.Nodes[i].Machine.Spec.Requirements[k]
			if r.Key == corev1.LabelInstanceTypeStable && len(r.Values) > 1 {
				r.Values = slices.DeleteFunc(r.Values, func(v string) bool { return v == name })
			}
		}
	}
}
