package lifecycle

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// universe is every state that the machines of one launch group have been in. A reconcile may see any of them, however old:
// caches lag, and a restarted process may be shown less than the one before it. Only writes are checked against the last.
type universe struct {
	size    int
	history []moment
}

// moment is the state after one event.
type moment struct {
	what string
	now  time.Time
	// machines maps name -> machine; its resource version counts its writes.
	machines map[string]v1alpha5.Machine
}

func (m moment) members() []v1alpha5.Machine {
	out := make([]v1alpha5.Machine, 0, len(m.machines))
	for _, name := range slices.Sorted(maps.Keys(m.machines)) {
		out = append(out, m.machines[name])
	}
	return out
}

func newUniverse(size int) universe {
	return universe{size: size, history: []moment{{what: "start", now: created(), machines: map[string]v1alpha5.Machine{}}}}
}

func (u universe) last() moment { return u.history[len(u.history)-1] }

// after returns the universe with one more event.
func (u universe) after(what string, change func(*moment)) universe {
	next := moment{what: what, now: u.last().now, machines: maps.Clone(u.last().machines)}
	change(&next)
	return universe{size: u.size, history: append(slices.Clip(u.history), next)}
}

// happened reports whether an event was part of the history.
func (u universe) happened(what string) bool {
	return slices.ContainsFunc(u.history, func(m moment) bool { return m.what == what })
}

// next returns every universe that may follow: one more machine created, one deleted, time passing, or a reconcile of a machine
// in any view that leads to a write which the optimistic lock lets through.
func (u universe) next(t *testing.T) []universe {
	var out []universe
	if !u.happened("time passes") {
		out = append(out, u.after("time passes", func(m *moment) { m.now = m.now.Add(groupPatience + time.Second) }))
	}
	for i := range u.size {
		name := string(rune('a' + i))
		if !u.happened("create " + name) {
			out = append(out, u.after("create "+name, func(m *moment) {
				machine := member(name, int32(u.size))
				machine.CreationTimestamp, machine.ResourceVersion = metav1.NewTime(m.now), "1"
				m.machines[name] = machine
			}))
			continue
		}
		stored, there := u.last().machines[name]
		if !there {
			continue
		}
		out = append(out, u.after("delete "+name, func(m *moment) { delete(m.machines, name) }))
		for _, intent := range u.writes(t, stored) {
			out = append(out, u.after(fmt.Sprintf("%s writes %s/%d", name, intent.Group, intent.Attempt), func(m *moment) {
				changed := *stored.DeepCopy()
				changed.Status.Launch, changed.ResourceVersion = intent, stored.ResourceVersion+"1"
				m.machines[name] = changed
			}))
		}
	}
	return out
}

// writes returns the different intents that a reconcile of a machine may write, over all views that show it as it is stored.
func (u universe) writes(t *testing.T, stored v1alpha5.Machine) []*v1alpha5.Launch {
	byToken := map[string]*v1alpha5.Launch{}
	for _, view := range u.history {
		seen, ok := view.machines[stored.Name]
		if !ok || seen.ResourceVersion != stored.ResourceVersion {
			continue
		}
		var intent *v1alpha5.Launch
		var err error
		switch {
		case seen.Status.Launch == nil:
			intent, err = newIntent(&seen, view.members(), "cluster", u.last().now, u.last().now.Sub(latest(&seen, view.members())))
		case formationOf(&seen, view.members()) == broken:
			intent = alone(&seen, seen.Status.Launch.Attempt+1, seen.Status.Launch.RequestHash, "cluster", u.last().now)
		}
		if err != nil {
			t.Fatal(err)
		}
		if intent != nil {
			byToken[intent.Token] = intent
		}
	}
	out := make([]*v1alpha5.Launch, 0, len(byToken))
	for _, token := range slices.Sorted(maps.Keys(byToken)) {
		out = append(out, byToken[token])
	}
	return out
}

// check fails when, over all views, more than one request may be sent for a machine, two machines share a place in one, or a
// request that may be sent in one view counts as broken in another.
func (u universe) check(t *testing.T) {
	t.Helper()
	sendable, brokenTokens := map[string]map[string]bool{}, map[string]bool{}
	places := map[string]string{}
	for _, view := range u.history {
		for name, machine := range view.machines {
			intent := machine.Status.Launch
			if intent == nil {
				continue
			}
			switch formationOf(&machine, view.members()) {
			case formed:
				if sendable[name] == nil {
					sendable[name] = map[string]bool{}
				}
				sendable[name][intent.Token] = true
				place := fmt.Sprintf("%s[%d]", intent.Token, intent.Index)
				if other, taken := places[place]; taken && other != name {
					u.fail(t, "%s and %s share a place in a request", name, other)
				}
				places[place] = name
			case broken:
				brokenTokens[intent.Token] = true
			}
		}
	}
	for name, tokens := range sendable {
		if len(tokens) > 1 {
			u.fail(t, "%d requests may be sent for machine %s", len(tokens), name)
		}
		for token := range tokens {
			if brokenTokens[token] {
				u.fail(t, "the request of machine %s may be sent and counts as broken", name)
			}
		}
	}
}

func (u universe) fail(t *testing.T, format string, arguments ...any) {
	t.Helper()
	var events []string
	for _, m := range u.history {
		events = append(events, m.what)
	}
	t.Fatalf("%s after: %s", fmt.Sprintf(format, arguments...), strings.Join(events, ", "))
}

// Every order of events of two machines, and every view that every reconcile may have, is tried.
func TestTwoMachinesNeverHaveMoreThanOneRequestEach(t *testing.T) {
	ends := 0
	var explore func(universe)
	explore = func(u universe) {
		following := u.next(t)
		if len(following) == 0 {
			ends++
			u.check(t)
		}
		for _, next := range following {
			explore(next)
		}
	}
	explore(newUniverse(2))
	if ends < 100 {
		t.Errorf("only %d orders of events were tried", ends)
	}
}

func TestManyMachinesNeverHaveMoreThanOneRequestEach(t *testing.T) {
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 2))
		u := newUniverse(3 + int(seed%3))
		for {
			following := u.next(t)
			// Deletions are most of what may follow and would end most stories early.
			if r.IntN(8) > 0 {
				following = slices.DeleteFunc(following, func(n universe) bool { return strings.HasPrefix(n.last().what, "delete") })
			}
			if len(following) == 0 {
				break
			}
			u = following[r.IntN(len(following))]
		}
		u.check(t)
	}
}

// Without deletions, and with views that catch up in the end, every machine gets to send a request.
func TestEveryMachineIsServedInTheEnd(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 3))
		u := newUniverse(2 + int(seed%4))
		for {
			following := slices.DeleteFunc(u.next(t), func(n universe) bool { return strings.HasPrefix(n.last().what, "delete") })
			if len(following) == 0 {
				break
			}
			u = following[r.IntN(len(following))]
		}
		for name, machine := range u.last().machines {
			if machine.Status.Launch == nil || formationOf(&machine, u.last().members()) != formed {
				u.fail(t, "machine %s has nothing to send", name)
			}
		}
	}
}
