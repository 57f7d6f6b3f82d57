package invariant

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/chaos/history"
)

// shapeLabel is on pods that want machines of their own kind.
const shapeLabel = "shape"

// settlesIn is what kerf is granted beside the lag of its caches: the time between a decision and the machines that come of it.
const settlesIn = 15 * time.Second

// noDoubleProvisioning holds if kerf never makes a machine while there are as many that could take pods as there were pods, lately: pods
// that could come to it, and machines of its kind. In the worlds of these histories each pod fills a machine. A node that somebody took
// away and that came back is one more than anybody could count with.
func noDoubleProvisioning(h *history.History) []Violation {
	f := find(NoDoubleProvisioning)
	var demand []sample
	lost := map[string]bool{} // names of nodes that others than kerf took away
	h.Walk(nil, func(v *history.View, e *history.Event) {
		if e.Write == nil {
			return
		}
		switch object := e.Write.Object().(type) {
		case *corev1.Node:
			lost[object.Name] = lost[object.Name] || e.Write.After == nil && e.Write.By != history.ByKerf
		case *corev1.Pod:
			demand = append(demand, sample{e.At, wanting(v)})
		case *v1alpha5.Machine:
			if !provisions(e.Write) {
				return
			}
			most := fitting(wanting(v), object)
			since := e.At.Add(-h.Terms.Staleness - h.Terms.Pause - settlesIn)
			for _, d := range slices.Backward(demand) {
				most = max(most, fitting(d.pods, object))
				if d.at.Before(since) {
					break
				}
			}
			if supply := usable(v, object, lost, since); supply*h.Terms.PodsPerMachine > most {
				f.add(e.At, e.Write.After.GetName(), "machine %s makes %d for %d pods", e.Write.After.GetName(), supply, most)
			}
		}
	})
	return f.out
}

// sample is the pods at a time that need a machine.
type sample struct {
	at   time.Time
	pods []*corev1.Pod
}

// provisions reports whether a write makes a machine for pods that have none, rather than one in place of others, or one by which an instance
// that nobody has is drained.
func provisions(w *history.Write) bool {
	machine, ok := w.Object().(*v1alpha5.Machine)
	return ok && w.Verb == "create" && w.By == history.ByKerf && !forOrphan(machine) && machine.Annotations[v1alpha5.ReplacesAnnotation] == ""
}

func forOrphan(machine *v1alpha5.Machine) bool {
	return machine.Annotations[v1alpha5.OrphanAnnotation] != ""
}

// wanting returns the pods that need a machine.
func wanting(v *history.View) []*corev1.Pod {
	var out []*corev1.Pod
	for _, pod := range v.Pods {
		if pod.Labels[shapeLabel] != "" {
			out = append(out, pod)
		}
	}
	return out
}

// fitting returns how many of the pods could come to a machine.
func fitting(pods []*corev1.Pod, machine *v1alpha5.Machine) int {
	n := 0
	for _, pod := range pods {
		fits := true
		for label, value := range pod.Spec.NodeSelector {
			fits = fits && agree(known(machine, label), value)
		}
		if fits {
			n++
		}
	}
	return n
}

// usable returns how many machines of the kind of one could take pods, for all that kerf can know. One that was about to go since some time,
// and was given back, could not.
func usable(v *history.View, like *v1alpha5.Machine, lost map[string]bool, since time.Time) int {
	n := 0
	for _, machine := range v.Machines {
		if !agree(known(machine, v1alpha5.CapacityTypeLabel), known(like, v1alpha5.CapacityTypeLabel)) ||
			!agree(known(machine, corev1.LabelTopologyZone), known(like, corev1.LabelTopologyZone)) {
			continue
		}
		if machine.DeletionTimestamp.IsZero() && !forOrphan(machine) && !failing(v, machine) && !unreachable(v, machine) && !lost[machine.Status.NodeName] && !leaving(machine, since) {
			n++
		}
	}
	return n
}

// leaving reports whether it was decided lately that a machine goes, or that it stays after all.
func leaving(machine *v1alpha5.Machine, since time.Time) bool {
	decided := history.Condition(machine, v1alpha5.ConditionDisrupting)
	return machine.Status.Disruption != nil || decided != nil && !decided.LastTransitionTime.Time.Before(since)
}

// known returns the value that the machine has or will have of a label; "" where that is open.
func known(machine *v1alpha5.Machine, label string) string {
	if value := machine.Labels[label]; value != "" {
		return value
	}
	for _, r := range machine.Spec.Requirements {
		if r.Key == label && r.Operator == corev1.NodeSelectorOpIn && len(r.Values) == 1 {
			return r.Values[0]
		}
	}
	return ""
}

// agree reports whether two values may be the same, where either may be open.
func agree(one, other string) bool { return one == "" || other == "" || one == other }

// failing reports whether a machine is known not to come to anything.
func failing(v *history.View, machine *v1alpha5.Machine) bool {
	launched := history.Condition(machine, v1alpha5.ConditionLaunched)
	if launched != nil && launched.Status == "False" || history.True(machine, v1alpha5.ConditionDisrupting) {
		return true
	}
	life := v.Instances[history.InstanceID(machine.Status.ProviderID)]
	return life != nil && !life.Live()
}

// unreachable reports whether pods cannot come to the machine's node.
func unreachable(v *history.View, machine *v1alpha5.Machine) bool {
	if machine.Status.NodeName == "" {
		return false
	}
	node := v.Nodes[machine.Status.NodeName]
	return node == nil || !history.Ready(node) || history.Disrupted(node) || !node.DeletionTimestamp.IsZero()
}

// limitsHold holds if no machine is made with which the provisioner's machines, those under way among them, are more than it allows,
// or allowed lately: kerf may not have seen a change yet.
func limitsHold(h *history.History) []Violation {
	f := find(LimitsHold)
	type bound struct {
		until time.Time
		limit resource.Quantity
	}
	var former []bound
	h.Walk(func(v *history.View, e *history.Event) {
		if e.Write == nil {
			return
		}
		if before, ok := e.Write.Before.(*v1alpha5.Provisioner); ok {
			if limit, there := limitOf(before); there {
				former = append(former, bound{e.At, limit})
			} else {
				former = append(former, bound{e.At, resource.MustParse("1M")})
			}
		}
	}, func(v *history.View, e *history.Event) {
		if e.Write == nil || !provisions(e.Write) {
			return
		}
		for name, provisioner := range v.Provisioners {
			limit, there := limitOf(provisioner)
			for _, b := range former {
				if e.At.Sub(b.until) <= h.Terms.Staleness+settlesIn && b.limit.Cmp(limit) > 0 {
					limit = b.limit
				}
			}
			if used := usedOf(v, name); there && used.Cmp(limit) > 0 {
				f.add(e.At, e.Write.After.GetName(), "machine %s makes %s cores of %s", e.Write.After.GetName(), used.String(), limit.String())
			}
		}
	})
	return f.out
}

// usedOf returns the cores of a provisioner's machines, but for those on their way out: what replaces them has to fit.
func usedOf(v *history.View, provisioner string) resource.Quantity {
	used := resource.Quantity{}
	for _, machine := range v.Machines {
		if machine.DeletionTimestamp.IsZero() && machine.ProvisionerName() == provisioner {
			used.Add(coresOf(machine))
		}
	}
	return used
}

func limitOf(provisioner *v1alpha5.Provisioner) (resource.Quantity, bool) {
	if provisioner.Spec.Limits == nil {
		return resource.Quantity{}, false
	}
	limit, there := provisioner.Spec.Limits.Resources[corev1.ResourceCPU]
	return limit, there
}

// coresOf returns the cores of a machine. One that has no instance yet will have two: all types of these worlds have.
func coresOf(machine *v1alpha5.Machine) resource.Quantity {
	if cores, there := machine.Status.Capacity[corev1.ResourceCPU]; there {
		return cores
	}
	return resource.MustParse("2")
}
