package interruption

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/messages"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func noon() time.Time { return time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC) }

func leaving(m *v1alpha5.Machine) { m.DeletionTimestamp = &metav1.Time{Time: noon()} }

// lent and bought are spot instances and others.
func lent(m *v1alpha5.Machine) { m.Labels[v1alpha5.CapacityTypeLabel] = v1alpha5.CapacityTypeSpot }

func bought(m *v1alpha5.Machine) {
	m.Labels[v1alpha5.CapacityTypeLabel] = v1alpha5.CapacityTypeOnDemand
}

// told is what a Machine remembers.
func told(reason string, deadline time.Time) builders.MachineModifier {
	return func(m *v1alpha5.Machine) {
		m.Annotations = map[string]string{v1alpha5.InterruptedAnnotation: reason}
		if !deadline.IsZero() {
			m.Annotations[v1alpha5.TerminationDeadlineAnnotation] = deadline.Format(time.RFC3339)
		}
	}
}

func TestWhatAMessageMeansToAMachine(t *testing.T) {
	const spot = v1alpha5.ReasonSpotInterrupted
	by := noon().Add(110 * time.Second)
	for name, tc := range map[string]struct {
		kind    messages.Kind
		age     time.Duration
		machine []builders.MachineModifier
		replace bool
		want    decision
	}{
		"a warning": {kind: messages.SpotInterrupted, want: decision{reason: spot, mark: true, remove: true, deadline: by}},
		"a warning that was under way": {
			kind: messages.SpotInterrupted, age: 30 * time.Second, want: decision{reason: spot, mark: true, remove: true, deadline: by.Add(-30 * time.Second)}},
		"a warning from the future":          {kind: messages.SpotInterrupted, age: -time.Hour, want: decision{reason: spot, mark: true, remove: true, deadline: by}},
		"a warning that is over":             {kind: messages.SpotInterrupted, age: 5 * time.Minute, want: decision{reason: spot, remove: true, deadline: by}},
		"a warning whose notice is not over": {kind: messages.SpotInterrupted, age: 2*time.Minute - 1, want: decision{reason: spot, mark: true, remove: true, deadline: by}},
		"a warning whose notice just is":     {kind: messages.SpotInterrupted, age: 2 * time.Minute, want: decision{reason: spot, remove: true, deadline: by}},
		"an old warning while it is drained": {
			kind: messages.SpotInterrupted, age: 5 * time.Minute, machine: []builders.MachineModifier{told(v1alpha5.ReasonRebalance, by), leaving}},
		"a warning again": {kind: messages.SpotInterrupted, machine: []builders.MachineModifier{told(spot, by), leaving}},
		"a warning again that came from the future": {
			kind: messages.SpotInterrupted, age: -time.Hour, machine: []builders.MachineModifier{told(spot, by.Add(-time.Minute)), leaving}},
		"a warning again that was not carried out": {
			kind: messages.SpotInterrupted, machine: []builders.MachineModifier{told(spot, by)}, want: decision{reason: spot, remove: true}},
		"a warning while it is drained": {
			kind: messages.SpotInterrupted, machine: []builders.MachineModifier{leaving}, want: decision{reason: spot, mark: true, deadline: by}},
		"a warning after a recommendation": {
			kind: messages.SpotInterrupted, machine: []builders.MachineModifier{told(v1alpha5.ReasonRebalance, time.Time{}), leaving},
			want: decision{reason: spot, mark: true, deadline: by}},
		"a warning about what is not lent":        {kind: messages.SpotInterrupted, machine: []builders.MachineModifier{bought}},
		"a recommendation about what is not lent": {kind: messages.Rebalance, replace: true, machine: []builders.MachineModifier{bought}},
		"a reservation": {
			kind: messages.ReservationInterrupted, want: decision{reason: v1alpha5.ReasonReservationInterrupted, remove: true, deadline: by}},
		"a recommendation":               {kind: messages.Rebalance, want: decision{reason: v1alpha5.ReasonRebalance}},
		"a recommendation to be heeded":  {kind: messages.Rebalance, replace: true, want: decision{reason: v1alpha5.ReasonRebalance, remove: true}},
		"a recommendation too late":      {kind: messages.Rebalance, replace: true, machine: []builders.MachineModifier{leaving}},
		"it stops":                       {kind: messages.Stopping, want: decision{reason: v1alpha5.ReasonInstanceStopping, remove: true}},
		"it ends":                        {kind: messages.Terminating, want: decision{reason: v1alpha5.ReasonInstanceTerminating, remove: true}},
		"kerf ends it":                   {kind: messages.Terminating, machine: []builders.MachineModifier{leaving}},
		"maintenance":                    {kind: messages.ScheduledChange, want: decision{reason: v1alpha5.ReasonInstanceUnhealthy, remove: true}},
		"maintenance of what goes":       {kind: messages.ScheduledChange, machine: []builders.MachineModifier{leaving}},
		"something else":                 {kind: messages.Other},
		"what there will be in a decade": {kind: messages.Kind("brain_drain")},
	} {
		t.Run(name, func(t *testing.T) {
			message := &messages.Message{Kind: tc.kind, Time: noon().Add(-tc.age)}
			got := decide(message, builders.Machine("m", "default", append([]builders.MachineModifier{lent}, tc.machine...)...), tc.replace, noon())
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(decision{})); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatIsLongPastIsStale(t *testing.T) {
	for name, tc := range map[string]struct {
		kind messages.Kind
		age  time.Duration
		want bool
	}{
		"now":                              {messages.SpotInterrupted, 0, false},
		"a recommendation of an hour ago":  {messages.Rebalance, time.Hour, true},
		"a reservation of an hour ago":     {messages.ReservationInterrupted, time.Hour, true},
		"in time":                          {messages.SpotInterrupted, 10 * time.Minute, false},
		"too late":                         {messages.SpotInterrupted, 10*time.Minute + 1, true},
		"a state of yesterday":             {messages.Stopping, 24 * time.Hour, true},
		"a change announced yesterday":     {messages.ScheduledChange, 24 * time.Hour, false},
		"a change announced long ago":      {messages.ScheduledChange, 15 * 24 * time.Hour, true},
		"by a clock that is ahead of ours": {messages.SpotInterrupted, -time.Hour, false},
	} {
		if got := stale(&messages.Message{Kind: tc.kind, Time: noon().Add(-tc.age)}, noon()); got != tc.want {
			t.Errorf("%s: stale %t, want %t", name, got, tc.want)
		}
	}
}

// Whatever comes in whatever order, and whenever the process ends between two writes: a Machine is deleted once, a deadline never
// moves back nor lies beyond the time that EC2 leaves, and a message that comes again changes nothing.
func TestAnyHistoryOfMessagesKeepsThePromises(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 3))
		m := builders.Machine("m", "default")
		now, deletions := noon(), 0
		var history []messages.Message
		for range 30 {
			now = now.Add(time.Duration(r.IntN(20)) * time.Second)
			kinds := messages.Kinds()
			message := messages.Message{Kind: kinds[r.IntN(len(kinds))], Time: now.Add(time.Duration(r.IntN(400)-200) * time.Second)}
			if len(history) > 0 && r.IntN(2) == 0 {
				message = history[r.IntN(len(history))]
			}
			history = append(history, message)
			before := m.ReclaimTime()
			d := decide(&message, m, seed%2 == 0, now)
			crash := r.IntN(4) == 0
			if d.remove || d.mark || !d.deadline.IsZero() {
				remembered := m.ReclaimTime()
				if !d.deadline.IsZero() {
					remembered = d.deadline
				}
				told(d.reason, remembered)(m)
			}
			if d.remove && !crash {
				deletions++
				m.DeletionTimestamp = &metav1.Time{Time: now}
			}
			after := m.ReclaimTime()
			if !before.IsZero() && after.After(before) || after.After(now.Add(notice-margin)) && before.IsZero() {
				t.Fatalf("seed %d: the deadline was %s and is %s at %s", seed, before, after, now)
			}
			if again := decide(&message, m, seed%2 == 0, now); !crash && !again.nothing() && message.Kind != messages.Rebalance {
				t.Fatalf("seed %d: %+v is done again as %+v", seed, message, again)
			}
		}
		if deletions > 1 {
			t.Errorf("seed %d: deleted %d times", seed, deletions)
		}
	}
}

func TestAChangeThatIsOverIsStale(t *testing.T) {
	for name, tc := range map[string]struct {
		over time.Time
		want bool
	}{
		"it does not say until when": {time.Time{}, false},
		"it is going on":             {noon().Add(time.Second), false},
		"it is over":                 {noon().Add(-time.Second), true},
	} {
		if got := stale(&messages.Message{Kind: messages.ScheduledChange, Time: noon().Add(-time.Hour), Over: tc.over}, noon()); got != tc.want {
			t.Errorf("%s: stale %t, want %t", name, got, tc.want)
		}
	}
}
