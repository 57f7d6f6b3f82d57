package invariant

import (
	"maps"
	"time"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/chaos/history"
)

// decidedTogether reports whether a machine goes by a decision from which there is no way back: its own, or that of its lead.
func decidedTogether(v *history.View, machine *v1alpha5.Machine) bool {
	record := machine.Status.Disruption
	if record == nil {
		return false
	}
	if record.Leads() {
		return record.Committed
	}
	lead := named(v, record.Lead)
	return lead != nil && lead.Status.Disruption.Takes(machine) && lead.Status.Disruption.Committed
}

// named returns the machine of a name, nil for none.
func named(v *history.View, name string) *v1alpha5.Machine {
	for _, machine := range v.Machines {
		if machine.Name == name {
			return machine
		}
	}
	return nil
}

// replacedBefore holds if nothing that is removed by choice goes before all that is to take its place is ready.
func replacedBefore(h *history.History) []Violation {
	f := find(ReplacedBefore)
	h.Walk(func(v *history.View, e *history.Event) {
		if e.Write == nil || e.Write.By != history.ByKerf || e.Write.After == nil {
			return
		}
		after, ok := e.Write.After.(*v1alpha5.Machine)
		if !ok || !after.Status.Disruption.Leads() || !after.Status.Disruption.Committed {
			return
		}
		before := v.Machines[after.UID]
		if before == nil || before.Status.Disruption != nil && before.Status.Disruption.Committed {
			return
		}
		for _, name := range after.Status.Disruption.Replacements {
			switch other := named(v, name); {
			case other == nil:
				f.add(e.At, after.Name, "machine %s goes, and %s, which is to take its place, is not there", after.Name, name)
			case !history.True(other, v1alpha5.ConditionInitialized):
				f.add(e.At, after.Name, "machine %s goes before %s, which is to take its place, is ready", after.Name, name)
			}
		}
	}, nil)
	return f.out
}

// surplusFor is for how long a machine may be left over that was made in place of others.
const surplusFor = 5 * time.Minute

// noSurplus holds if nothing is left over that was made in place of others: it gets their pods, or goes with the decision.
func noSurplus(h *history.History) []Violation {
	f := find(NoSurplus)
	since := map[string]time.Time{} // name of a machine -> since when it has been of no use to anybody
	h.Walk(nil, func(v *history.View, e *history.Event) {
		used := map[string]bool{} // name of a node -> a pod is there
		for _, pod := range v.Pods {
			used[pod.Spec.NodeName] = true
		}
		there := map[string]bool{}
		for _, machine := range v.Machines {
			there[machine.Name] = true
			if !leftOverOf(v, machine) || used[machine.Status.NodeName] {
				delete(since, machine.Name)
			} else if _, known := since[machine.Name]; !known {
				since[machine.Name] = e.At
			}
			if patience := surplusFor + h.Terms.Staleness + h.Terms.Pause; e.At.Sub(since[machine.Name]) > patience && !since[machine.Name].IsZero() {
				f.add(e.At, machine.Name, "machine %s was made in place of others, and has been of no use for %s", machine.Name, e.At.Sub(since[machine.Name]))
			}
		}
		maps.DeleteFunc(since, func(name string, _ time.Time) bool { return !there[name] })
	})
	return f.out
}

// leftOverOf reports whether a machine was made in place of others by a decision that is over, and is not about to go.
func leftOverOf(v *history.View, machine *v1alpha5.Machine) bool {
	lead := machine.Annotations[v1alpha5.ReplacesAnnotation]
	if lead == "" || !machine.DeletionTimestamp.IsZero() || machine.Status.NodeName == "" {
		return false
	}
	other := named(v, lead)
	return other == nil || !other.Status.Disruption.Replaces(machine.Name)
}
