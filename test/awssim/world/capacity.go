package world

import (
	"hash/fnv"
	"math"

	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
)

// poolKey is what capacity belongs to.
type poolKey struct{ instanceType, zone, capacityType string }

func (l CapacityLimit) matches(p poolKey) bool {
	return (l.InstanceType == "" || l.InstanceType == p.instanceType) &&
		(l.Zone == "" || l.Zone == p.zone) &&
		(l.CapacityType == "" || l.CapacityType == p.capacityType)
}

// SetCapacity adds a limit, which overrides earlier ones where it matches.
func (w *World) SetCapacity(limit CapacityLimit) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.config.Limits = append(w.config.Limits, limit)
}

// room is the number of instances that the pool can still take; math.MaxInt when it is unlimited. The caller holds the lock.
func (w *World) room(p poolKey) int {
	bound := -1
	for _, limit := range w.config.Limits {
		if limit.matches(p) {
			bound = limit.Instances
		}
	}
	if short, ok := w.shortage(p); ok && (bound < 0 || short < bound) {
		bound = short
	}
	if bound < 0 {
		return math.MaxInt
	}
	return max(bound-w.live(p), 0)
}

// shortage is the bound that faults put on a pool. The caller holds the lock.
func (w *World) shortage(p poolKey) (int, bool) {
	return w.config.Faults.Capacity(faults.Pool{InstanceType: p.instanceType, Zone: p.zone, CapacityType: p.capacityType}, w.Now())
}

// countShortage counts a launch that failed for want of room, if faults are the reason. The caller holds the lock.
func (w *World) countShortage(p poolKey) {
	if bound, ok := w.shortage(p); ok && bound <= w.live(p) {
		w.config.Faults.Hit(faults.ICEHit)
	}
}

// live counts the instances of a pool. The caller holds the lock.
func (w *World) live(p poolKey) int {
	now, live := w.Now(), 0
	for _, instance := range w.instances {
		if (poolKey{instance.Type, instance.Subnet.Zone, instance.CapacityType}) == p && instance.stateAt(now) != Terminated {
			live++
		}
	}
	return live
}

// depth is how much spare capacity EC2 would see in the pool, for the strategies that look at it. Nothing real is known of it: where no limit
// applies it is a stable figure between 20 and 1,000 made up from the pool's name. The caller holds the lock.
func (w *World) depth(p poolKey) int {
	const least, spread = 20, 981
	if room := w.room(p); room != math.MaxInt {
		return room
	}
	h := fnv.New32a()
	h.Write([]byte(p.zone + "|" + p.instanceType + "|" + p.capacityType + "|depth"))
	return least + int(h.Sum32()%spread)
}
