package judge

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/conformance/world"
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
	for _, p := range j.problem.Provisioners {
		if host, err := j.seller(ctx, p, pod); err != nil || host != "" {
			return host, err
		}
	}
	return "", nil
}

// seller returns a node that the provisioner could buy for the pod, "" if there is none. Where it wants to choose from several
// values, those count that nodes of one zone, capacity type and set of own labels have.
func (j *judge) seller(ctx context.Context, p solver.Provisioner, pod *corev1.Pod) (string, error) {
	choice := map[string][]*cloudprovider.InstanceType{}
	for b := range j.buyable(p, pod) {
		j.scheduler.Add(b.node, j.daemons(b.node)...)
		refusal, err := j.scheduler.Ask(ctx, pod, b.node.Name)
		j.scheduler.Remove(b.node.Name)
		if err != nil {
			return "", err
		}
		if !refusal.None() {
			continue
		}
		choice[b.place] = append(choice[b.place], b.instanceType)
		if j.world.BestEffort || lacking(choice[b.place], p.MinValues) == "" {
			return describe(b.node), nil
		}
	}
	return "", nil
}

// takes reports whether a node takes the pod, whatever it turns out to be.
func (j *judge) takes(ctx context.Context, m *member, pod *corev1.Pod) (bool, error) {
	if j.yield() {
		defer func(evicted []*corev1.Pod) {
			for _, e := range evicted {
				j.scheduler.Bind(e, m.node.Name)
			}
		}(j.scheduler.Evict(m.node.Name, world.Expendable))
	}
	refusal, err := j.scheduler.Ask(ctx, pod, m.node.Name)
	if err != nil || !refusal.None() || len(m.others) == 0 {
		return err == nil && refusal.None(), err
	}
	defer j.become(m, m.node)
	for _, other := range m.others {
		j.become(m, other)
		if refusal, err := j.scheduler.Ask(ctx, pod, other.Name); err != nil || !refusal.None() {
			return false, err
		}
	}
	return true, nil
}

// yield reports whether expendable pods give way to all that wait. If one would not have them gone, kerf leaves it to the
// scheduler which of them go, and for whom.
func (j *judge) yield() bool { return !slices.ContainsFunc(j.world.Waiting(), world.NeverPreempts) }

// bargain is a node that could be bought.
type bargain struct {
	node         *corev1.Node
	instanceType *cloudprovider.InstanceType
	// place is the same for nodes that differ in their instance type only.
	place string
}

// buyable yields every node that a provisioner could buy for the pod within what the plan leaves of its limits.
func (j *judge) buyable(p solver.Provisioner, pod *corev1.Pod) iter.Seq[bargain] {
	return func(yield func(bargain) bool) {
		left := j.remaining(p)
		for _, t := range p.InstanceTypes {
			after := left.DeepCopy()
			if charge(after, t.Capacity); overdrawn(after) {
				continue
			}
			for b := range j.bargains(p, t, pod) {
				if !yield(b) {
					return
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

// bargains yields every node that a provisioner can make of an instance type for the pod.
func (j *judge) bargains(p solver.Provisioner, t *cloudprovider.InstanceType, pod *corev1.Pod) iter.Seq[bargain] {
	return func(yield func(bargain) bool) {
		for _, own := range settlings(p.Requirements, t, pod) {
			for _, o := range t.Offerings {
				place := fmt.Sprint(own, o.Zone, o.CapacityType)
				labels := offered(maps.Clone(own), t, o)
				if !o.Available || outside(p.Requirements, labels) != "" {
					continue
				}
				if !yield(bargain{j.newNode("bought", outcome{t, o.Zone, labels}, p), t, place}) {
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
