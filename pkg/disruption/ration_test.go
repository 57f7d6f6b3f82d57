package disruption_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
)

// commands returns some for each of the words "provisioner/reason", or "one+another/reason" for machines that go together.
func commands(words ...string) []disruption.Command {
	out := make([]disruption.Command, 0, len(words))
	for i, word := range words {
		provisioners, reason, _ := strings.Cut(word, "/")
		command := disruption.Command{Reason: reason}
		for j, provisioner := range strings.Split(provisioners, "+") {
			command.Machines = append(command.Machines, disruption.Target{Machine: fmt.Sprintf("m%d%s", i, strings.Repeat("'", j)), Provisioner: provisioner})
		}
		out = append(out, command)
	}
	return out
}

func TestWhatPassesCountsForThoseBehindIt(t *testing.T) {
	account := func(total, unavailable int, budgets ...v1alpha5.Budget) disruption.Account {
		return disruption.Account{Budgets: budgets, Fleet: disruption.Fleet{Total: total, Unavailable: unavailable}}
	}
	tests := map[string]struct {
		commands []disruption.Command
		rations  disruption.Rations
		want     string // the machines that go
		why      string // said of the first that is held
	}{
		"no budgets": {commands("a/Empty", "a/Empty"), disruption.Rations{Accounts: map[string]disruption.Account{"a": {}}}, "m0 m1", ""},
		"a budget": {commands("a/Empty", "a/Empty", "a/Empty"),
			disruption.Rations{Accounts: map[string]disruption.Account{"a": account(20, 0, nodes("10%"))}}, "m0 m1", `held by budget "nodes: 10%": 2 of 20`},
		"one that is used up": {commands("a/Empty"),
			disruption.Rations{Accounts: map[string]disruption.Account{"a": account(20, 2, nodes("10%"))}}, "", "2 are"},
		"one for each provisioner": {commands("a/Empty", "b/Empty", "a/Empty", "b/Empty"),
			disruption.Rations{Accounts: map[string]disruption.Account{"a": account(20, 0, nodes("1")), "b": {}}}, "m0 m1 m3", `"nodes: 1"`},
		"one for another reason": {commands("a/Empty", "a/Empty", "a/Drifted", "a/Empty"),
			disruption.Rations{Accounts: map[string]disruption.Account{"a": account(20, 0, nodes("2", "Drifted"))}}, "m0 m1 m3", `reasons: [Drifted]`},
		"a pause": {commands("a/Empty"), disruption.Rations{Paused: "somebody", Accounts: map[string]disruption.Account{"a": {}}}, "", "paused by somebody"},
		"no account": {commands("a/Empty", "b/Empty"), disruption.Rations{Accounts: map[string]disruption.Account{"b": {}}}, "m1",
			"budgets of provisioner a are not known"},
		"machines that go together": {commands("a+a/Underutilized", "a+b/Underutilized", "a/Underutilized"),
			disruption.Rations{Accounts: map[string]disruption.Account{"a": account(20, 0, nodes("1")), "b": {}}}, "m1", "2 machines of provisioner a go together, and its budgets let 1 go now"},
		"the cap of empty ones": {commands("a/Empty", "b/Empty", "a/Empty", "a/Drifted"),
			disruption.Rations{MostEmpty: 2, Accounts: map[string]disruption.Account{"a": {}, "b": {}}}, "m0 m1 m3", "2 empty nodes go at once"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			tc.rations.Now = now()
			granted, held := disruption.Ration(tc.commands, tc.rations)
			names := make([]string, 0, len(granted))
			for _, c := range granted {
				names = append(names, c.Machines[0].Machine)
			}
			if got := strings.Join(names, " "); got != tc.want {
				t.Errorf("%q go, want %q", got, tc.want)
			}
			if len(granted)+len(held) != len(tc.commands) {
				t.Errorf("%d go and %d are held of %d", len(granted), len(held), len(tc.commands))
			}
			if tc.why != "" && (len(held) == 0 || !strings.Contains(held[0].Why, tc.why)) {
				t.Errorf("held are %+v, want %q", held, tc.why)
			}
		})
	}
}

func TestAHoldEndsWithItsWindow(t *testing.T) {
	accounts := map[string]disruption.Account{"a": {Budgets: []v1alpha5.Budget{from("0 9 * * *", 8*time.Hour, nodes("0"))}}}
	_, held := disruption.Ration(commands("a/Empty"), disruption.Rations{Now: now(), Accounts: accounts})
	if len(held) != 1 || !held[0].Until.Equal(now().Add(5*time.Hour)) {
		t.Errorf("held are %+v, want one until 17:00", held)
	}
}

// Whatever a pass takes, every budget holds afterwards, and what is held could not have gone then.
func TestNoPassGoesBeyondABudget(t *testing.T) {
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 5))
		rations := disruption.Rations{Now: now(), Accounts: map[string]disruption.Account{}}
		var words []string
		for _, provisioner := range []string{"a", "b"} {
			account := disruption.Account{Fleet: disruption.Fleet{Total: r.IntN(60), Unavailable: r.IntN(5)}}
			for range r.IntN(4) {
				account.Budgets = append(account.Budgets, anyBudget(r))
			}
			rations.Accounts[provisioner] = account
		}
		for range r.IntN(40) {
			words = append(words, []string{"a/", "b/"}[r.IntN(2)]+string(anyReason(r)))
		}
		granted, held := disruption.Ration(commands(words...), rations)
		again, _ := disruption.Ration(commands(words...), rations)
		if diff := cmp.Diff(granted, again); diff != "" {
			t.Fatalf("seed %d: another time (-first +again):\n%s", seed, diff)
		}
		for provisioner, account := range rations.Accounts {
			gone := account.Fleet.Unavailable
			for _, c := range granted {
				if c.Machines[0].Provisioner != provisioner {
					continue
				}
				before := disruption.Fleet{Total: account.Fleet.Total, Unavailable: gone}
				if disruption.Allowed(account.Budgets, v1alpha5.DisruptionReason(c.Reason), before, now()).Machines == 0 {
					t.Fatalf("seed %d: %s goes for %s beyond the budgets of %+v", seed, c.Machines[0].Machine, c.Reason, account)
				}
				gone++
			}
			after := disruption.Fleet{Total: account.Fleet.Total, Unavailable: gone}
			for _, h := range held {
				if h.Machines[0].Provisioner == provisioner && disruption.Allowed(account.Budgets, v1alpha5.DisruptionReason(h.Reason), after, now()).Machines > 0 {
					t.Fatalf("seed %d: %s is held by %s, and could go", seed, h.Machines[0].Machine, h.Why)
				}
			}
		}
	}
}

func TestATenthOfAllMachinesMayGoForBeingEmptyAndTenInAnyCase(t *testing.T) {
	for machines, want := range map[int]int{0: 10, 1: 10, 100: 10, 101: 11, 1000: 100} {
		if got := disruption.MostEmpty(machines); got != want {
			t.Errorf("of %d machines %d may go, want %d", machines, got, want)
		}
	}
}
