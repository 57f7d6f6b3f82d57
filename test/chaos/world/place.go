package world

import (
	"strings"
	"testing/synctest"
	"time"
)

// State is what a process that ends leaves behind, as far as the next one can tell: the same clock, the same objects and the same
// account. Without other faults two processes that leave the same state behind are followed by the same, but for the order that is drawn.
type State struct {
	At time.Duration
	// Revision is how many writes the store has seen, Orders how many calls of AWS that may have changed something.
	Revision, Orders int
}

// Place is a call at which a process can end, and what it leaves behind in each phase.
type Place struct{ Before, Lost, After State }

// In returns what is left behind in a phase.
func (p Place) In(phase Phase) State {
	switch phase {
	case Before:
		return p.Before
	case Lost:
		return p.Lost
	default:
		return p.After
	}
}

func (w *World) state() State {
	return State{At: w.since(), Revision: len(w.store.Changes()), Orders: w.orders}
}

// arrive notes that a call is about to be made at which a process can end.
func (w *World) arrive() { w.places = append(w.places, Place{Before: w.state()}) }

// carryOut lets a call go on, and notes what that made of the world.
func (w *World) carryOut(call *parked) {
	w.gate.take(call, w.decide(call))
	synctest.Wait()
	if call.api == nil && !reads(actionOf(call.key)) {
		w.orders++
	}
	place := &w.places[len(w.places)-1]
	place.Lost, place.After = w.state(), w.state()
	if call.api == nil {
		w.answered["answer "+call.key] = len(w.places) - 1
	}
}

// answer lets an answer of AWS arrive.
func (w *World) answer(call *parked) {
	i, counted := w.answered[call.key]
	if counted {
		w.keep(entry{answered: i + 1})
	}
	w.gate.take(call, decision{})
	if counted {
		synctest.Wait()
		w.places[i].After = w.state()
		delete(w.answered, call.key)
	}
}

// reads reports whether an action of AWS changes nothing.
func reads(action string) bool {
	for _, prefix := range []string{"Describe", "Get", "GET"} {
		if strings.HasPrefix(action, prefix) {
			return true
		}
	}
	return false
}
