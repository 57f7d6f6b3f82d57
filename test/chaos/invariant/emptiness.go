package invariant

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/test/chaos/history"
)

// What kerf can promise about pods that come to a node that it gives back is bounded by two moments. The API server accepts a pod for any
// node, tainted or not, whose machine is being deleted or not, and nothing that kerf writes can make it refuse one. So between its last look
// at a node and what it does after that, a pod may come:
//
//   - between the look and the deletion of the machine. That pod is workload of a node that is drained: it is evicted by the eviction API, and
//     one that must not be disrupted keeps the machine, until it has ended or its owner lets it go (or the terminationGracePeriod is over).
//   - between the last look of the drain and the call that ends the instance. That pod ends with it, before its kubelet has begun to run it:
//     the moment is shorter than a kubelet takes to make a sandbox.
//
// Whatever was there when kerf looked counts, and so does what runs.

// workload reports whether a pod would be missed if its node went.
func workload(pod *corev1.Pod) bool { return pods.IsReschedulable(pod) }

// workloadOf returns the workload of a node by UID.
func workloadOf(v *history.View, node string) map[types.UID]*corev1.Pod {
	out := map[types.UID]*corev1.Pod{}
	for uid, pod := range v.Pods {
		if node != "" && pod.Spec.NodeName == node && workload(pod) {
			out[uid] = pod
		}
	}
	return out
}

// looks are what kerf saw of nodes when it looked past its caches.
type looks struct {
	// pods maps the name of a node -> the workload that was there.
	pods map[string]map[types.UID]*corev1.Pod
	// nodes maps the name of a node -> what it was like; those that kerf has written it has seen.
	nodes map[string]*corev1.Node
}

func newLooks() looks {
	return looks{pods: map[string]map[types.UID]*corev1.Pod{}, nodes: map[string]*corev1.Node{}}
}

// see takes in an event, before which the view is the truth.
func (l looks) see(v *history.View, e *history.Event) {
	switch {
	case e.Read != nil && e.Read.Kind == "Pod":
		l.pods[e.Read.Node] = workloadOf(v, e.Read.Node)
	case e.Read != nil && e.Read.Kind == "Node":
		l.nodes[e.Read.Node] = v.Nodes[e.Read.Node]
	case e.Write != nil && e.Write.By == history.ByKerf:
		if node, ok := e.Write.After.(*corev1.Node); ok {
			if was := v.Nodes[node.Name]; was != nil && history.Disrupted(was) != history.Disrupted(node) {
				delete(l.pods, node.Name) // what was seen while the node took pods says nothing
			}
			l.nodes[node.Name] = node
		}
	}
}

// cameSince reports whether a pod has come to a node since kerf looked.
func (l looks) cameSince(node string, pod types.UID) bool {
	seen, looked := l.pods[node]
	return looked && seen[pod] == nil
}

// nothingLost holds if no instance is ended by kerf while a pod runs on it, or one that was there when kerf looked last, unless the pod was
// told to go and has had all of its time.
func nothingLost(h *history.History) []Violation {
	f := find(NothingLost)
	seen := newLooks()
	h.Walk(func(v *history.View, e *history.Event) {
		seen.see(v, e)
		if e.Call == nil || e.Call.By != history.ByKerf || e.Call.Action != "TerminateInstances" {
			return
		}
		for _, id := range e.Call.Ended {
			node := v.NodeOf(id)
			if node == nil || !history.Ready(node) { // its kubelet is not heard of: nobody can say what runs
				continue
			}
			for uid, pod := range workloadOf(v, node.Name) {
				switch {
				case pods.IsTerminating(pod) && !e.At.Before(pod.DeletionTimestamp.Add(-h.Terms.Skew)): // by a clock that is ahead
				case pod.Status.Phase == corev1.PodRunning:
					f.add(e.At, pod.Name, "pod %s ran on node %s when its instance %s was ended", pod.Name, node.Name, id)
				case !seen.cameSince(node.Name, uid):
					f.add(e.At, pod.Name, "pod %s was on node %s before kerf looked last, and its instance %s was ended", pod.Name, node.Name, id)
				}
			}
		}
	}, nil)
	return f.out
}

// protection says what keeps a pod from being evicted; "" for nothing.
func protection(pod *corev1.Pod) string {
	for key, no := range map[string]string{
		v1alpha5.DoNotDisruptAnnotation: "true", v1alpha5.DoNotEvictAnnotation: "true", pods.SafeToEvictAnnotation: "false",
	} {
		if pod.Annotations[key] == no {
			return key
		}
	}
	return ""
}

// undisturbed holds if kerf evicts no pod that must not be evicted.
func undisturbed(h *history.History) []Violation {
	f := find(Undisturbed)
	h.Walk(func(_ *history.View, e *history.Event) {
		if e.Write == nil || e.Write.By != history.ByKerf {
			return
		}
		pod, ok := e.Write.Before.(*corev1.Pod)
		if ok && protection(pod) != "" && !pods.IsTerminating(pod) && !pods.IsTerminal(pod) && (e.Write.Verb == "evict" || e.Write.Verb == "delete") {
			f.add(e.At, pod.Name, "pod %s is taken off node %s in spite of its %s", pod.Name, pod.Spec.NodeName, protection(pod))
		}
	}, nil)
	return f.out
}

// emptyWhenDeleted holds if kerf deletes a machine for being empty only after a look at the pods of its node that was taken once the node
// kept new ones away, with nothing in sight that asks it to stay.
func emptyWhenDeleted(h *history.History) []Violation {
	f := find(EmptyWhenDeleted)
	seen, looking := newLooks(), false
	h.Walk(func(v *history.View, e *history.Event) {
		looking = looking || e.Read != nil
		seen.see(v, e)
		if e.Write == nil || !looking {
			return
		}
		before, life := givenUp(v, e.Write)
		if before == nil || life == nil || !life.Live() || !forEmptiness(before) {
			return
		}
		if why := seen.overlooked(v, before); why != "" {
			f.add(e.At, before.Name, "machine %s was deleted as empty %s", before.Name, why)
		}
	}, nil)
	return f.out
}

// forEmptiness reports whether it is decided that a machine goes for being empty.
func forEmptiness(machine *v1alpha5.Machine) bool {
	decided := meta.FindStatusCondition(machine.Status.Conditions, v1alpha5.ConditionDisrupting)
	return decided != nil && decided.Status == metav1.ConditionTrue && decided.Reason == v1alpha5.ReasonEmpty && machine.Status.Disruption == nil
}

// overlooked says what should have kept a machine; "" for nothing that could have been seen.
func (l looks) overlooked(v *history.View, machine *v1alpha5.Machine) string {
	name := machine.Status.NodeName
	node := v.Nodes[name]
	if node == nil {
		return ""
	}
	was := l.nodes[name]
	switch _, looked := l.pods[name]; {
	case was == nil || !history.Disrupted(was):
		return "while its node " + name + " took pods"
	case !looked:
		return "without a look at the pods of " + name
	case machine.Annotations[v1alpha5.DoNotDisruptAnnotation] == "true":
		return "although it must not be disrupted"
	case was.Annotations[v1alpha5.DoNotDisruptAnnotation] == "true":
		return "although its node " + name + " must not be disrupted"
	}
	for uid, pod := range workloadOf(v, name) {
		if !l.cameSince(name, uid) {
			return fmt.Sprintf("with pod %s on its node %s", pod.Name, name)
		}
	}
	return ""
}

// emptyForItsTime holds if a machine that kerf deletes for being empty has been so for as long as its provisioner asks, counted from the last
// pod that came or left as far as the process can have heard of it.
func emptyForItsTime(h *history.History) []Violation {
	f := find(EmptyForItsTime)
	stirred := map[string][]time.Time{} // name of a node -> when workload came to it or left it, as far as this process can have heard
	h.Walk(func(v *history.View, e *history.Event) {
		if e.Mark != nil && e.Mark.Name == history.MarkStart {
			clear(stirred)
		}
		if e.Write == nil {
			return
		}
		if node := stirs(e.Write); node != "" {
			stirred[node] = append(stirred[node], e.At)
		}
		before, life := givenUp(v, e.Write)
		if before == nil || life == nil || !life.Live() || !forEmptiness(before) {
			return
		}
		provisioner := v.Provisioners[before.ProvisionerName()]
		if provisioner == nil {
			return
		}
		ttl, _ := provisioner.TTLAfterEmpty()
		for _, at := range stirred[before.Status.NodeName] {
			if empty := e.At.Sub(at); empty >= h.Terms.Staleness+slack && empty < ttl {
				f.add(e.At, before.Name, "machine %s was deleted %s after a pod had come or left, not %s", before.Name, empty, ttl)
			}
		}
	}, nil)
	return f.out
}

// stirs returns the node that workload comes to or leaves by a write; "" for none.
func stirs(w *history.Write) string {
	if w.Kind != "Pod" {
		return ""
	}
	was, is := placed(w.Before), placed(w.After)
	switch {
	case was == is:
		return ""
	case is != "":
		return is
	}
	return was
}

// placed returns the node that an object is workload of; "" for none.
func placed(object any) string {
	pod, ok := object.(*corev1.Pod)
	if !ok || pod == nil || !workload(pod) {
		return ""
	}
	return pod.Spec.NodeName
}
