package faults

import (
	"time"
)

// Machine is what decisions about an instance depend on.
type Machine struct {
	// Number counts the world's launches: the first instance has 1.
	Number   int
	Launched time.Time
	Live     bool // neither terminated nor about to be
	Spot     bool
	Running  bool
	Stopped  bool
	Tags     map[string]string
}

// Visible says whether a read shows an instance: whether it has been there for long enough. Only instances under the plan lag.
func (i *Injector) Visible(m Machine, byID bool, now time.Time) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	v := i.plan.Visibility
	if v == nil || m.Launched.Before(i.began) {
		return true
	}
	lag, counter := v.ByFilter, VisibilityByFilter
	if byID {
		lag, counter = v.ByID, VisibilityByID
	}
	if lag == nil || now.Sub(m.Launched) >= lag.at(chance(i.plan.Seed, counter, m.Number)) {
		return true
	}
	i.hits[counter]++
	return false
}

// Flaps returns who of the live instances is missing from one answer, asked of one after the other.
func (i *Injector) Flaps(byID bool, now time.Time) func(Machine) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	kind := ByFilter
	if byID {
		kind = ByID
	}
	calls := map[int]int{} // rule -> number of this answer
	for n, r := range i.plan.Flap {
		if (r.Reads == "" || r.Reads == kind) && r.holds(i.elapsed(now)) {
			i.asked[rule("flap", n)]++
			calls[n] = i.asked[rule("flap", n)]
		}
	}
	rules := i.plan.Flap
	return func(m Machine) bool {
		i.mu.Lock()
		defer i.mu.Unlock()
		for n, r := range rules {
			// A draw of its own for every instance and every answer.
			call, concerns := calls[n]
			if concerns && m.Live && r.picks(uint64(call)+mix(i.plan.Seed), rule("flap", n), m.Number) && i.take(rule("flap", n), r.When) {
				i.hits[FlapHit]++
				return true
			}
		}
		return false
	}
}

// ShutdownLag is how long an instance is shutting-down.
func (i *Injector) ShutdownLag(m Machine) (time.Duration, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.plan.ShutdownLag == nil {
		return 0, false
	}
	i.hits[ShutdownLagHit]++
	return i.plan.ShutdownLag.at(chance(i.plan.Seed, ShutdownLagHit, m.Number)), true
}

// Boot is how the machine of a new instance joins. Whoever has it join so counts the hit, as boot. and its kind.
func (i *Injector) Boot(number int, now time.Time) (Boot, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for n, r := range i.plan.Boot {
		if r.holds(i.elapsed(now)) && r.picks(i.plan.Seed, rule("boot", n), number) && i.take(rule("boot", n), r.When) {
			return r, true
		}
	}
	return Boot{}, false
}

// Due is events that have become due, in the order of the plan, with the moment of each. Each is returned once.
func (i *Injector) Due(now time.Time) []Happening {
	i.mu.Lock()
	defer i.mu.Unlock()
	var due []Happening
	for n, e := range i.plan.Events {
		if !i.past[n] && i.elapsed(now) >= time.Duration(e.After) {
			i.past[n] = true
			due = append(due, Happening{Event: e, At: i.began.Add(time.Duration(e.After)), rule: rule("events", n)})
		}
	}
	return due
}

// Happening is an event and its moment.
type Happening struct {
	Event
	At   time.Time
	rule string
}

// Befalls says whether an event happens to an instance.
func (i *Injector) Befalls(h Happening, m Machine) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !m.Live || m.Launched.After(h.At) || !possible(h.Do, m) {
		return false
	}
	for key, value := range h.Tags {
		if m.Tags[key] != value {
			return false
		}
	}
	if !h.picks(i.plan.Seed, h.rule, m.Number) || !i.take(h.rule, h.When) {
		return false
	}
	i.hits["event."+h.Do]++
	return true
}

// possible says whether an event can happen to an instance as it is: spot cannot be stopped, and nothing else is interrupted.
func possible(do string, m Machine) bool {
	switch do {
	case Stop:
		return !m.Spot && m.Running
	case Start:
		return m.Stopped
	case Reboot:
		return m.Running
	case Interrupt:
		return m.Spot
	}
	return true
}
