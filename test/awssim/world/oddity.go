package world

import (
	"slices"

	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
)

// distort makes of a fleet the answer that faults want, and counts the fault if that is another one than without it. The record of the
// fleet keeps the truth. The caller holds the lock.
func (w *World) distort(answer Fleet, odd faults.Fleet, r FleetRequest, candidates []candidate) Fleet {
	answer.Groups = slices.Clone(answer.Groups)
	launched := answer.Fulfilled()
	struck := false
	switch odd.Kind {
	case faults.Short:
		w.addShortage(&answer, r, candidates)
		struck = true
	case faults.Silent:
		struck = true
	case faults.Extra:
		struck = launched > r.Target.Total
	case faults.Duplicate:
		if struck = launched > 0; struck {
			group := &answer.Groups[0]
			group.InstanceIDs = append(slices.Clone(group.InstanceIDs), group.InstanceIDs[0])
		}
	case faults.OtherType:
		struck = w.exchange(&answer)
	case faults.Untold:
		struck = launched > odd.Tell
		told := odd.Tell
		for i := range answer.Groups {
			group := &answer.Groups[i]
			n := min(told, len(group.InstanceIDs))
			group.InstanceIDs, told = group.InstanceIDs[:n], told-n
		}
		answer.Groups = slices.DeleteFunc(answer.Groups, func(g FleetGroup) bool { return len(g.InstanceIDs) == 0 })
	}
	if struck {
		w.config.Faults.Hit(faults.PartialHit + odd.Kind)
	}
	return answer
}

// addShortage tells that the first pool had no more room.
func (w *World) addShortage(answer *Fleet, r FleetRequest, candidates []candidate) {
	if len(candidates) == 0 {
		return
	}
	capacityType := r.parts(faults.Fleet{Launch: r.Target.Total})[0].capacityType
	short := errShort(poolKey{candidates[0].data.InstanceType, candidates[0].subnet.Zone, capacityType})
	answer.Errors = append(slices.Clone(answer.Errors), FleetError{
		Choice: candidates[0].choice(capacityType), Code: short.Code, Message: short.Message,
	})
}

// exchange makes the last instance of a fleet one of a type that nobody asked for, and has the answer say so. It reports whether there
// was one. The caller holds the lock.
func (w *World) exchange(answer *Fleet) bool {
	if len(answer.Groups) == 0 {
		return false
	}
	at := len(answer.Groups) - 1
	group := answer.Groups[at]
	id := group.InstanceIDs[len(group.InstanceIDs)-1]
	instance := w.instances[id]
	other := w.otherType(instance)
	if other == "" {
		return false
	}
	instance.Type = other
	odd := group
	odd.InstanceType, odd.Override.InstanceType, odd.InstanceIDs = other, other, []string{id}
	group.InstanceIDs = group.InstanceIDs[:len(group.InstanceIDs)-1]
	answer.Groups[at] = group
	if len(group.InstanceIDs) == 0 {
		answer.Groups = answer.Groups[:at]
	}
	answer.Groups = append(answer.Groups, odd)
	return true
}

// otherType finds a type that could run the instance's image in its zone, the first by name that is not its own.
func (w *World) otherType(instance *Instance) string {
	for _, t := range w.InstanceTypes() {
		if t.Name != instance.Type && EC2Architecture(t) == instance.Image.Architecture && w.facts.OffersInZone(instance.Subnet.Zone, t.Name) {
			return t.Name
		}
	}
	return ""
}
