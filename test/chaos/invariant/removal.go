package invariant

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/chaos/history"
)

// lastMoment is what passes between the last look at the nodes and the end of an instance: two calls of EC2, each of which waits a tenth
// of a second for others to go with it. A node that joins then nobody can see.
const lastMoment = 200 * time.Millisecond

// noHealthyKill holds if kerf ends only instances whose machine is being deleted, or that have none, and none whose node is ready and
// still takes pods.
func noHealthyKill(h *history.History) []Violation {
	f := find(NoHealthyKill)
	joined := map[string]time.Time{} // name of a node -> when it was made
	h.Walk(func(v *history.View, e *history.Event) {
		if e.Write != nil && e.Write.Before == nil && e.Write.Kind == "Node" {
			joined[e.Write.After.GetName()] = e.At
		}
		if e.Call == nil || e.Call.By != history.ByKerf || e.Call.Action != "TerminateInstances" {
			return
		}
		for _, id := range e.Call.Ended {
			if why := wrongEnd(v, id, e.At.Add(-h.Terms.Lateness), joined); why != "" {
				f.add(e.At, id, "instance %s was ended while %s", id, why)
			}
		}
	}, nil)
	return f.out
}

// wrongEnd says why an instance should not have been ended; "" when it may be.
func wrongEnd(v *history.View, id string, now time.Time, joined map[string]time.Time) string {
	life, owner, node := v.Instances[id], v.OwnerOf(id), v.NodeOf(id)
	switch {
	case owner != nil && owner.DeletionTimestamp.IsZero():
		return "its machine " + owner.Name + " lives"
	case life != nil && owner == nil && v.Claimed(life) && claimedByLiving(v, life):
		return "machines of its request wait for it"
	case takesPods(node) && now.Sub(joined[node.Name]) >= lastMoment && !surplus(owner, life):
		return "its node " + node.Name + " is ready and takes pods"
	}
	return ""
}

func takesPods(node *corev1.Node) bool {
	return node != nil && history.Ready(node) && !history.Disrupted(node)
}

// surplus reports whether nobody asked for an instance, and nobody has it.
func surplus(owner *v1alpha5.Machine, life *history.Life) bool {
	return owner == nil && life != nil && life.Surplus
}

// claimedByLiving reports whether there are as many machines that wait for instances of the request as there are instances that wait.
func claimedByLiving(v *history.View, life *history.Life) bool {
	waiting, free := 0, 0
	for _, machine := range v.Machines {
		if launch := machine.Status.Launch; launch != nil && machine.Status.ProviderID == "" && !launch.Answered &&
			machine.DeletionTimestamp.IsZero() && history.RequestOf(launch) == life.Request() {
			waiting++
		}
	}
	for _, other := range v.Instances {
		if other.Live() && other.Request() == life.Request() && v.OwnerOf(other.ID) == nil {
			free++
		}
	}
	return waiting > 0 && waiting >= free
}

const (
	// vanishedFor is how long a node has to be gone until its machine is given up.
	vanishedFor = time.Minute
	// slack is what is granted for whole seconds.
	slack = 2 * time.Second
)

// lostNodes is what could be seen of nodes that are lost, by name.
type lostNodes struct {
	looks
	gone    map[string]time.Time // when it went
	marked  map[string]bool      // it was deleted
	deleted map[string]bool      // the same, by the id of its instance: its machine may not know it yet
}

func (l lostNodes) note(e *history.Event, node *corev1.Node) {
	if e.Write.After == nil {
		l.gone[node.Name] = e.At
	}
	if !node.DeletionTimestamp.IsZero() || e.Write.After == nil {
		l.marked[node.Name], l.deleted[history.InstanceID(node.Spec.ProviderID)] = true, true
	}
}

// unfounded says how a machine was given up whose instance lives; "" where somebody could have seen a reason.
func (l lostNodes) unfounded(v *history.View, machine *v1alpha5.Machine, now time.Time, terms *history.Terms) string {
	node, id := machine.Status.NodeName, history.InstanceID(machine.Status.ProviderID)
	disrupting := history.True(machine, v1alpha5.ConditionDisrupting)
	switch pod := l.workloadOn(v, node); {
	case decidedTogether(v, machine): // its pods move as well
	case disrupting && pod != "" && machine.Status.Disruption == nil:
		return fmt.Sprintf("removed as empty with pod %s on its node %s", pod, node)
	case disrupting && machine.Status.Disruption == nil, node != "" && l.marked[node], node == "" && l.deleted[id]:
	case node != "" && !l.gone[node].IsZero() && now.Sub(l.gone[node]) >= vanishedFor-slack-terms.Skew:
	case !hasJoined(v, machine) && neverJoined(machine, now, terms.Registration-terms.Skew):
	default:
		return fmt.Sprintf("given up while its instance %s lives and its node %q is there", id, node)
	}
	return ""
}

// absenceIsNoEvidence holds if kerf gives up no machine whose instance lives, but for a reason that somebody could have seen: the
// node was deleted or never came, or nothing was on it.
func absenceIsNoEvidence(h *history.History) []Violation {
	f := find(AbsenceIsNoEvidence)
	lost := lostNodes{looks: newLooks(), gone: map[string]time.Time{}, marked: map[string]bool{}, deleted: map[string]bool{}}
	h.Walk(func(v *history.View, e *history.Event) {
		lost.see(v, e)
		if e.Write == nil {
			return
		}
		if node, ok := e.Write.Object().(*corev1.Node); ok {
			lost.note(e, node)
			return
		}
		before, life := givenUp(v, e.Write)
		if before == nil || life == nil || !life.Live() {
			return
		}
		if why := lost.unfounded(v, before, e.At, &h.Terms); why != "" {
			f.add(e.At, before.Name, "machine %s was %s", before.Name, why)
		}
	}, nil)
	return f.out
}

// givenUp returns the machine that kerf deletes by a write, as it was, and its instance; nil for other writes.
func givenUp(v *history.View, w *history.Write) (*v1alpha5.Machine, *history.Life) {
	machine, ok := w.Object().(*v1alpha5.Machine)
	if !ok || w.By != history.ByKerf || w.Verb != "delete" || w.Before == nil {
		return nil, nil
	}
	before := v.Machines[machine.UID]
	if before == nil || !before.DeletionTimestamp.IsZero() {
		return nil, nil
	}
	return before, v.Instances[history.InstanceID(machine.Status.ProviderID)]
}

// neverJoined reports whether a machine has had its time to become a node, and is none.
func neverJoined(machine *v1alpha5.Machine, now time.Time, patience time.Duration) bool {
	launched := history.Condition(machine, v1alpha5.ConditionLaunched)
	return machine.Status.NodeName == "" && launched != nil && now.Sub(launched.LastTransitionTime.Time) >= patience-slack
}

// hasJoined reports whether there is a node of the machine's instance.
func hasJoined(v *history.View, machine *v1alpha5.Machine) bool {
	for _, node := range v.Nodes {
		if node.Spec.ProviderID == machine.Status.ProviderID {
			return true
		}
	}
	return false
}

// workloadOn returns a pod that runs on a node, and has not come since kerf looked; "" when there is none.
func (l looks) workloadOn(v *history.View, node string) string {
	for uid, pod := range workloadOf(v, node) {
		if pod.DeletionTimestamp.IsZero() && !l.cameSince(node, uid) {
			return pod.Name
		}
	}
	return ""
}

// finalizerOrder holds if a machine goes after its instance and its node, and nothing is left half deleted at the end.
func finalizerOrder(h *history.History) []Violation {
	f := find(FinalizerOrder)
	h.Walk(func(v *history.View, e *history.Event) {
		if e.Write == nil || e.Write.By != history.ByKerf {
			return
		}
		if node, ok := e.Write.Before.(*corev1.Node); ok && released(e.Write) {
			if life := v.Instances[history.InstanceID(node.Spec.ProviderID)]; life != nil && life.Live() && v.OwnerOf(life.ID) != nil {
				f.add(e.At, node.Name, "node %s was let go while its instance %s lives", node.Name, life.ID)
			}
		}
		if e.Write.After != nil {
			return
		}
		machine, ok := e.Write.Before.(*v1alpha5.Machine)
		if !ok {
			return
		}
		parted(f, v, e, machine)
	}, nil)
	stuck(f, h)
	return f.out
}

// parted finds what a machine that goes leaves behind.
func parted(f *finding, v *history.View, e *history.Event, machine *v1alpha5.Machine) {
	id := history.InstanceID(machine.Status.ProviderID)
	if life := v.Instances[id]; life != nil && life.Gone.IsZero() {
		f.add(e.At, machine.Name, "machine %s went while its instance %s is not terminated", machine.Name, id)
	}
	left := lives(v, func(life *history.Life) bool {
		launch := machine.Status.Launch
		return launch != nil && life.Live() && !life.Surplus && life.Request() == history.RequestOf(launch) && v.OwnerOf(life.ID) == nil && !keptFor(v, machine, life)
	})
	for _, life := range left {
		f.add(e.At, machine.Name, "machine %s went while instance %s of its request lives and is nobody's", machine.Name, life.ID)
	}
	if node := v.NodeOf(id); id != "" && node != nil && slices.Contains(node.Finalizers, v1alpha5.TerminationFinalizer) {
		f.add(e.At, machine.Name, "machine %s went before its node %s", machine.Name, node.Name)
	}
}

// stuck finds what is half deleted at the end.
func stuck(f *finding, h *history.History) {
	end := h.End()
	h.Walk(nil, func(v *history.View, e *history.Event) {
		if e.Mark == nil || e.Mark.Name != history.MarkEnd {
			return
		}
		for _, machine := range v.Machines {
			if !machine.DeletionTimestamp.IsZero() && end.Sub(machine.DeletionTimestamp.Time) > stuckFor {
				f.add(e.At, machine.Name, "machine %s has been going for %s", machine.Name, end.Sub(machine.DeletionTimestamp.Time))
			}
		}
		for _, node := range v.Nodes {
			if !node.DeletionTimestamp.IsZero() && end.Sub(node.DeletionTimestamp.Time) > stuckFor {
				f.add(e.At, node.Name, "node %s has been going for %s", node.Name, end.Sub(node.DeletionTimestamp.Time))
			}
		}
	})
}

// released reports whether a write took kerf's finalizer off an object, or the object away.
func released(w *history.Write) bool {
	return w.After == nil || slices.Contains(w.Before.GetFinalizers(), v1alpha5.TerminationFinalizer) &&
		!slices.Contains(w.After.GetFinalizers(), v1alpha5.TerminationFinalizer)
}

// stuckFor is how long something may take to go when nothing is in its way.
const stuckFor = 10 * time.Minute

// keptFor reports whether a machine other than the one that goes may still take the instance.
func keptFor(v *history.View, going *v1alpha5.Machine, life *history.Life) bool {
	for uid := range v.Asked[life.Request()] {
		if other := v.Machines[uid]; uid != going.UID && other != nil && other.Status.ProviderID == "" {
			return true
		}
	}
	return false
}

// reversible holds if a node carries kerf's taint only while its machine is to go.
func reversible(h *history.History) []Violation {
	f := find(Reversible)
	since := map[string]time.Time{} // node -> since when it has carried the taint for nothing
	h.Walk(nil, func(v *history.View, e *history.Event) {
		for name, node := range v.Nodes {
			if !history.Disrupted(node) {
				delete(since, name)
				continue
			}
			owner := v.OwnerOf(history.InstanceID(node.Spec.ProviderID))
			if owner == nil || !owner.DeletionTimestamp.IsZero() || history.True(owner, v1alpha5.ConditionDisrupting) {
				delete(since, name)
				continue
			}
			if _, known := since[name]; !known {
				since[name] = e.At
			}
			if patience := time.Minute + h.Terms.Staleness + h.Terms.Pause; e.At.Sub(since[name]) > patience && !e.At.Before(h.Calm()) {
				f.add(e.At, name, "node %s has carried the taint for %s, and its machine stays", name, e.At.Sub(since[name]))
			}
		}
	})
	return f.out
}

// exactEvictions holds if kerf takes pods only off nodes whose machine goes, and by the eviction API: exactly the pod that it saw there.
func exactEvictions(h *history.History) []Violation {
	f := find(ExactEvictions)
	h.Walk(func(v *history.View, e *history.Event) {
		if e.Write == nil || e.Write.By != history.ByKerf || e.Write.Kind != "Pod" {
			return
		}
		pod, ok := e.Write.Before.(*corev1.Pod)
		if !ok {
			return
		}
		node := v.Nodes[pod.Spec.NodeName]
		switch {
		case e.Write.Verb != "evict":
			f.add(e.At, pod.Name, "pod %s was taken away by %s, not evicted", pod.Name, e.Write.Verb)
		case node == nil:
			f.add(e.At, pod.Name, "pod %s was evicted from node %q, which is not there", pod.Name, pod.Spec.NodeName)
		default:
			owner := v.OwnerOf(history.InstanceID(node.Spec.ProviderID))
			if owner != nil && owner.DeletionTimestamp.IsZero() {
				f.add(e.At, pod.Name, "pod %s was evicted from node %s, whose machine %s stays", pod.Name, node.Name, owner.Name)
			}
		}
	}, nil)
	return f.out
}
