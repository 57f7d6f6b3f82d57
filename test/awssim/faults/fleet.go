package faults

import "time"

// Fleet is how a fleet differs from what was asked for; its zero value is not at all.
type Fleet struct {
	Kind string
	// Launch is how many instances are launched of those wanted, and Tell how many of those the answer names.
	Launch, Tell int
}

// Fleet says how a new fleet of so many instances comes out. Whoever answers so counts the hit, as PartialHit and the kind.
func (i *Injector) Fleet(wanted int, now time.Time) Fleet {
	i.mu.Lock()
	defer i.mu.Unlock()
	out := Fleet{Launch: wanted, Tell: wanted}
	for n, r := range i.plan.Partial {
		name := rule("partial", n)
		if !i.strikes(name, r.When, "", now) {
			continue
		}
		some := int(chance(i.plan.Seed, name+"/some", i.asked[name+"/"]) * float64(wanted)) // from 0 to one less
		out.Kind = r.Kind
		switch r.Kind {
		case Short:
			out.Launch, out.Tell = some, some
		case Silent:
			out.Launch, out.Tell = 0, 0
		case Extra:
			out.Launch, out.Tell = wanted+1, wanted+1
		case Untold:
			out.Tell = some
		}
		return out
	}
	return out
}

// Pool is what capacity belongs to.
type Pool struct{ InstanceType, Zone, CapacityType string }

// Capacity is the bound on a pool; false where there is none. Of several that match the least counts.
func (i *Injector) Capacity(p Pool, now time.Time) (int, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	bound, bounded := 0, false
	for n, r := range i.plan.ICE {
		matches := (r.InstanceType == "" || r.InstanceType == p.InstanceType) && (r.Zone == "" || r.Zone == p.Zone) &&
			(r.CapacityType == "" || r.CapacityType == p.CapacityType)
		// A pool has its own draw in place of a number.
		stream := rule("ice", n) + "/" + p.InstanceType + "/" + p.Zone + "/" + p.CapacityType
		if !matches || !r.holds(i.elapsed(now)) || !r.picks(i.plan.Seed, stream, 1) {
			continue
		}
		if !bounded || r.Instances < bound {
			bound = r.Instances
		}
		bounded = true
	}
	return bound, bounded
}
