// Package permission finds out what AWS does not let kerf do, before a launch or a termination fails for it.
package permission

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/awserr"
)

// Probe asks AWS whether it would let kerf do something, without doing it.
type Probe struct {
	// Action that is tried, e.g. ec2:RunInstances.
	Action string
	// Dry says that it is a dry run, which is never answered by success.
	Dry bool
	// Lasting says that the answer hangs on nothing but the policy: once granted, it is not asked again for an hour. Each dry run is an
	// error in the account's trail.
	Lasting bool
	Try     func(context.Context) error
}

// Missing is a permission that AWS refuses.
type Missing struct {
	// Action that would have to be allowed, e.g. iam:PassRole.
	Action string
	// Tried is the action whose trial told; others belong to it.
	Tried string
	// Message is what AWS says.
	Message string
}

func (m Missing) String() string {
	if m.Tried == m.Action {
		return m.Action
	}
	return fmt.Sprintf("%s (for %s)", m.Action, m.Tried)
}

// List is what is missing, in order of action.
type List []Missing

// String names the actions.
func (l List) String() string {
	names := make([]string, 0, len(l))
	for _, m := range l {
		names = append(names, m.String())
	}
	return strings.Join(names, ", ")
}

// Ledger holds what was found out last, and tells in the log what changes. It is safe for concurrent use.
type Ledger struct {
	clock clock.PassiveClock
	mu    sync.Mutex
	found map[string]finding // by what was looked at, "" for what is the same for all
}

// finding is what is known of a subject.
type finding struct {
	missing List
	// told holds the actions whose trial has ever had a clear answer, granted when those that last were granted.
	told    map[string]bool
	granted map[string]time.Time
	// open are those of the last check that AWS has said nothing of yet, in order.
	open []string
}

// believed is for how long what AWS has granted is taken for granted.
const believed = time.Hour

// NewLedger returns a ledger of which nothing is known.
func NewLedger(clock clock.PassiveClock) *Ledger {
	return &Ledger{clock: clock, found: map[string]finding{}}
}

// Check makes the trials and keeps what they tell of the subject. A trial without a clear answer leaves what was known before.
// The error is of credentials that AWS does not take at all: then nothing is told of permissions.
func (l *Ledger) Check(ctx context.Context, subject string, probes []Probe) error {
	l.mu.Lock()
	found := l.found[subject]
	l.mu.Unlock()
	before, told, granted := found.missing, map[string]bool{}, map[string]time.Time{}
	maps.Copy(told, found.told)
	maps.Copy(granted, found.granted)
	var now List
	var open []string
	for _, p := range probes {
		if at, ok := granted[p.Action]; ok && l.clock.Since(at) < believed {
			continue
		}
		err := p.Try(ctx)
		missing, verdict := judge(p, err)
		switch verdict {
		case refused:
			now = append(now, missing)
			delete(granted, p.Action)
		case unclear:
			now = append(now, slices.DeleteFunc(slices.Clone(before), func(m Missing) bool { return m.Tried != p.Action })...)
			if !told[p.Action] && awserr.Passing(err) {
				open = append(open, p.Action)
			}
			continue
		case unknown:
			return awserr.Explain(p.Action, err)
		case allowed:
			if p.Lasting {
				granted[p.Action] = l.clock.Now()
			}
		}
		told[p.Action] = true
	}
	slices.Sort(open)
	slices.SortFunc(now, func(a, b Missing) int { return strings.Compare(a.String(), b.String()) })
	now = slices.CompactFunc(now, func(a, b Missing) bool { return a.String() == b.String() })
	l.mu.Lock()
	l.found[subject] = finding{missing: now, told: told, granted: granted, open: open}
	l.mu.Unlock()
	tell(ctx, subject, before, now)
	return nil
}

// Missing returns what is missing for the subject; false where it was never checked.
func (l *Ledger) Missing(subject string) (List, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	found, ok := l.found[subject]
	return found.missing, ok
}

// Open returns the actions of the subject of which AWS has not said yet whether they are allowed: it did not answer, or had too many
// requests, each time.
func (l *Ledger) Open(subject string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.found[subject].open
}

// Forget drops a subject that is gone.
func (l *Ledger) Forget(subject string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.found, subject)
}

// tell writes one line for each permission that has gone missing or has come.
func tell(ctx context.Context, subject string, before, now List) {
	logger := log.FromContext(ctx)
	if subject != "" {
		logger = logger.WithValues("template", subject)
	}
	lacks := func(list List, m Missing) bool {
		return slices.ContainsFunc(list, func(o Missing) bool { return o.String() == m.String() })
	}
	for _, m := range now {
		if !lacks(before, m) {
			logger.Info("AWS permission is missing: add it to the policy of kerf's role", "action", m.Action, "tried", m.Tried, "answer", m.Message)
		}
	}
	for _, m := range before {
		if !lacks(now, m) {
			logger.Info("AWS permission is no longer missing", "action", m.Action, "tried", m.Tried)
		}
	}
}

// verdict is what the answer to a trial means.
type verdict int

const (
	// allowed: AWS would have done it, or has done what is no dry run.
	allowed verdict = iota
	// refused: it may not be done.
	refused
	// unclear: AWS did not say. That something else is wrong says nothing of permissions: it may be looked at before them.
	unclear
	// unknown: AWS does not take the credentials.
	unknown
)

// named finds the action in the words of AWS: a trial may fail for another one that belongs to it.
var named = regexp.MustCompile(`not authorized to perform: ([a-z0-9-]+:[A-Za-z]+)`)

func judge(p Probe, err error) (Missing, verdict) {
	switch {
	case awserr.WouldSucceed(err) || err == nil && !p.Dry:
		return Missing{}, allowed
	case awserr.NotPermitted(err):
		m := Missing{Action: p.Action, Tried: p.Action, Message: awserr.Text(err)}
		if found := named.FindStringSubmatch(m.Message); found != nil {
			m.Action = found[1]
		}
		return m, refused
	case awserr.Is(err, awserr.Denied):
		return Missing{}, unknown
	default:
		return Missing{}, unclear
	}
}
