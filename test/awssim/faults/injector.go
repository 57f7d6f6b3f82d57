package faults

import (
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"
)

// Counters that are not a knob's name and the kind of its rule, such as ambiguous.drop.
const (
	TokenReplayed      = "token.replayed"  // a token's first answer was returned again
	TokenMismatch      = "token.mismatch"  // a token was refused for other parameters
	TokenForgotten     = "token.forgotten" // a token was too old to be known
	VisibilityByID     = "visibility.id"
	VisibilityByFilter = "visibility.filter"
	FlapHit            = "flap"
	EmptyHit           = "empty"
	PartialHit         = "partial." // and the kind: the answer is another one than without it
	ICEHit             = "ice"      // a launch was refused for lack of capacity
	ThrottledRequests  = "throttle.requests"
	ThrottledResources = "throttle.resources"
	ShutdownLagHit     = "shutdownLag"
	ClockHit           = "clock" // answers with a shifted Date
	IAMDenied          = "iam.denied"
	Reclaimed          = "event.reclaim" // spot ended after its warning
)

// Report is the plan in force and what has come of it and its predecessors.
type Report struct {
	Plan Plan `json:"plan"`
	// Hits maps counter -> how often the fault took effect.
	Hits map[string]int `json:"hits"`
}

// Injector makes the decisions of a plan. It is safe for concurrent use.
type Injector struct {
	mu      sync.Mutex
	plan    Plan
	began   time.Time
	asked   map[string]int     // stream -> decisions so far
	took    map[string]int     // rule -> times that it took effect
	buckets map[string]*bucket // action or resource -> tokens
	past    map[int]bool       // events that have happened
	hits    map[string]int
}

// NewInjector makes an injector of an empty plan.
func NewInjector() *Injector {
	i := &Injector{hits: map[string]int{}}
	i.reset(Plan{}, time.Time{})
	return i
}

// Set puts another plan in force, from now on. Hits are kept; everything else begins anew.
func (i *Injector) Set(plan Plan, now time.Time) error {
	if err := plan.Check(); err != nil {
		return fmt.Errorf("checking the plan of faults: %w", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.reset(plan, now)
	return nil
}

func (i *Injector) reset(plan Plan, now time.Time) {
	i.plan, i.began = plan, now
	i.asked, i.took, i.past = map[string]int{}, map[string]int{}, map[int]bool{}
	i.buckets = map[string]*bucket{}
}

// Report tells the plan and its hits so far.
func (i *Injector) Report() Report {
	i.mu.Lock()
	defer i.mu.Unlock()
	return Report{Plan: i.plan, Hits: maps.Clone(i.hits)}
}

// Hit counts a fault that somebody else has carried out.
func (i *Injector) Hit(counter string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.hits[counter]++
}

// elapsed is the age of the plan. The caller holds the lock.
func (i *Injector) elapsed(now time.Time) time.Duration { return now.Sub(i.began) }

// strikes says whether a rule takes effect on a call, which gets the next number of its stream whether it does or not. The caller holds the lock.
func (i *Injector) strikes(rule string, w When, action string, now time.Time) bool {
	if !w.holds(i.elapsed(now)) {
		return false
	}
	stream := rule + "/" + action
	i.asked[stream]++
	return w.picks(i.plan.Seed, stream, i.asked[stream]) && i.take(rule, w)
}

// take uses one of the times that a rule may take effect. The caller holds the lock.
func (i *Injector) take(rule string, w When) bool {
	if w.Most > 0 && i.took[rule] >= w.Most {
		return false
	}
	i.took[rule]++
	return true
}

func rule(knob string, index int) string { return fmt.Sprintf("%s/%d", knob, index) }

// matches says whether a list of services, actions or both names a call; an empty one names all.
func matches(list []string, service, action string) bool {
	for _, entry := range list {
		if entry == service || entry == action || entry == service+":"+action {
			return true
		}
	}
	return len(list) == 0
}

// changes says whether an action is none of those that only read.
func changes(action string) bool {
	return !strings.HasPrefix(action, "Describe") && !strings.HasPrefix(action, "Get") && !strings.HasPrefix(action, "List")
}
