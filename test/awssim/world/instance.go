package world

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
)

// State is the state of an instance.
type State string

// The states that an instance passes through, in this order; stopping and stopped only if somebody stops it from outside.
const (
	Pending      State = "pending"
	Running      State = "running"
	Stopping     State = "stopping"
	Stopped      State = "stopped"
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
	case Stopping:
		return 64
	case Stopped:
		return 80
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
	Number        int // of its launch; the world's first instance has 1
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
	Halted        time.Time // when stopping it was asked for; zero unless it is stopping or stopped
	Halts         time.Time // when it becomes, or became, stopped
	Reboots       int
	Warned        time.Time // when spot was warned of its end; zero before
	Shutdown      time.Time // when termination was asked for; zero before
	Ends          time.Time // when it becomes, or became, terminated; zero before termination was asked for
	Reason        StateReason
	State         State
	Boot          *faults.Boot // how its machine joins; nil as it should

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
	case !i.Halted.IsZero() && !now.Before(i.Halts):
		return Stopped
	case !i.Halted.IsZero():
		return Stopping
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

// Read is what a client sees of the instances: of those with the ids, all of which must exist; for no ids, of all. Faults decide what is seen.
func (w *World) Read(ids []string) ([]Instance, error) {
	byID, now := len(ids) > 0, w.Now()
	all := slices.DeleteFunc(w.Instances(), func(i Instance) bool { return !w.config.Faults.Visible(i.Machine(), byID, now) })
	if byID {
		var err error
		if all, err = pickByID(all, ids); err != nil {
			return nil, err
		}
	}
	flaps := w.config.Faults.Flaps(byID, now)
	all = slices.DeleteFunc(all, func(i Instance) bool { return flaps(i.Machine()) })
	for n := range all {
		all[n].Launched, all[n].Shutdown = w.Told(all[n].Launched), w.Told(all[n].Shutdown)
	}
	return all, nil
}

// pickByID keeps the instances with the ids, all of which must be listed.
func pickByID(all []Instance, ids []string) ([]Instance, error) {
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
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sweep()
	ending := make([]*Instance, 0, len(ids))
	for _, id := range ids {
		instance, err := w.knownInstance(id)
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
		w.finish(instance, now, ByRequest())
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

// knownInstance looks an id up that a client names, which may come before EC2 knows it everywhere. The caller holds the lock.
func (w *World) knownInstance(id string) (*Instance, error) {
	instance, err := w.findInstance(id)
	if err == nil && !w.config.Faults.Visible(instance.machine(w.Now()), true, w.Now()) {
		return nil, errNoSuchInstance(id)
	}
	return instance, err
}

// sweep has happen what is due, gives back the addresses of instances that have ended since, and forgets those that ended long ago. The caller
// holds the lock.
func (w *World) sweep() {
	now := w.Now()
	w.happen(now)
	var ended []*Instance // in the order of their launches, as the same world has to do the same
	for id, instance := range w.instances {
		if instance.stateAt(now) != Terminated {
			continue
		}
		if !instance.released {
			ended = append(ended, instance)
		}
		if now.Sub(instance.Ends) >= w.config.TerminatedRetention {
			delete(w.instances, id)
		}
	}
	slices.SortFunc(ended, func(a, b *Instance) int { return a.Number - b.Number })
	for _, instance := range ended {
		w.subnets[instance.Subnet.ID].release(instance.Address)
		instance.released = true
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
