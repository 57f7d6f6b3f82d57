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
	// hosts are who takes one of them, in every way in which machines have turned out so far, and what they were last; nil before
	// anybody was asked.
	hosts map[string]*corev1.Node
}

// host returns who takes a pod, the first by name; "" if nobody does.
func (l *leftover) host() string {
	for _, name := range slices.Sorted(maps.Keys(l.hosts)) {
		return describe(l.hosts[name])
	}
	return ""
}

func newLeftovers(plan *solver.Plan) []*leftover {
	var out []*leftover
	known := map[string]*leftover{}
	for _, u := range plan.Unplaced {
		key := signature(u.Pod)
		l, ok := known[key]
		if !ok {
			l = &leftover{reason: u.Reason}
			known[key] = l
			out = append(out, l)
		}
		l.pods = append(l.pods, u.Pod)
	}
	return out
}

// cause says in what kind of place a pod would be taken, and how its reason begins.
func (l *leftover) cause() string {
	words, host := strings.Fields(l.reason), l.host()
	return strings.TrimRight(host[:strings.IndexAny(host+"-", "- ")], " ") + ": " + strings.Join(words[:min(len(words), 3)], " ")
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

// bought is the name of nodes that could be bought.
const bought = "bought"

// offerAll asks for each leftover whether the cluster as it is now, or any node that could still be bought, takes a pod of it. It
// returns those that somebody takes.
func (j *judge) offerAll(ctx context.Context, left []*leftover) ([]*leftover, error) {
	for _, e := range j.evicted { // kerf does not know which of the expendable ones go, so it reckons with all on other nodes
		j.scheduler.Bind(e.pod, e.node)
	}
	j.evicted = nil
	var out []*leftover
	for _, l := range left {
		hosts, err := j.hosts(ctx, l.pods[0])
		if err != nil {
			return nil, err
		}
		if l.hosts != nil {
			maps.DeleteFunc(hosts, func(name string, _ *corev1.Node) bool { return l.hosts[name] == nil })
		}
		if l.hosts = hosts; len(hosts) > 0 {
			out = append(out, l)
		}
	}
	return out, nil
}

// hosts returns who takes the pod, by name: nodes that are there by now, and ones that could be bought.
func (j *judge) hosts(ctx context.Context, pod *corev1.Pod) (map[string]*corev1.Node, error) {
	out := map[string]*corev1.Node{}
	for i := range j.cluster {
		m := &j.cluster[i]
		if taken, err := j.takes(ctx, m, pod); err != nil {
			return nil, err
		} else if taken {
			out[m.node.Name] = m.node
		}
	}
	for _, p := range j.problem.Provisioners {
		if err := j.sell(ctx, p, pod, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// sell adds the nodes that the provisioner could buy for the pod. Where it wants to choose from several values, those count that
// nodes of one zone, capacity type and set of own labels have.
func (j *judge) sell(ctx context.Context, p solver.Provisioner, pod *corev1.Pod, to map[string]*corev1.Node) error {
	choice := map[string][]*cloudprovider.InstanceType{}
	for b := range j.buyable(p, pod) {
		j.scheduler.Add(b.node, j.daemons(b.node)...)
		refusal, err := j.scheduler.Ask(ctx, pod, b.node.Name)
		j.scheduler.Remove(b.node.Name)
		if err != nil {
			return err
		}
		if !refusal.None() {
			continue
		}
		choice[b.place] = append(choice[b.place], b.instanceType)
		if j.world.BestEffort || lacking(choice[b.place], p.MinValues) == "" {
			to[p.Name+" "+b.place] = b.node
		}
	}
	return nil
}

// welcome drops the nodes that could be bought for a leftover, but with which others would be refused where they are planned: those
// that are there make a domain, with the pods of DaemonSets, that was not there before.
func (j *judge) welcome(ctx context.Context, l *leftover) error {
	for name, node := range l.hosts {
		if node.Name != bought {
			continue
		}
		cluster := j.cluster
		j.cluster = append(slices.Clone(cluster), member{node: node, fresh: true, planned: l.pods[:1]})
		refused, err := j.bindAll(ctx)
		j.cluster = cluster
		if err != nil {
			return err
		}
		if len(refused) > 0 {
			delete(l.hosts, name)
		}
	}
	return nil
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
	for _, other := range append(slices.Clone(m.others), m.blends()...) {
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
				if !yield(bargain{j.newNode(bought, outcome{t, o.Zone, labels}, p), t, place}) {
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
