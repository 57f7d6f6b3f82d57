package disruption

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// emptyAtLeast is how many empty machines may go in one pass however small the cluster is.
const emptyAtLeast = 10

// Rations are what a pass may not go beyond.
type Rations struct {
	// Now is the time of the pass.
	Now time.Time
	// Paused says who has paused disruption, "" if nobody has.
	Paused string
	// Accounts maps the name of a provisioner -> what its budgets count. Of one that is not among them no machine goes.
	Accounts map[string]Account
	// MostEmpty is how many machines may go for being empty in one pass; 0 is no bound.
	MostEmpty int
}

// Account is what the budgets of one provisioner count.
type Account struct {
	Budgets []v1alpha5.Budget
	Fleet   Fleet
}

// Hold is a command that has to wait.
type Hold struct {
	Command
	// Why for a person.
	Why string
	// Until is when time alone may let it go; zero if it does not.
	Until time.Time
	// Paused says that only the end of the pause lets it go.
	Paused bool
}

// MostEmpty returns how many of the machines of a cluster may go for being empty in one pass: a tenth of them. Should emptiness be a
// mistake, such as pods that are not seen, somebody can still step in.
func MostEmpty(machines int) int { return max(emptyAtLeast, (machines+9)/10) }

// Ration lets commands pass, in their order, as long as budgets allow them; the others are held. What passes counts for those
// behind it.
func Ration(commands []Command, r Rations) (granted []Command, held []Hold) {
	unavailable := map[string]int{} // provisioner -> machines that this pass takes
	empty := 0
	for _, c := range commands {
		why, until := r.hold(c, unavailable, empty)
		if why != "" {
			held = append(held, Hold{Command: c, Why: why, Until: until, Paused: r.Paused != ""})
			continue
		}
		granted = append(granted, c)
		for _, target := range c.Machines {
			unavailable[target.Provisioner]++
		}
		if c.Reason == ReasonEmpty {
			empty++
		}
	}
	return granted, held
}

// hold returns why a command has to wait after the pass has taken so many machines of each provisioner, and so many empty ones; "" if
// it does not. Machines that go together wait for each other.
func (r *Rations) hold(c Command, unavailable map[string]int, empty int) (why string, until time.Time) {
	if r.Paused != "" {
		return "disruption is paused by " + r.Paused, time.Time{}
	}
	asked := map[string]int{}
	for _, target := range c.Machines {
		asked[target.Provisioner]++
	}
	for _, provisioner := range slices.Sorted(maps.Keys(asked)) {
		account, known := r.Accounts[provisioner]
		if !known {
			return fmt.Sprintf("the budgets of provisioner %s are not known", provisioner), time.Time{}
		}
		account.Fleet.Unavailable += unavailable[provisioner]
		allowance := Allowed(account.Budgets, v1alpha5.DisruptionReason(c.Reason), account.Fleet, r.Now)
		switch {
		case allowance.Machines == 0:
			return allowance.Held, allowance.Until
		case allowance.Machines < asked[provisioner]:
			return fmt.Sprintf("%d machines of provisioner %s go together, and its budgets let %d go now",
				asked[provisioner], provisioner, allowance.Machines), allowance.Until
		}
	}
	if c.Reason == ReasonEmpty && r.MostEmpty > 0 && empty >= r.MostEmpty {
		return fmt.Sprintf("%d empty nodes go at once, which is the most", empty), time.Time{}
	}
	return "", time.Time{}
}
