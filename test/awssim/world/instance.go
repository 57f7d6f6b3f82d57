package world

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// State is the state of an instance.
type State string

// The states that an instance passes through, in this order. Nothing here stops or restarts.
const (
	Pending      State = "pending"
	Running      State = "running"
	ShuttingDown State = "shutting-down"
	Terminated   State = "terminated"
)

// Code is EC2's number of the state.
func (s State) Code() int {
	switch s {
	case Running:
		return 16
	case ShuttingDown:
		return 32
	case Terminated:
		return 48
	}
	return 0
}

// The two ways in which capacity is bought.
const (
	Spot     = "spot"
	OnDemand = "on-demand"
)

// Instance is a virtual machine. Its state follows from its timestamps; State holds it as of when the copy was taken.
type Instance struct {
	ID            string
	ReservationID string
	LaunchIndex   int // within the reservation
	FleetID       string
	ClientToken   string
	TemplateID    string
	TemplateName  string
	Type          string
	CapacityType  string
	SpotRequestID string // only spot has one
	Image         Image
	Subnet        Subnet
	Address       netip.Addr
	DNSName       string // private
	Groups        []SecurityGroup
	Data          LaunchTemplateData // as resolved for this instance
	InterfaceID   string
	Volumes       []AttachedVolume
	VolumeTags    Tags    // of every volume made for it
	PricePerHour  float64 // USD, fixed at launch
	Tags          Tags
	Launched      time.Time
	Runs          time.Time // when it becomes, or became, running
	Shutdown      time.Time // when termination was asked for; zero before
	Ends          time.Time // when it becomes, or became, terminated; zero before termination was asked for
	Reason        StateReason
	State         State

	released bool // its address has been given back
}

// StateReason tells why an instance ends.
type StateReason struct{ Code, Message string }

// ByRequest is the reason of an instance that TerminateInstances ends.
func ByRequest() StateReason {
	return StateReason{"Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown"}
}

// ByEC2 is the reason of an instance that EC2 ends: spot is reclaimed, other hardware fails.
func (i Instance) ByEC2() StateReason {
	if i.CapacityType == Spot {
		return StateReason{"Server.SpotInstanceTermination", "Server.SpotInstanceTermination: Spot instance termination"}
	}
	return StateReason{"Server.InternalError", "Server.InternalError: Internal error on launch or hardware failure"}
}

func (i *Instance) stateAt(now time.Time) State {
	switch {
	case !i.Shutdown.IsZero() && !now.Before(i.Ends):
		return Terminated
	case !i.Shutdown.IsZero():
		return ShuttingDown
	case now.Before(i.Runs):
		return Pending
	}
	return Running
}

func (i *Instance) snapshot(now time.Time) Instance {
	c := *i
	c.State = i.stateAt(now)
	return c
}

// Instances lists all instances that EC2 would still list, sorted by id.
func (w *World) Instances() []Instance {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sweep()
	now := w.Now()
	list := make([]Instance, 0, len(w.instances))
	for _, instance := range w.instances {
		list = append(list, instance.snapshot(now))
	}
	slices.SortFunc(list, func(a, b Instance) int { return strings.Compare(a.ID, b.ID) })
	return list
}

// InstancesByID is Instances for some ids, all of which must exist; for no ids it is all of them.
func (w *World) InstancesByID(ids []string) ([]Instance, error) {
	all := w.Instances()
	if len(ids) == 0 {
		return all, nil
	}
	listed := make(map[string]bool, len(all))
	for _, instance := range all {
		listed[instance.ID] = true
	}
	var unknown []string
	for _, id := range ids {
		if !validID("i", id) {
			return nil, errMalformed(id)
		}
		if !listed[id] {
			unknown = append(unknown, id)
		}
	}
	if len(unknown) > 0 {
		return nil, errNoSuchInstance(unknown...)
	}
	return slices.DeleteFunc(all, func(i Instance) bool { return !slices.Contains(ids, i.ID) }), nil
}

// StateChange is what terminating did to one instance.
type StateChange struct {
	ID                string
	Previous, Current State
}

// Terminate ends instances, all or none. Ending one twice is no error.
func (w *World) Terminate(ids []string, dryRun bool) ([]StateChange, error) {
	return w.end(ids, dryRun, func(Instance) StateReason { return ByRequest() })
}

// Reclaim ends an instance as EC2 itself does: nobody asked for it.
func (w *World) Reclaim(id string) error {
	_, err := w.end([]string{id}, false, Instance.ByEC2)
	return err
}

func (w *World) end(ids []string, dryRun bool, reason func(Instance) StateReason) ([]StateChange, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sweep()
	ending := make([]*Instance, 0, len(ids))
	for _, id := range ids {
		instance, err := w.findInstance(id)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(ending, instance) {
			ending = append(ending, instance)
		}
	}
	if dryRun {
		return nil, errDryRun()
	}
	now := w.Now()
	changes := make([]StateChange, 0, len(ending))
	for _, instance := range ending {
		previous := instance.stateAt(now)
		if instance.Shutdown.IsZero() {
			instance.Shutdown, instance.Ends = now, now.Add(w.config.ShutdownDelay)
			instance.Reason = reason(*instance)
		}
		changes = append(changes, StateChange{ID: instance.ID, Previous: previous, Current: instance.stateAt(now)})
	}
	w.sweep()
	return changes, nil
}

// findInstance looks an id up. The caller holds the lock.
func (w *World) findInstance(id string) (*Instance, error) {
	if !validID("i", id) {
		return nil, errMalformed(id)
	}
	instance, ok := w.instances[id]
	if !ok {
		return nil, errNoSuchInstance(id)
	}
	return instance, nil
}

// sweep gives back the addresses of instances that have ended since, and forgets those that ended long ago. The caller holds the lock.
func (w *World) sweep() {
	now := w.Now()
	for id, instance := range w.instances {
		if instance.stateAt(now) != Terminated {
			continue
		}
		if !instance.released {
			w.subnets[instance.Subnet.ID].release(instance.Address)
			instance.released = true
		}
		if now.Sub(instance.Ends) >= w.config.TerminatedRetention {
			delete(w.instances, id)
		}
	}
}

// validID says whether the id has the form of its kind: eight hexadecimal digits in old ones, seventeen in those of today.
func validID(kind, id string) bool {
	digits, ok := strings.CutPrefix(id, kind+"-")
	if !ok || len(digits) != 8 && len(digits) != idDigits {
		return false
	}
	return strings.Trim(digits, "0123456789abcdef") == ""
}
