package disruption_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kerf-autoscaler/kerf/pkg/disruption"
)

func now() time.Time { return time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC) }

// empty returns a machine that has been empty for a minute, of a provisioner that gives it half of that.
func empty(name string, changes ...func(*disruption.Candidate)) disruption.Candidate {
	ttl := 30 * time.Second
	c := disruption.Candidate{
		Machine: name, Node: "node-of-" + name, Provisioner: "default", TTLAfterEmpty: &ttl,
		EmptySince: now().Add(-time.Minute), PricePerHour: 0.0416,
	}
	for _, change := range changes {
		change(&c)
	}
	return c
}

func TestEmptyMachinesGo(t *testing.T) {
	ttl := func(d time.Duration) func(*disruption.Candidate) {
		return func(c *disruption.Candidate) { c.TTLAfterEmpty = &d }
	}
	tests := map[string]struct {
		candidate disruption.Candidate
		want      bool
	}{
		"empty for longer than asked":         {empty("m"), true},
		"empty for exactly as long":           {empty("m", ttl(time.Minute)), true},
		"empty for a nanosecond less":         {empty("m", ttl(time.Minute+1)), false},
		"no time to live":                     {empty("m", func(c *disruption.Candidate) { c.TTLAfterEmpty = nil }), false},
		"a time to live of 0":                 {empty("m", ttl(0)), true},
		"a time to live of 0 and not empty":   {empty("m", ttl(0), func(c *disruption.Candidate) { c.EmptySince = time.Time{} }), false},
		"a time to live of 0, empty just now": {empty("m", ttl(0), func(c *disruption.Candidate) { c.EmptySince = now() }), true},
		"not empty":                           {empty("m", func(c *disruption.Candidate) { c.EmptySince = time.Time{} }), false},
		"pods are expected":                   {empty("m", func(c *disruption.Candidate) { c.Nominated = true }), false},
		"its owner keeps it":                  {empty("m", func(c *disruption.Candidate) { c.Protected = true }), false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := disruption.Emptiness(t.Context(), &disruption.Input{Now: now(), Candidates: []disruption.Candidate{tc.candidate}})
			if (len(got.Commands) == 1) != tc.want {
				t.Errorf("commands are %v, want one: %t", got.Commands, tc.want)
			}
		})
	}
}

func TestACommandNamesTheMachineAndSaysWhy(t *testing.T) {
	got := disruption.Emptiness(t.Context(), &disruption.Input{Now: now(), Candidates: []disruption.Candidate{empty("m")}}).Commands
	want := []disruption.Command{{
		Machines: []disruption.Target{{Machine: "m", Node: "node-of-m", Provisioner: "default"}}, Reason: "Empty", SavingPerHour: 0.0416,
		Message: "empty for 1m0s, longer than ttlSecondsAfterEmpty 30 of provisioner default; saves $0.0416/h",
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
}

func TestCommandsAreInOrderOfName(t *testing.T) {
	candidates := []disruption.Candidate{empty("c"), empty("a"), empty("b")}
	var got []string
	for _, command := range disruption.Emptiness(t.Context(), &disruption.Input{Now: now(), Candidates: candidates}).Commands {
		got = append(got, command.Machines[0].Machine)
	}
	if strings.Join(got, "") != "abc" {
		t.Errorf("machines go in the order %v", got)
	}
}

func TestTheFirstMethodThatFindsSomethingDecides(t *testing.T) {
	finds := func(names ...string) disruption.Method {
		return func(context.Context, *disruption.Input) disruption.Decision {
			out := disruption.Decision{Refusals: []disruption.Refusal{{Machine: "stays", Reason: strings.Join(names, "+")}}}
			for _, name := range names {
				out.Commands = append(out.Commands, disruption.Command{Machines: []disruption.Target{{Machine: name}}})
			}
			return out
		}
	}
	got := disruption.Decide(t.Context(), &disruption.Input{}, finds(), finds("a", "b"), finds("c"))
	if len(got.Commands) != 2 || got.Commands[0].Machines[0].Machine != "a" {
		t.Errorf("got %v, want the commands of the second method", got.Commands)
	}
	if len(got.Refusals) != 1 || got.Refusals[0].Reason != "" {
		t.Errorf("refusals are %v, want what the first method says of the machine", got.Refusals)
	}
	if got := disruption.Decide(t.Context(), &disruption.Input{}, finds(), finds()); got.Commands != nil {
		t.Errorf("methods that find nothing decided on %v", got.Commands)
	}
}

func TestWhatKeepsAnEmptyMachineIsSaid(t *testing.T) {
	one := map[disruption.Quota]int{{Provisioner: "default", Reason: disruption.ReasonEmpty}: 1}
	got := disruption.Emptiness(t.Context(), &disruption.Input{Now: now(), Allowed: one, Candidates: []disruption.Candidate{
		empty("a", func(c *disruption.Candidate) { c.Protected = true }), empty("b", func(c *disruption.Candidate) { c.Held = "pod x/y stays" }),
		empty("c", func(c *disruption.Candidate) { c.Nominated = true }), empty("d"), empty("e"),
	}})
	var refused []string
	for _, r := range got.Refusals {
		refused = append(refused, r.Machine+" "+r.Reason)
	}
	want := []string{"a Protected", "b Held", "c PodsExpected", "e BudgetUsedUp"}
	if diff := cmp.Diff(want, refused); diff != "" || len(got.Commands) != 1 || got.Commands[0].Machines[0].Machine != "d" {
		t.Errorf("commands %v, refusals (-want +got):\n%s", got.Commands, diff)
	}
}

func TestWhenAMachineIsDue(t *testing.T) {
	candidate := empty("m")
	if due, ok := disruption.EmptyAt(&candidate); !ok || !due.Equal(now().Add(-30*time.Second)) {
		t.Errorf("due at %s (%t), want half a minute ago", due, ok)
	}
}
