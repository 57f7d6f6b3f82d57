package live

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/kerf-autoscaler/kerf/test/chaos/line"
)

// margin is the time between the end of a leader who does not get the lease renewed and the beginning of the next. The API server
// cannot tell late calls of the one from those of the other, so calls may be late by less; AWS can, by their tokens.
const margin = leaseDuration - renewDeadline

// court is what the processes of a world have in common: which troubles have begun, and which have struck.
type court struct {
	plan *Plan
	// ended is told of a process that a trouble ends.
	ended func(*process, Trouble)
	// outside carries out what happens to the cluster itself.
	outside func(Trouble)

	mu    sync.Mutex
	dice  dice
	armed bool
	// over says that nothing goes wrong any more.
	over bool
	// calls counts those at which something may begin.
	calls int
	// actions maps a verb -> how many of the calls have it.
	actions map[string]int
	// began maps the index of a trouble -> when it did.
	began map[int]time.Time
	// late are the processes that do not get their lease renewed -> how late their calls are.
	late map[*process]time.Duration
	hits map[Class]int
	// deleted are the names of pods that kerf has asked to delete, without leave of the eviction API.
	deleted map[string]bool
}

func newCourt(plan *Plan, ended func(*process, Trouble), outside func(Trouble)) *court {
	return &court{
		plan: plan, ended: ended, outside: outside, dice: newDice(plan.Seed, 4), began: map[int]time.Time{}, late: map[*process]time.Duration{},
		hits: map[Class]int{}, actions: map[string]int{}, deleted: map[string]bool{},
	}
}

// judge is the court for one process.
type judge struct {
	*court
	process *process
}

var _ line.Judge = (*judge)(nil)

// Decide says what becomes of a call.
func (j *judge) Decide(call line.Call) line.Verdict {
	j.mu.Lock()
	defer j.mu.Unlock()
	if call.Far == line.API && call.Resource == "pods" && call.Verb == http.MethodDelete {
		j.deleted[call.Name] = true
	}
	if call.Counts() && call.Write {
		j.process.wrote(time.Now())
	}
	if !j.armed || j.over {
		return line.Verdict{}
	}
	if call.Counts() {
		j.calls++
		j.actions[call.Verb]++
		if verdict, ends := j.begin(call); ends {
			return verdict
		}
	}
	if late, ok := j.late[j.process]; ok {
		switch {
		case call.Resource == "leases":
			return line.Verdict{Status: http.StatusInternalServerError}
		case call.Far == line.API:
			late = min(late, margin/2)
		}
		return line.Verdict{Delay: late}
	}
	return j.strike(call, time.Now())
}

// begin starts the troubles that begin with the call that has just been counted, and reports whether one ends the process.
func (j *judge) begin(call line.Call) (line.Verdict, bool) {
	for i, t := range j.plan.Troubles {
		if !j.began[i].IsZero() || !j.due(t, call) {
			continue
		}
		j.began[i] = time.Now()
		switch {
		case t.Class == HandoverZombie:
			j.late[j.process] = t.Delay
			j.hits[t.Class]++
			j.process.note(t)
		case t.Class == HandoverGraceful:
			j.hits[t.Class]++
			j.process.note(t)
			j.process.end()
		case t.Class == ServerKilled, t.Class == EtcdKilled, t.Class == WebhookDown:
			j.hits[t.Class]++
			j.outside(t)
		case t.Class.end() != line.Never:
			j.hits[t.Class]++
			j.ended(j.process, t)
			return line.Verdict{End: t.Class.end()}, true
		}
	}
	return line.Verdict{}, false
}

// due reports whether it is time for a trouble. A handover is one of who leads.
func (j *judge) due(t Trouble, call line.Call) bool {
	switch {
	case t.Call == 0:
		return false
	case t.Action != "":
		return call.Verb == t.Action && j.actions[t.Action] >= t.Call
	case t.Class == HandoverZombie, t.Class == HandoverGraceful, t.Class == HandoverKilled:
		return j.calls >= t.Call && j.process.leads()
	default:
		return j.calls >= t.Call
	}
}

// strike has the troubles that are there do something to a call.
func (j *judge) strike(call line.Call, now time.Time) line.Verdict {
	for i, t := range j.plan.Troubles {
		if !j.holds(i, now) {
			continue
		}
		verdict, concerned := t.verdict(call)
		if !concerned || t.Share > 0 && j.hits[t.Class] > 0 && j.dice.Float64() >= t.Share { // the first one counts
			continue
		}
		j.hits[t.Class]++
		return verdict
	}
	return line.Verdict{}
}

// holds reports whether a trouble is there now.
func (c *court) holds(i int, now time.Time) bool {
	return !c.over && !c.began[i].IsZero() && now.Sub(c.began[i]) < c.plan.Troubles[i].For
}

// verdict says what a trouble does to a call that it concerns.
func (t Trouble) verdict(call line.Call) (line.Verdict, bool) {
	if t.Class == WatchGone {
		return line.Verdict{Status: http.StatusGone}, call.Watch && call.Since && call.Resource == t.Resource
	}
	own := call.Resource == "leases" || call.Resource == "events"
	concerned := call.Far == line.AWS
	switch t.Class {
	case APILost, APIBusy, APIFails, APISlow:
		concerned = call.Far == line.API && !call.Watch && !own
	}
	switch t.Class {
	case APILost, AWSLost:
		return line.Verdict{Lost: true}, concerned && call.Write
	case APIBusy:
		return line.Verdict{Status: http.StatusTooManyRequests}, concerned
	case APIFails, AWSFails:
		return line.Verdict{Status: http.StatusInternalServerError}, concerned
	case APISlow, AWSSlow:
		return line.Verdict{Delay: t.Delay}, concerned
	default:
		return line.Verdict{}, false
	}
}

// Due says when what has arrived on a watch may be seen, and whether the watch breaks.
func (j *judge) Due(resource string, arrived time.Time) (time.Time, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	due := arrived
	now := time.Now()
	for i, t := range j.plan.Troubles {
		if t.Class == WatchLost && t.Resource == resource && j.missed(i, arrived, now) {
			j.hits[t.Class]++
			return due, true
		}
		if t.Resource != resource || !j.holds(i, now) {
			continue
		}
		switch t.Class {
		case WatchFrozen, WatchLost:
			due = j.began[i].Add(t.For)
		case WatchLate:
			due = arrived.Add(t.Delay)
		case WatchDropped, WatchGone:
			j.hits[t.Class]++
			return due, true
		}
		if due.After(now) && t.Class != WatchLost {
			j.hits[t.Class]++
		}
	}
	return due, false
}

// missed reports whether something arrived while a watch was frozen and has not been shown until the end of that.
func (c *court) missed(i int, arrived, now time.Time) bool {
	from := c.began[i]
	until := from.Add(c.plan.Troubles[i].For)
	return !c.over && !from.IsZero() && !arrived.Before(from) && arrived.Before(until) && !now.Before(until)
}

// arm has troubles begin from now on; calm ends them all.
func (c *court) arm() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armed = true
}

func (c *court) calm() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	clear(c.late)
}

// struck returns how often each class of the plan has struck; counted are the hits of the simulator.
func (c *court) struck(counted map[string]int) map[Class]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	own := map[Class][]string{
		AWSShort: {"ice"}, AWSHidden: {"visibility.id", "visibility.filter"}, AWSThrottled: {"throttle.requests"},
		AWSOdd: {"partial.short", "partial.silent", "partial.duplicate", "partial.untold"},
	}
	out := map[Class]int{}
	for _, t := range c.plan.Troubles {
		out[t.Class] = c.hits[t.Class]
		for _, counter := range own[t.Class] {
			out[t.Class] += counted[counter]
		}
	}
	return out
}

// total is how many calls there were at which something could begin.
func (c *court) total() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls
}

// forced reports whether kerf has asked to delete a pod of the name.
func (c *court) forced(pod string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.deleted[pod]
}

// all reports whether every class of a plan has struck.
func all(struck map[Class]int) bool {
	counts := make([]int, 0, len(struck))
	for _, n := range struck {
		counts = append(counts, n)
	}
	return !slices.Contains(counts, 0)
}
