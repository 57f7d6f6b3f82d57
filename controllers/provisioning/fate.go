package provisioning

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/state"
)

const (
	// settling is how long the scheduler may take to see that a node is ready and to bind the pods that wait for it.
	settling = 15 * time.Second
	// shortLife is how long a node has to last before its deletion by others says nothing about the next one.
	shortLife = 10 * time.Minute
	// onItsWayFor is how long a machine that is not ready keeps others from being tried.
	onItsWayFor = 30 * time.Minute
)

// fate is what came of a machine.
type fate struct {
	machine *v1alpha5.Machine
	// basis is what it was made from, workloads are those that it was made for.
	basis     string
	workloads []string
	// reason is why it came to nothing for the workloads in failed; "" where there are none.
	reason string
	failed []string
	// served are the workloads of which pods run there.
	served []string
	// joined says that its Node is there, and used that pods run on it.
	joined, used bool
	// open says that it is not about to go, and onItsWay that pods may soon come to it.
	open, onItsWay bool
}

// patience maps a workload -> when the pod of it was made that has waited for longest.
type patience map[string]time.Time

func patienceOf(pending []*corev1.Pod) patience {
	out := patience{}
	for _, pod := range pending {
		if !pods.IsProvisionable(pod) {
			continue
		}
		workload, at := machines.WorkloadOf(pod), pod.CreationTimestamp.Time
		if oldest, ok := out[workload]; !ok || at.Before(oldest) {
			out[workload] = at
		}
	}
	return out
}

// fateOf says what came of the machine of an entry; ended says that it is gone. Whatever is not certain is open: a machine without
// an instance is for others to judge, and one that waits for a GPU to show may wait for it as long as it takes.
func fateOf(entry state.Entry, ended bool, waiting patience, now time.Time) fate {
	machine := entry.Machine
	out := fate{machine: machine}
	out.basis, out.workloads = machines.MadeFrom(machine)
	leaving := ended || !machine.DeletionTimestamp.IsZero()
	out.open = !leaving
	if machine.Status.ProviderID == "" {
		out.onItsWay = !leaving
		return out
	}
	out.serve(entry)
	conditions := machines.Conditions(machine)
	out.joined = !leaving && entry.Node != nil && conditions.IsTrue(v1alpha5.ConditionRegistered)
	readyFor := readyFor(machine, now)
	settled := readyFor >= settling
	out.onItsWay = !leaving && !settled && now.Sub(machine.CreationTimestamp.Time) < onItsWayFor
	if leaving {
		out.reason = endOf(entry, readyFor)
	}
	switch {
	case out.reason != "":
		out.failed = out.workloads
	case readyFor == 0:
	case conditions.IsTrue(v1alpha5.ConditionDisrupting), !leaving && settled:
		out.shun(waiting)
	}
	return out
}

// serve notes of which workloads pods run on the node.
func (f *fate) serve(entry state.Entry) {
	there := map[string]bool{}
	for _, pod := range entry.Pods {
		if pods.IsReschedulable(pod) {
			f.used, there[machines.WorkloadOf(pod)] = true, true
		}
	}
	for _, workload := range f.workloads {
		if there[workload] {
			f.served = append(f.served, workload)
		}
	}
}

// shun notes which workloads the machine was made for and still have a pod waiting that waited then already.
func (f *fate) shun(waiting patience) {
	for _, workload := range f.workloads {
		since, waits := waiting[workload]
		if waits && !since.After(f.machine.CreationTimestamp.Time) && !slices.Contains(f.served, workload) {
			f.reason, f.failed = v1alpha5.ReasonPodsStayedAway, append(f.failed, workload)
		}
	}
}

// lostNode reports whether a machine goes because somebody deleted its Node. A Node that is not ready is deleted because its
// instance is gone, or is not ready yet.
func lostNode(entry state.Entry) bool {
	registered := machines.Conditions(entry.Machine).Get(v1alpha5.ConditionRegistered)
	if registered != nil && registered.Status == metav1.ConditionFalse && registered.Reason == v1alpha5.ReasonNodeNotFound {
		return true
	}
	if entry.Node == nil || entry.Node.DeletionTimestamp.IsZero() || entry.Machine.DeletionTimestamp.IsZero() {
		return false
	}
	wasReady := machines.Conditions(entry.Machine).IsTrue(v1alpha5.ConditionInitialized)
	return !entry.Node.DeletionTimestamp.After(entry.Machine.DeletionTimestamp.Time) && (machines.NodeIsReady(entry.Node) || !wasReady)
}

// endOf returns why a machine that goes came to nothing for everybody; "" if it did not.
func endOf(entry state.Entry, readyFor time.Duration) string {
	switch {
	case entry.Machine.NeverJoined():
		return v1alpha5.ReasonNeverJoined
	case lostNode(entry) && readyFor < shortLife:
		return v1alpha5.ReasonNodeDeleted
	case readyFor == 0 && gaveUp(entry.Machine):
		return v1alpha5.ReasonNeverReady
	default:
		return ""
	}
}

// gaveUp reports whether a machine goes that others were to give their place to, because it was not ready in time.
func gaveUp(machine *v1alpha5.Machine) bool {
	going := machines.Conditions(machine).Get(v1alpha5.ConditionDisrupting)
	return machine.Annotations[v1alpha5.ReplacesAnnotation] != "" && going != nil && going.Reason == v1alpha5.ReasonReplacementFailed
}

// readyFor returns how long a machine has been ready for pods, or was until it had to go; 0 where it never was.
func readyFor(machine *v1alpha5.Machine, now time.Time) time.Duration {
	initialized := machines.Conditions(machine).Get(v1alpha5.ConditionInitialized)
	if initialized == nil || initialized.Status != metav1.ConditionTrue {
		return 0
	}
	if !machine.DeletionTimestamp.IsZero() {
		now = machine.DeletionTimestamp.Time
	}
	return max(now.Sub(initialized.LastTransitionTime.Time), 1)
}
