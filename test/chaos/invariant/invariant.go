// Package invariant judges histories: each promise of kerf is one pure function, which returns where the promise was broken.
//
// One promise is not judged here, as no history of one process in memory could break it: that only the leader acts.
package invariant

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kerf-autoscaler/kerf/test/chaos/history"
)

// Violation is where a promise was broken.
type Violation struct {
	Invariant string
	At        time.Time
	Text      string
}

// String says what was broken.
func (v Violation) String() string {
	return fmt.Sprintf("%s at %s: %s", v.Invariant, v.At.UTC().Format("15:04:05.000"), v.Text)
}

// Invariant is one promise.
type Invariant struct {
	Name string
	// Check returns where a history breaks the promise.
	Check func(*history.History) []Violation
}

// All returns all promises.
func All() []Invariant {
	return []Invariant{
		{OneInstance, oneInstance},
		{NoLeak, noLeak},
		{IntentFirst, intentFirst},
		{NoHealthyKill, noHealthyKill},
		{AbsenceIsNoEvidence, absenceIsNoEvidence},
		{NoDoubleProvisioning, noDoubleProvisioning},
		{LimitsHold, limitsHold},
		{BoundedCalls, boundedCalls},
		{ExactEvictions, exactEvictions},
		{FinalizerOrder, finalizerOrder},
		{Reversible, reversible},
		{ReplacedBefore, replacedBefore},
		{NoSurplus, noSurplus},
		{EventuallyStable, eventuallyStable},
		{BlastRadius, blastRadius},
		{NothingLost, nothingLost},
		{Undisturbed, undisturbed},
		{EmptyWhenDeleted, emptyWhenDeleted},
		{EmptyForItsTime, emptyForItsTime},
	}
}

// Judge returns all that a history breaks, in order of time.
func Judge(h *history.History) []Violation {
	var out []Violation
	for _, invariant := range All() {
		out = append(out, invariant.Check(h)...)
	}
	slices.SortStableFunc(out, func(a, b Violation) int { return a.At.Compare(b.At) })
	return out
}

// Names of the promises.
const (
	OneInstance          = "one live instance per machine"
	NoLeak               = "no leak"
	IntentFirst          = "intent first"
	NoHealthyKill        = "no healthy kill"
	AbsenceIsNoEvidence  = "absence is no evidence"
	NoDoubleProvisioning = "no double provisioning"
	LimitsHold           = "limits hold"
	BoundedCalls         = "bounded calls"
	ExactEvictions       = "exact evictions"
	FinalizerOrder       = "finalizer order"
	Reversible           = "reversible"
	ReplacedBefore       = "replaced before"
	NoSurplus            = "no surplus"
	EventuallyStable     = "eventually stable"
	BlastRadius          = "blast radius"
	NothingLost          = "nothing lost"
	Undisturbed          = "undisturbed"
	EmptyWhenDeleted     = "empty when deleted"
	EmptyForItsTime      = "empty for its time"
)

// finding collects violations of one promise.
type finding struct {
	name string
	out  []Violation
	told map[string]bool
}

func find(name string) *finding { return &finding{name: name, told: map[string]bool{}} }

// add notes a violation, once for each subject.
func (f *finding) add(at time.Time, subject, format string, args ...any) {
	if f.told[subject] {
		return
	}
	f.told[subject] = true
	f.out = append(f.out, Violation{Invariant: f.name, At: at, Text: strings.TrimSpace(fmt.Sprintf(format, args...))})
}
