// Package messages reads what EventBridge tells of the end of instances. A message says what is to happen to a node, so that nothing is
// believed that is not in the form, and about the account and region, that it ought to be.
package messages

import (
	"fmt"
	"regexp"
	"time"
)

// Kind is what a message is about.
type Kind string

// Kinds.
const (
	// SpotInterrupted: EC2 takes a spot instance away, in two minutes.
	SpotInterrupted Kind = "spot_interrupted"
	// ReservationInterrupted: EC2 takes an instance away whose interruptible reservation its owner wants back, in two minutes.
	ReservationInterrupted Kind = "capacity_reservation_interrupted"
	// Rebalance: a spot instance is likelier than others to be taken away.
	Rebalance Kind = "rebalance_recommendation"
	// Stopping: instances are being stopped, or are.
	Stopping Kind = "instance_stopped"
	// Terminating: instances are being terminated, or are.
	Terminating Kind = "instance_terminated"
	// ScheduledChange: AWS is going to do something to the machines that instances run on.
	ScheduledChange Kind = "scheduled_change"
	// Other is what is well formed and announces no end.
	Other Kind = "no_op"
)

// Kinds returns all of them, in order of precedence for those who list them.
func Kinds() []Kind {
	return []Kind{SpotInterrupted, ReservationInterrupted, Rebalance, Stopping, Terminating, ScheduledChange, Other}
}

// Home is the account and the region that messages have to be about.
type Home struct{ Account, Region string }

// Message is an event that can be believed.
type Message struct {
	Kind Kind
	// ID is EventBridge's; the same event may come several times.
	ID string
	// Time is when the event happened, by the clock of its source.
	Time time.Time
	// Over is when what a ScheduledChange announces is over; zero where that is not told.
	Over time.Time
	// Instances are the ids of those that it is about, each once, in the order of the event; empty for Other.
	Instances []string
}

// Reason is why a message is worth nothing, as metrics tell.
type Reason string

// Reasons.
const (
	// Malformed: it is no event of the form that its kind has.
	Malformed Reason = "malformed"
	// ForeignSource: it does not come from the service that tells of such things.
	ForeignSource Reason = "foreign_source"
	// ForeignAccount and ForeignRegion: it is about instances elsewhere.
	ForeignAccount Reason = "foreign_account"
	ForeignRegion  Reason = "foreign_region"
)

// WorthlessError says why a message is dropped. It repeats nothing of the message that could be of any length.
type WorthlessError struct {
	Reason Reason
	Detail string
}

func (e *WorthlessError) Error() string { return fmt.Sprintf("%s: %s", e.Reason, e.Detail) }

func worthless(reason Reason, format string, args ...any) error {
	return &WorthlessError{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

// shown is how much of a foreign word an error repeats, in bytes.
const shown = 64

// quoted returns a word of the message in a form that is safe to log.
func quoted(word string) string {
	if len(word) > shown {
		return fmt.Sprintf("%q...", word[:shown])
	}
	return fmt.Sprintf("%q", word)
}

// instanceID is the form of EC2's ids: eight hexadecimal digits in old ones, seventeen in those of today.
var instanceID = regexp.MustCompile(`^i-([0-9a-f]{8}|[0-9a-f]{17})$`)
