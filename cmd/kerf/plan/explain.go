package plan

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/pkg/manifests"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/pkg/workload"
)

// Explanation tells of pods of one workload that have met with the same.
type Explanation struct {
	Workload string   `json:"workload"`
	Pods     []string `json:"pods"`
	// Requests of one pod.
	Requests corev1.ResourceList `json:"requests"`
	// Asks is what the pod asks of a node beside room.
	Asks []string `json:"asks"`
	// Machine that the pods are planned for, Node that they are placed on, or Reason why there is neither.
	Machine *Machine `json:"machine,omitempty"`
	Node    string   `json:"node,omitempty"`
	Reason  string   `json:"reason,omitempty"`
	// Why it is that machine or that node.
	Why []string `json:"why"`
	// Misses say for each provisioner why it buys no machine for the pod.
	Misses []Miss `json:"misses"`
	// Changes that would lead to another answer.
	Changes []Change `json:"changes"`
	// untried says that no change was looked for.
	untried bool
}

// Change is what would become of the whole plan if one thing were different.
type Change struct {
	// What is different.
	If string `json:"if"`
	// Unplaced counts those of the explained pods without a place, and CostPerHour is of the whole plan.
	Unplaced    int     `json:"unplaced"`
	CostPerHour float64 `json:"costPerHour"`
	// Cheaper is what the whole plan would then save an hour, below 0 if it would cost more.
	Cheaper float64 `json:"cheaperPerHour"`
}

// inquiry is a problem that questions are asked about.
type inquiry struct {
	world   *world
	facts   problem.Facts
	problem solver.Problem
	// leftAlone maps a pod that waits, and is no part of the problem, -> why nothing is bought for it.
	leftAlone map[*corev1.Pod]string
}

// fate is what a plan does with a pod.
type fate struct {
	machine  *solver.Machine
	node     string
	unplaced *solver.Unplaced
}

// explain tells of the pods that are called so.
func (q *inquiry) explain(ctx context.Context, plan *solver.Plan, name string) ([]Explanation, error) {
	asked := q.called(name)
	if len(asked) == 0 {
		return nil, q.unknown(name)
	}
	fates := fatesOf(plan)
	groups := map[string][]*corev1.Pod{} // what is told apart -> pods
	var order []string
	for _, pod := range asked {
		key := workload.Of(pod).String() + "|" + q.fateKey(fates[pod.UID])
		if _, ok := groups[key]; !ok {
			order = append(order, key)
		}
		groups[key] = append(groups[key], pod)
	}
	var out []Explanation
	changes := map[workload.Ref][]Change{} // the same for all pods of a workload
	for _, key := range order {
		list := groups[key]
		e := q.about(list, fates[list[0].UID])
		ref := workload.Of(list[0])
		if e.untried = q.leftAlone[list[0]] != ""; e.untried {
			out = append(out, e)
			continue
		}
		if _, known := changes[ref]; !known {
			changes[ref] = q.changes(ctx, plan, slices.DeleteFunc(slices.Clone(asked), func(p *corev1.Pod) bool { return workload.Of(p) != ref }))
		}
		e.Changes = changes[ref]
		out = append(out, e)
	}
	return out, nil
}

// called returns the pods that a name means, in order.
func (q *inquiry) called(name string) []*corev1.Pod {
	var out []*corev1.Pod
	for _, pod := range slices.AppendSeq(slices.Clone(q.problem.Pods), maps.Keys(q.leftAlone)) {
		if answersTo(pod, name) {
			out = append(out, pod)
		}
	}
	slices.SortFunc(out, func(a, b *corev1.Pod) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// answersTo reports whether a name means the pod or what it belongs to.
func answersTo(pod *corev1.Pod, name string) bool {
	ref := workload.Of(pod)
	if short, rest, ok := strings.Cut(name, "/"); ok && abbreviated(short) != "" {
		name = abbreviated(short) + "/" + rest
	}
	return slices.Contains([]string{
		pod.Name, pod.Namespace + "/" + pod.Name, ref.Name, ref.Namespace + "/" + ref.Name,
		strings.ToLower(ref.Kind) + "/" + ref.Name, ref.Kind + "/" + ref.Name,
	}, name) || strings.EqualFold(name, "pod/"+pod.Name)
}

// abbreviated returns the kind that kubectl has a short name or a plural for, in small letters; "" for no such word.
func abbreviated(word string) string {
	kinds := map[string][]string{
		"pod": {"po", "pods"}, "deployment": {"deploy", "deployments"}, "replicaset": {"rs", "replicasets"}, "statefulset": {"sts", "statefulsets"},
		"job": {"jobs"}, "cronjob": {"cj", "cronjobs"}, "replicationcontroller": {"rc", "replicationcontrollers"},
	}
	for kind, words := range kinds {
		if slices.Contains(words, strings.ToLower(word)) {
			return kind
		}
	}
	return ""
}

// unknown says what else there is to ask for.
func (q *inquiry) unknown(name string) error {
	known := map[string]bool{}
	for _, pod := range q.problem.Pods {
		ref := workload.Of(pod)
		known[ref.Namespace+"/"+ref.Name] = true
	}
	if len(known) == 0 {
		return fmt.Errorf("--explain: there is no pod to place, so none called %q", name)
	}
	return fmt.Errorf("--explain: no pod that is to be placed is called %q, nor is its controller; there are %s", name, several(known))
}

func fatesOf(plan *solver.Plan) map[types.UID]fate {
	out := map[types.UID]fate{}
	for i := range plan.Machines {
		for _, pod := range plan.Machines[i].Pods {
			out[pod.UID] = fate{machine: &plan.Machines[i]}
		}
	}
	for _, placed := range plan.Placements {
		out[placed.Pod.UID] = fate{node: placed.Node}
	}
	for i := range plan.Unplaced {
		out[plan.Unplaced[i].Pod.UID] = fate{unplaced: &plan.Unplaced[i]}
	}
	return out
}

// fateKey is the same for pods that are told of together: those on machines of one kind, on one node, unplaced for one reason.
func (q *inquiry) fateKey(f fate) string {
	switch {
	case f.machine != nil:
		return fmt.Sprint("machine ", f.machine.Provisioner, f.machine.InstanceTypes, f.machine.Zone, f.machine.CapacityType)
	case f.unplaced != nil:
		return "unplaced " + f.unplaced.Reason
	default:
		return "node " + f.node
	}
}

func (q *inquiry) about(list []*corev1.Pod, f fate) Explanation {
	pod := list[0]
	out := Explanation{
		Workload: workload.Of(pod).String(), Requests: pods.Requests(pod), Asks: q.asks(pod), Why: []string{}, Misses: []Miss{}, Changes: []Change{},
	}
	for _, p := range list {
		out.Pods = append(out.Pods, manifests.Key(p))
	}
	switch {
	case f.machine != nil:
		m := newMachine(f.machine, q.world.offers, q.problem.Settings.NodeFee)
		out.Machine, out.Why = &m, q.whyMachine(f.machine)
	case f.unplaced != nil:
		out.Reason = f.unplaced.Reason
		for _, miss := range f.unplaced.Misses {
			out.Misses = append(out.Misses, Miss(miss))
		}
	case f.node != "":
		out.Node, out.Why = f.node, []string{"what is there or on its way is filled before anything is bought"}
	}
	return out
}

// mostCompared is how many other instance types an explanation names.
const mostCompared = 3

// whyMachine says what the choice of a machine comes from.
func (q *inquiry) whyMachine(m *solver.Machine) []string {
	var why []string
	if len(q.problem.Nodes) > 0 {
		why = append(why, "none of the nodes that are there or on their way can host it, or others have taken the room")
	}
	if len(q.problem.Provisioners) > 1 {
		why = append(why, fmt.Sprintf("provisioner %s is the heaviest that can host it", m.Provisioner))
	}
	why = append(why, "the machine holds "+strings.Join(written(tallies(m.Pods)), ", "))
	var others []string
	offered := q.world.offers[m.Provisioner].InstanceTypes
	for _, name := range m.InstanceTypes[1:] {
		t := typeNamed(offered, name)
		if t == nil || len(others) == mostCompared {
			break
		}
		if amount, ok := priceOf(t, m.Requirements); ok {
			others = append(others, fmt.Sprintf("%s at $%s", name, price(amount)))
		}
	}
	if len(others) == 0 {
		return append(why, fmt.Sprintf("%s at $%s is the only instance type listed for these pods", m.InstanceTypes[0], price(m.PricePerHour)))
	}
	return append(why, fmt.Sprintf("of %d instance types listed that hold these pods and the DaemonSets, %s at $%s is the cheapest; then come %s",
		len(m.InstanceTypes), m.InstanceTypes[0], price(m.PricePerHour), strings.Join(others, ", ")))
}

// asks lists what a pod asks of its node beside room.
func (q *inquiry) asks(pod *corev1.Pod) []string {
	out := []string{}
	for _, key := range slices.Sorted(maps.Keys(pod.Spec.NodeSelector)) {
		out = append(out, fmt.Sprintf("node selector %s=%s", key, pod.Spec.NodeSelector[key]))
	}
	for _, c := range constraints() {
		out = append(out, c.list(pod)...)
	}
	if demand := q.problem.Volumes[pod.UID]; demand.Trouble != "" {
		out = append(out, "volumes: "+demand.Trouble)
	} else if len(demand.Topologies) > 0 {
		for _, alternatives := range demand.Topologies {
			var parts []string
			for _, r := range alternatives {
				parts = append(parts, r.String())
			}
			out = append(out, "a volume that is reached from "+strings.Join(parts, " or "))
		}
	}
	for _, t := range pod.Spec.Tolerations {
		out = append(out, "tolerates "+toleration(t))
	}
	return out
}

func toleration(t corev1.Toleration) string {
	if t.Key == "" {
		return "every taint"
	}
	out := t.Key
	if t.Operator != corev1.TolerationOpExists && t.Value != "" {
		out += "=" + t.Value
	}
	if t.Effect != "" {
		out += ":" + string(t.Effect)
	}
	return out
}
