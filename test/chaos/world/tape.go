package world

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/kerf-autoscaler/kerf/test/chaos/apiserver"
	"github.com/kerf-autoscaler/kerf/test/chaos/history"
)

// Tape is what the first process of a run did to its world. Of a process that ends nothing else is left: to play the tape up to a call
// leaves the same world behind as to have kerf decide it all again, and takes a fraction of the time.
type Tape struct{ entries []entry }

// entry is one thing that the process did, or that was done because it had settled.
type entry struct {
	at time.Duration
	// key tells the call at which a process can end; "" for what is none. call counts those so far.
	key  string
	call int
	// answered is the call whose answer arrived; 0 for none.
	answered int
	// over says that the plan went on, as kerf had settled.
	over bool
	mark *history.Mark
	told []history.Event
	// changes are what came of a write to the API server, uids how many UIDs there were then.
	changes []apiserver.Change
	uids    int
	// request is a call of AWS.
	request *http.Request
	body    []byte
}

// Record carries out a plan without crashes, and keeps what the process did.
func Record(t *testing.T, plan Plan) (Result, *Tape) {
	t.Helper()
	tape := &Tape{}
	return inBubble(t, plan, func(w *World) { w.tape = tape }), tape
}

// Resume carries out a plan whose first crash is at a call of a run that is on tape, which went by the same plan up to there.
func Resume(t *testing.T, plan Plan, tape *Tape) Result {
	t.Helper()
	return inBubble(t, plan, func(w *World) { w.play(tape, plan.Crashes[0]) })
}

// keep puts an entry on the tape, if one is kept.
func (w *World) keep(e entry) {
	if w.tape != nil {
		e.at, e.call = w.since(), w.calls
		w.tape.entries = append(w.tape.entries, e)
	}
}

// keepWrites puts what was written since onto the tape, as what came of the call that is being carried out.
func (w *World) keepWrites(since int) {
	if w.tape != nil {
		last := &w.tape.entries[len(w.tape.entries)-1]
		last.changes, last.uids = append(last.changes, w.store.Changes()[since:]...), w.store.UIDs()
	}
}

// keepRequest puts a call of AWS onto the tape.
func (w *World) keepRequest(r *http.Request, body []byte, counts bool) {
	if w.tape == nil {
		return
	}
	if !counts {
		w.keep(entry{})
	}
	last := &w.tape.entries[len(w.tape.entries)-1]
	last.request, last.body = r.Clone(context.Background()), body
}

// play has what is on the tape happen again, up to the crash.
func (w *World) play(tape *Tape, crash Crash) {
	w.processes = 1
	w.process = &process{world: w, number: 1, end: func() {}}
	for i := range tape.entries {
		e := &tape.entries[i]
		w.await(w.start.Add(e.at), len(e.told) > 0)
		w.calls = e.call
		here := e.key != "" && e.call == crash.Call
		if here && crash.Phase == Before {
			w.crash("before " + short(e.key))
			return
		}
		if err := w.redo(e, here && crash.Phase == Lost); err != nil {
			w.fail(fmt.Errorf("playing the tape at %s: %w", e.at, err))
			return
		}
		switch {
		case here && crash.Phase == Lost:
			w.crash("having lost the answer of " + short(e.key))
			return
		case here && crash.Phase == After && e.request == nil, crash.Phase == After && e.answered == crash.Call:
			w.crash("after call " + fmt.Sprint(crash.Call))
			return
		}
	}
	w.fail(fmt.Errorf("the tape ends before call %d", crash.Call))
}

// await lets the rest of the world go on until a time, and unless it is early do what it does at that time.
func (w *World) await(at time.Time, early bool) {
	for w.failed() == nil {
		now := time.Now()
		if early && !now.Before(at) {
			return
		}
		next := earliest(w.steps(now), w.actors.act(now))
		if !now.Before(at) {
			return
		}
		w.sleep(earliest(at, next))
	}
}

// redo has an entry happen again. Its answer may be lost now.
func (w *World) redo(e *entry, lost bool) error {
	if e.mark != nil {
		w.mark(e.mark.Name, e.mark.Detail)
	}
	for _, told := range e.told {
		w.record(told)
	}
	if e.over {
		w.over(time.Now())
	}
	for _, change := range e.changes {
		if err := w.store.Redo(change, e.uids); err != nil {
			return err
		}
	}
	w.recordWrites(w.processes)
	if e.request != nil {
		call := callOf(e.request, e.body)
		w.process.serve(e.request.Context(), e.request, e.body, call)
		call.Lost = lost
	}
	return nil
}
