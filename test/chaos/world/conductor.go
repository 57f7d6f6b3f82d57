package world

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
	"github.com/kerf-autoscaler/kerf/test/chaos/history"
)

const (
	// settled is how long kerf has to have written nothing until the world counts as settled: all that it does again and again on its
	// own it does more often.
	settled = time.Minute
	// granted is how long the promises let kerf take after the last fault, and a moment more: what is judged is judged after it.
	granted = 3*time.Minute + 10*time.Second
	// patience is how long it may take to settle.
	patience = 45 * time.Minute
	// stepsAtOnce bounds what may happen without any time passing: more is a loop without end.
	stepsAtOnce = 200_000
)

// choice is something that could happen next: a call goes on, or a worker takes an item.
type choice struct {
	call  *parked
	queue *queue
	item  reconcile.Request
}

// conduct lets things happen until the world is over.
func (w *World) conduct(ctx context.Context) {
	steps, at := 0, time.Now()
	for w.failed() == nil {
		synctest.Wait()
		w.recordTold()
		now := time.Now()
		if !now.Equal(at) {
			steps, at = 0, now
		}
		if steps++; steps > stepsAtOnce {
			w.fail(fmt.Errorf("more than %d things happened without any time passing", stepsAtOnce))
			return
		}
		next := w.pass(ctx, now)
		if w.over(now) {
			return
		}
		choices, due := w.choices(now)
		if len(choices) == 0 {
			w.sleep(earliest(now.Add(time.Minute), next, due))
			continue
		}
		pick := 0
		if w.plan.Shuffle {
			pick = w.rand.IntN(len(choices))
		}
		w.take(choices[pick])
	}
}

func (w *World) failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failure
}

// sleep waits until a time, or until something happens.
func (w *World) sleep(until time.Time) {
	timer := time.NewTimer(max(time.Until(until), time.Microsecond))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.gate.arrived:
	}
}

// earliest returns the first of the times that are set.
func earliest(times ...time.Time) time.Time {
	var first time.Time
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// pass does what time brings: the plan's steps, the other parts of the cluster, watches, a new process. It returns when there is more.
func (w *World) pass(ctx context.Context, now time.Time) time.Time {
	next := earliest(w.steps(now), w.actors.act(now))
	if w.process == nil && !now.Before(w.revived) {
		if err := w.startProcess(ctx); err != nil {
			w.fail(err)
		}
		synctest.Wait()
	}
	if w.process == nil {
		return earliest(next, w.revived)
	}
	return earliest(next, w.process.cache.Advance(now, kinds()))
}

// choices returns what could happen now, and when more could.
func (w *World) choices(now time.Time) (out []choice, next time.Time) {
	for _, c := range w.gate.list() {
		if c.held.After(now) {
			next = earliest(next, c.held)
			continue
		}
		out = append(out, choice{call: c})
	}
	if w.process == nil {
		return out, next
	}
	for _, q := range w.process.allQueues() {
		items, due := q.ready(now)
		next = earliest(next, due)
		for _, item := range items {
			out = append(out, choice{queue: q, item: item})
		}
	}
	return out, next
}

// take lets a choice happen.
func (w *World) take(c choice) {
	if c.queue != nil {
		c.queue.hand(c.item)
		return
	}
	call := c.call
	if !call.counts {
		w.inRace(call, func() { w.answer(call) })
		if w.doomed != "" && call.key == w.doomed {
			w.doomed = ""
			synctest.Wait()
			w.crash("after " + call.key)
		}
		return
	}
	w.calls++
	w.arrive()
	w.keep(entry{key: call.key})
	action := actionOf(call.key)
	w.actions[action] = append(w.actions[action], w.calls)
	i := slices.IndexFunc(w.plan.Crashes, w.due)
	switch {
	case i < 0:
		w.inRace(call, func() { w.carryOut(call) })
	case w.plan.Crashes[i].Phase == Before:
		w.crash("before " + short(call.key))
	case w.plan.Crashes[i].Phase == Lost:
		w.gate.take(call, decision{err: errDead})
		synctest.Wait()
		w.crash("having lost the answer of " + short(call.key))
	case call.api != nil:
		w.gate.take(call, decision{})
		synctest.Wait()
		w.crash("after " + short(call.key))
	default:
		w.doomed = "answer " + call.key
		w.gate.take(call, decision{})
	}
}

// due reports whether it is the call under way that a crash is at.
func (w *World) due(c Crash) bool {
	if c.Action == "" {
		return c.Call == w.calls
	}
	calls := w.actions[c.Action]
	return len(calls) >= c.Call && calls[c.Call-1]+c.Later == w.calls
}

// actionOf returns what a call is called: the action of AWS, or the verb of the API server.
func actionOf(key string) string {
	_, rest, _ := strings.Cut(key, " ")
	action, _, _ := strings.Cut(rest, " ")
	return action
}

func short(key string) string { return key[:min(len(key), 80)] }

func (w *World) crash(why string) {
	if w.process == nil {
		return
	}
	w.hits[ClassCrash]++
	w.kill(why)
	w.revived = time.Now().Add(w.plan.Restart)
	for i, action := range w.plan.Meanwhile {
		w.mark(history.MarkFault, action)
		if w.actors.do(Step{Action: action, Number: i + w.hits[ClassCrash]}) {
			w.hits[action]++
		}
	}
	w.recordWrites(0)
}

// over reports whether there is nothing more to come: the plan is done, and kerf has settled or had its time.
func (w *World) over(now time.Time) bool {
	if now.Before(w.start.Add(w.plan.calm())) || w.actors.unfinished() {
		return false
	}
	if w.actors.calmed.IsZero() {
		w.keep(entry{over: true})
		w.actors.calmed = now
		w.calmAWS()
		w.actors.keepAll()
		w.actors.makeRoom()
		w.actors.release()
		w.mark(history.MarkCalm, "")
		return false
	}
	since := w.actors.calmed
	if w.actors.drained.After(since) {
		since = w.actors.drained
	}
	quiet := now.Sub(w.lastWrite) >= settled && now.Sub(since) >= settled && !w.actors.busy()
	if !quiet && now.Sub(since) < patience {
		return false
	}
	if w.plan.Drain && w.actors.drained.IsZero() {
		w.keep(entry{over: true})
		w.actors.drain()
		return false
	}
	if now.Sub(w.actors.calmed) < granted {
		return false
	}
	w.mark(history.MarkEnd, "")
	return true
}

// calmAWS ends all that goes wrong at AWS. That its clock is wrong is no fault that ends.
func (w *World) calmAWS() {
	if err := w.sim.SetFaults(faults.Plan{Seed: w.plan.AWS.Seed, ClockOffset: w.plan.AWS.ClockOffset}); err != nil {
		w.fail(err)
	}
}
