package judge

import (
	"context"
	"encoding/json"
	"iter"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
)

// leftover is what the plan leaves: pods that are the same but for their names.
type leftover struct {
	pods   []*corev1.Pod
	reason string
	// host takes one of them in the cluster as it was looked at last; "" once there was none.
	host string
}

func newLeftovers(plan *solver.Plan) []*leftover {
	var out []*leftover
	known := map[string]*leftover{}
	for _, u := range plan.Unplaced {
		key := signature(u.Pod)
		l, ok := known[key]
		if !ok {
			l = &leftover{reason: u.Reason, host: "unknown"}
			known[key] = l
			out = append(out, l)
		}
		l.pods = append(l.pods, u.Pod)
	}
	return out
}

// cause says in what kind of place a pod would be taken, and how its reason begins.
func (l *leftover) cause() string {
	words := strings.Fields(l.reason)
	return strings.TrimRight(l.host[:strings.IndexAny(l.host+"-", "- ")], " ") + ": " + strings.Join(words[:min(len(words), 3)], " ")
}

// signature is the same for pods that no filter tells apart.
func signature(pod *corev1.Pod) string {
	text, _ := json.Marshal(struct { // plain data can always be encoded
		Namespace string
		Labels    map[string]string
		Spec      corev1.PodSpec
	}{pod.Namespace, pod.Labels, pod.Spec})
	return string(text)
}

// offerAll asks for each leftover whether the cluster as it is now, or any node that could still be bought, takes a pod of it.
func (j *judge) offerAll(ctx context.Context, left []*leftover) error {
	for _, l := range left {
		if l.host == "" {
			continue
		}
		host, err := j.host(ctx, l.pods[0])
		if err != nil {
			return err
		}
		l.host = host
	}
	return nil
}

// host returns who takes the pod: a node that is there by now, or one that could be bought; "" if none does.
func (j *judge) host(ctx context.Context, pod *corev1.Pod) (string, error) {
	for i := range j.cluster {
		if taken, err := j.takes(ctx, &j.cluster[i], pod); err != nil || taken {
			return describe(j.cluster[i].node), err
		}
	}
	for node := range j.buyable(pod) {
		j.scheduler.Add(node, j.daemons(node)...)
		refusal, err := j.scheduler.Ask(ctx, pod, node.Name)
		j.scheduler.Remove(node.Name)
		if err != nil {
			return "", err
		}
		if refusal.None() {
			return describe(node), nil
		}
	}
	return "", nil
}

// takes reports whether a node takes the pod, whatever it turns out to be.
func (j *judge) takes(ctx context.Context, m *member, pod *corev1.Pod) (bool, error) {
	refusal, err := j.scheduler.Ask(ctx, pod, m.node.Name)
	if err != nil || !refusal.None() {
		return false, err
	}
	become := func(node *corev1.Node) {
		j.scheduler.Remove(node.Name)
		j.scheduler.Add(node, slices.Concat(m.planned, j.before(m, node))...)
	}
	defer become(m.node)
	for _, other := range m.others {
		become(other)
		if refusal, err := j.scheduler.Ask(ctx, pod, other.Name); err != nil || !refusal.None() {
			return false, err
		}
	}
	return true, nil
}

// buyable yields every node that could be bought for the pod within what the plan leaves of the limits.
func (j *judge) buyable(pod *corev1.Pod) iter.Seq[*corev1.Node] {
	return func(yield func(*corev1.Node) bool) {
		for _, p := range j.problem.Provisioners {
			left := j.remaining(p)
			for _, t := range p.InstanceTypes {
				after := left.DeepCopy()
				if charge(after, t.Capacity); overdrawn(after) {
					continue
				}
				for node := range j.nodes(p, t, pod) {
					if !yield(node) {
						return
					}
				}
			}
		}
	}
}

func overdrawn(left corev1.ResourceList) bool {
	for _, quantity := range left {
		if quantity.Sign() < 0 {
			return true
		}
	}
	return false
}

// nodes yields every node that a provisioner can make of an instance type for the pod.
func (j *judge) nodes(p solver.Provisioner, t *cloudprovider.InstanceType, pod *corev1.Pod) iter.Seq[*corev1.Node] {
	return func(yield func(*corev1.Node) bool) {
		for _, own := range settlings(p.Requirements, t, pod) {
			for _, o := range t.Offerings {
				labels := offered(maps.Clone(own), t, o)
				if !o.Available || outside(p.Requirements, labels) != "" {
					continue
				}
				if !yield(j.newNode("bought", outcome{t, o.Zone, labels}, p)) {
					return
				}
			}
		}
	}
}

// settlings returns the labels that a provisioner's own keys may be given: one of several values that it lists, or, where it
// leaves them open, none or one that the pod names.
func settlings(r scheduling.Requirements, t *cloudprovider.InstanceType, pod *corev1.Pod) []map[string]string {
	out := []map[string]string{{}}
	for _, key := range r.Keys() {
		if t.Requirements.Has(key) || key == corev1.LabelTopologyZone || key == v1alpha5.CapacityTypeLabel {
			continue
		}
		values := named(pod, key)
		if r[key].Finite() {
			values = r[key].Values()
		}
		var next []map[string]string
		if !r[key].Finite() {
			next = slices.Clone(out)
		}
		for _, value := range values {
			if r[key].Has(value) {
				for _, labels := range out {
					labels = maps.Clone(labels)
					labels[key] = value
					next = append(next, labels)
				}
			}
		}
		out = next
	}
	return out
}

// named returns the values of a label that the pod's node selector and required affinity speak of.
func named(pod *corev1.Pod, key string) []string {
	var out []string
	for k, value := range pod.Spec.NodeSelector {
		if v1alpha5.NormalizeLabel(k) == key {
			out = append(out, value)
		}
	}
	if a := pod.Spec.Affinity; a != nil && a.NodeAffinity != nil && a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution != nil {
		for _, term := range a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
			for _, e := range term.MatchExpressions {
				if v1alpha5.NormalizeLabel(e.Key) == key && e.Operator == corev1.NodeSelectorOpIn {
					out = append(out, e.Values...)
				}
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
