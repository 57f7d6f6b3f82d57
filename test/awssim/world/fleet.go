package world

import (
	"slices"
	"time"

	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
)

// Fleet is the record of one CreateFleet call that was carried out.
type Fleet struct {
	ID          string
	ClientToken string
	Created     time.Time
	Requested   int
	Overrides   int
	Groups      []FleetGroup
	Errors      []FleetError
	Tags        Tags
	Context     string
}

// Fulfilled is the number of instances that were launched.
func (f Fleet) Fulfilled() int {
	n := 0
	for _, group := range f.Groups {
		n += len(group.InstanceIDs)
	}
	return n
}

// FleetGroup is the instances of a fleet that came from one pool.
type FleetGroup struct {
	Choice
	InstanceIDs []string
}

// FleetError tells why a pool gave nothing, or less than it was asked for.
type FleetError struct {
	Choice
	Code, Message string
}

// Choice is a pool as an answer shows it.
type Choice struct {
	Template     TemplateReference
	Override     FleetOverride
	InstanceType string
	CapacityType string
	Platform     string
}

// CreateFleet launches the instances of an instant fleet. What cannot be launched is told in the fleet's errors; only a request that could
// never work is refused.
func (w *World) CreateFleet(r FleetRequest) (Fleet, error) {
	if err := r.check(); err != nil {
		return Fleet{}, err
	}
	tags, err := CheckTagSpecifications(r.TagSpecifications, "fleet", "instance", "volume", "network-interface")
	if err != nil {
		return Fleet{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sweep()
	return recall(w, "CreateFleet", r.ClientToken, r.Fingerprint, func() (Fleet, error) {
		candidates, err := w.candidates(r.LaunchTemplateConfigs)
		if err != nil {
			return Fleet{}, err
		}
		if r.DryRun {
			return Fleet{}, errDryRun()
		}
		if refusal := r.Refused; refusal != nil {
			return w.refusedFleet(r, candidates, tags["fleet"]), nil //nolint:nilerr // the answer tells it
		}
		odd := w.config.Faults.Fleet(r.Target.Total, w.Now())
		fleet := w.newFleet(r, tags["fleet"])
		for _, p := range r.parts(odd) {
			w.fill(fleet, p, candidates, tags)
		}
		w.fleets = append(w.fleets, fleet)
		return w.distort(*fleet, odd, r, candidates), nil
	})
}

// newFleet makes the record of a fleet. The caller holds the lock.
func (w *World) newFleet(r FleetRequest, tags Tags) *Fleet {
	return &Fleet{
		ID: w.newUUID("fleet"), ClientToken: r.ClientToken, Created: w.Now(), Requested: r.Target.Total, Overrides: overrides(r), Tags: tags,
		Context: r.Context,
	}
}

// refusedFleet makes a fleet none of whose pools may be used. The caller holds the lock.
func (w *World) refusedFleet(r FleetRequest, candidates []candidate, tags Tags) Fleet {
	fleet := w.newFleet(r, tags)
	capacityType := r.parts(faults.Fleet{Launch: r.Target.Total})[0].capacityType
	for _, c := range candidates {
		fleet.Errors = append(fleet.Errors, FleetError{Choice: c.choice(capacityType), Code: r.Refused.Code, Message: r.Refused.Message})
	}
	w.fleets = append(w.fleets, fleet)
	return *fleet
}

// Fleets lists the fleets in the order of their creation.
func (w *World) Fleets() []Fleet {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := make([]Fleet, 0, len(w.fleets))
	for _, fleet := range w.fleets {
		list = append(list, *fleet)
	}
	return list
}

func overrides(r FleetRequest) int {
	n := 0
	for _, config := range r.LaunchTemplateConfigs {
		n += len(config.Overrides)
	}
	return n
}

// fill launches one part of a fleet. Pools that cannot work at all are only spoken of when the others did not suffice. The caller holds the lock.
func (w *World) fill(fleet *Fleet, p part, candidates []candidate, tags map[string]Tags) {
	pools, unfit := w.pools(p, candidates)
	launched := w.launch(fleet, p, pools, tags)
	if len(launched) < p.wanted {
		fleet.Errors = append(fleet.Errors, unfit...)
	}
	if len(launched) < p.least {
		w.undo(launched)
		return
	}
	for _, instance := range launched {
		i := slices.IndexFunc(fleet.Groups, func(g FleetGroup) bool { return g.Choice == instance.from.choice(p.capacityType) })
		if i < 0 {
			fleet.Groups = append(fleet.Groups, FleetGroup{Choice: instance.from.choice(p.capacityType)})
			i = len(fleet.Groups) - 1
		}
		group := &fleet.Groups[i]
		instance.LaunchIndex = len(group.InstanceIDs)
		if instance.LaunchIndex == 0 {
			instance.ReservationID = w.newID("r")
		} else {
			instance.ReservationID = w.instances[group.InstanceIDs[0]].ReservationID
		}
		group.InstanceIDs = append(group.InstanceIDs, instance.ID)
	}
}

// launchedFrom is a new instance and the pool it came from.
type launchedFrom struct {
	*Instance
	from pool
}

// launch starts instances in the pools in turn, as many pools side by side as the part says. A pool that has no room gives way to the next one.
func (w *World) launch(fleet *Fleet, p part, pools []pool, tags map[string]Tags) []launchedFrom {
	var launched []launchedFrom
	spread := p.spread
	if p.strategy == diversified {
		spread = len(pools)
	}
	for turn := 0; len(launched) < p.wanted && len(pools) > 0; {
		i := turn % min(spread, len(pools))
		instance, err := w.start(fleet, p.capacityType, pools[i], tags)
		if err != nil {
			refusal := apierror.From(err)
			fleet.Errors = append(fleet.Errors, FleetError{Choice: pools[i].choice(p.capacityType), Code: refusal.Code, Message: refusal.Message})
			pools = slices.Delete(pools, i, i+1)
			continue
		}
		launched = append(launched, launchedFrom{instance, pools[i]})
		turn++
	}
	return launched
}

// undo makes launched instances never to have been, for a part that got less than its minimum.
func (w *World) undo(launched []launchedFrom) {
	for _, instance := range launched {
		w.subnets[instance.Subnet.ID].release(instance.Address)
		delete(w.instances, instance.ID)
	}
}
