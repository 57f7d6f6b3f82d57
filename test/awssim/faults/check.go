package faults

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Parse reads a plan from JSON. What it does not know it refuses.
func Parse(text []byte) (Plan, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var p Plan
	if err := decoder.Decode(&p); err != nil {
		return Plan{}, fmt.Errorf("reading a plan of faults: %w", err)
	}
	return p, p.Check()
}

// Check says what is wrong with a plan, all of it.
func (p Plan) Check() error {
	var all []error
	note := func(knob string, index int, errs ...error) {
		if err := errors.Join(errs...); err != nil {
			all = append(all, fmt.Errorf("%s %d: %w", knob, index+1, err))
		}
	}
	for i, r := range p.Ambiguous {
		note("ambiguous", i, r.check(), oneOf(r.Kind, Drop, Failure, Hang))
	}
	for i, r := range p.Flap {
		note("flap", i, r.check(), oneOf(r.Reads, "", ByID, ByFilter))
	}
	for i, r := range p.Empty {
		note("empty", i, r.check())
	}
	for i, r := range p.Partial {
		note("partial", i, r.check(), oneOf(r.Kind, Short, Silent, Extra, Duplicate, OtherType, Untold))
	}
	for i, r := range p.ICE {
		note("ice", i, r.check(), oneOf(r.CapacityType, "", "spot", "on-demand"), notNegative("instances", float64(r.Instances)), pools(r.When))
	}
	for i, r := range p.Down {
		note("down", i, r.check(), oneOf(r.Kind, Drop, Failure, Unavailable, Hang, Slow), delayed(r.Kind == Slow, r.Delay))
	}
	for i, r := range p.Events {
		note("events", i, r.check(), oneOf(r.Do, Terminate, Fail, Stop, Start, Reboot, Interrupt), once(r.When))
	}
	for i, r := range p.Boot {
		note("boot", i, r.check(), oneOf(r.Kind, Late, Never, Twice, WrongLabels, Recycled, Flapping), delayed(r.Kind == Late || r.Kind == Flapping, r.Delay))
	}
	return errors.Join(append(all, p.checkSingle()...)...)
}

// checkSingle checks the knobs that have one rule.
func (p Plan) checkSingle() []error {
	var all []error
	if p.Token != nil && p.Token.Lifetime <= 0 {
		all = append(all, errors.New("token: the lifetime has to be more than nothing"))
	}
	if p.ShutdownLag != nil {
		all = append(all, p.ShutdownLag.check())
	}
	if p.Visibility != nil {
		for _, r := range []*Range{p.Visibility.ByID, p.Visibility.ByFilter} {
			if r != nil {
				all = append(all, r.check())
			}
		}
	}
	if t := p.Throttle; t != nil {
		if t.Neighbour < 0 || t.Neighbour >= 1 {
			all = append(all, fmt.Errorf("throttle: a neighbour cannot take %v of all tokens", t.Neighbour))
		}
		for action, b := range t.Buckets {
			all = append(all, notNegative("the bucket of "+action, min(b.Size, b.Refill)))
		}
		for action, b := range t.Resources {
			all = append(all, oneOf(action, runInstances, terminateInstances), notNegative("the bucket of "+action, min(b.Size, b.Refill)))
		}
	}
	return all
}

func (w When) check() error {
	switch {
	case w.After < 0 || w.For < 0:
		return errors.New("times cannot be negative")
	case w.Share < 0 || w.Share > 1:
		return fmt.Errorf("share %v is not between 0 and 1", w.Share)
	case len(w.Nth) > 0 && w.Share > 0:
		return errors.New("nth and share exclude one another")
	case slices.ContainsFunc(w.Nth, func(n int) bool { return n < 1 }):
		return errors.New("nth counts from 1")
	case w.Most < 0:
		return errors.New("most cannot be negative")
	}
	return nil
}

// pools refuses what means nothing for pools, which are not counted.
func pools(w When) error {
	if len(w.Nth) > 0 || w.Most > 0 {
		return errors.New("pools have no numbers: use share")
	}
	return nil
}

// once refuses what means nothing for what happens at one moment.
func once(w When) error {
	if w.For > 0 {
		return errors.New("an event has no duration")
	}
	return nil
}

func delayed(needed bool, d Duration) error {
	if needed != (d > 0) {
		return errors.New("a delay belongs to what is late, slow or flapping, and to nothing else")
	}
	return nil
}

func oneOf(value string, allowed ...string) error {
	if !slices.Contains(allowed, value) {
		return fmt.Errorf("%q is not one of %q", value, allowed)
	}
	return nil
}

func notNegative(what string, value float64) error {
	if value < 0 {
		return fmt.Errorf("%s cannot be negative", what)
	}
	return nil
}
