package world

import (
	"slices"
	"time"

	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
)

// Befall has something happen to an instance though no client asked: one of terminate, fail, stop, start, reboot and interrupt.
func (w *World) Befall(id, do string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sweep()
	instance, err := w.findInstance(id)
	if err != nil {
		return err
	}
	return w.befall(instance, do, w.Now())
}

func (w *World) befall(i *Instance, do string, at time.Time) error {
	state := i.stateAt(at)
	wrong := func() error {
		return apierror.New("IncorrectInstanceState", "The instance '%s' is not in a state from which it can %s: %s", i.ID, do, state)
	}
	switch do {
	case faults.Terminate:
		w.finish(i, at, ByRequest())
	case faults.Fail:
		w.finish(i, at, i.ByEC2())
	case faults.Stop:
		switch {
		case i.CapacityType == Spot:
			return apierror.New("UnsupportedOperation", "You can't stop the Spot Instance '%s' because it is associated with a one-time Spot Instance request.", i.ID)
		case state != Running && state != Pending:
			return wrong()
		}
		i.Halted, i.Halts, i.Reason = at, at.Add(w.config.ShutdownDelay), ByRequest()
	case faults.Start:
		if state != Stopped {
			return wrong()
		}
		i.Halted, i.Halts, i.Runs, i.Reason = time.Time{}, time.Time{}, at.Add(w.config.BootDelay), StateReason{}
	case faults.Reboot:
		if state != Running {
			return wrong()
		}
		i.Reboots++
	case faults.Interrupt:
		if i.CapacityType != Spot || !i.Shutdown.IsZero() {
			return apierror.New("UnsupportedOperation", "Only a Spot Instance that lives can be interrupted; '%s' is %s and %s", i.ID, i.CapacityType, state)
		}
		if i.Warned.IsZero() {
			i.Warned = at
		}
	default:
		return apierror.InvalidValue("do", do, "It is nothing that happens to instances.")
	}
	return nil
}

// finish ends an instance that has not been ended before. The caller holds the lock.
func (w *World) finish(i *Instance, at time.Time, reason StateReason) {
	if !i.Shutdown.IsZero() {
		return
	}
	lag := w.config.ShutdownDelay
	if drawn, ok := w.config.Faults.ShutdownLag(i.machine(at)); ok {
		lag = drawn
	}
	i.Shutdown, i.Ends, i.Reason = at, at.Add(lag), reason
}

// happen has come about what the plan of faults has meant for a moment until now, and reclaims spot whose notice is over. The caller holds the lock.
func (w *World) happen(now time.Time) {
	for _, due := range w.config.Faults.Due(now) {
		for _, i := range w.numbered() {
			if w.config.Faults.Befalls(due, i.machine(due.At)) {
				_ = w.befall(i, due.Do, due.At) // it can: that was asked before
			}
		}
	}
	for _, i := range w.numbered() {
		if over := i.Warned.Add(w.config.SpotNotice); !i.Warned.IsZero() && i.Shutdown.IsZero() && !now.Before(over) {
			w.config.Faults.Hit(faults.Reclaimed)
			w.finish(i, over, i.ByEC2())
		}
	}
}

// numbered lists the instances in the order of their launches. The caller holds the lock.
func (w *World) numbered() []*Instance {
	all := make([]*Instance, 0, len(w.instances))
	for _, i := range w.instances {
		all = append(all, i)
	}
	slices.SortFunc(all, func(a, b *Instance) int { return a.Number - b.Number })
	return all
}

// boot is how the machine of a new instance joins; nil as it should. The caller holds the lock.
func (w *World) boot(number int) *faults.Boot {
	if boot, ok := w.config.Faults.Boot(number, w.Now()); ok {
		return &boot
	}
	return nil
}

// machine is what faults have to know of an instance.
func (i *Instance) machine(at time.Time) faults.Machine { return i.snapshot(at).Machine() }

// Machine is what faults have to know of an instance as it was when the copy was taken.
func (i Instance) Machine() faults.Machine {
	return faults.Machine{
		Number: i.Number, Launched: i.Launched, Live: i.State != ShuttingDown && i.State != Terminated, Spot: i.CapacityType == Spot,
		Running: i.State == Running, Stopped: i.State == Stopped, Tags: i.Tags,
	}
}
