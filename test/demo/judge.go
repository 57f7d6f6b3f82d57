package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
	"github.com/kerf-autoscaler/kerf/test/awssim/iam"
	"github.com/kerf-autoscaler/kerf/test/environment"
)

const (
	// ttl is the provisioner's ttlSecondsAfterEmpty.
	ttl = 30 * time.Second
	// clockStep is the resolution of the moments that the API server keeps, by which a ttl may look shorter than it was.
	clockStep = time.Second
	// An empty node's instance is told to end within endSlack of its time, and the Node is gone within goneSlack.
	endSlack  = 5 * time.Second
	goneSlack = 15 * time.Second
)

// findings is what AWS and the controller have to say in the end.
type findings struct {
	instances []admin.Instance
	fleets    []admin.Fleet
	calls     admin.Calls
	iam       iam.Report
	memory    environment.Memory
	memoryErr error
	left      remains
}

func (d *show) find() findings {
	f := findings{
		instances: d.env.AWS().Instances(), fleets: d.env.AWS().Fleets(), calls: d.env.AWS().Calls(), left: d.left(),
		iam: d.env.AWS().Authorizations(),
	}
	f.memory, f.memoryErr = d.env.Controller().Memory()
	return f
}

// judge checks what can be said only in the end.
func (d *show) judge(f findings) {
	d.judgeSpeed()
	d.judgeEmptiness(f)
	d.judgeAccounts(f)
	d.checks.expect(f.iam.Requests > 0 && len(f.iam.Denied) == 0, "the IAM policy that kerf ships allows all that it did",
		"%d requests judged, denied: %v", f.iam.Requests, f.iam.Denied)
	d.checks.expect(f.left == remains{}, "nothing is left at AWS and in the cluster", "%s", f.left)
	d.checks.expect(f.memoryErr == nil && f.memory.Peak <= memoryBudget, "the controller is small",
		"%d MB resident at most, %d MB in the end, at most %d MB", f.memory.Peak>>20, f.memory.Now>>20, memoryBudget>>20)
}

func (d *show) judgeSpeed() {
	measured, slowest := 0, phase{}
	for _, p := range d.phases {
		if p.Fleets > 0 {
			measured++
		}
		if p.LastToFleet > slowest.LastToFleet {
			slowest = p
		}
	}
	d.checks.expect(measured >= 2 && slowest.LastToFleet <= fleetBudget, "capacity is asked for as soon as a batch is complete",
		"at worst %.2f s from the last pod's being unschedulable to CreateFleet, %.2f s from the first one's (%s), at most %.2f s; %d of %d changes of load needed capacity",
		slowest.LastToFleet.Seconds(), slowest.FirstToFleet.Seconds(), slowest.Name, fleetBudget.Seconds(), measured, len(d.phases))
}

// judgeEmptiness compares when the last pod left each node with when its instance was told to end.
func (d *show) judgeEmptiness(f findings) {
	ends := map[string]time.Time{} // node name -> when its instance was told to end
	for _, i := range f.instances {
		if i.ShutdownTime != nil {
			ends[i.PrivateDNSName] = *i.ShutdownTime
		}
	}
	d.observer.mu.Lock()
	defer d.observer.mu.Unlock()
	var early, late []string
	shortest, longest, count := time.Duration(0), time.Duration(0), 0
	for name, n := range d.observer.nodes {
		if n.provisioner == "" {
			continue
		}
		wait := ends[name].Sub(n.emptied)
		if count++; count == 1 || wait < shortest {
			shortest = wait
		}
		longest = max(longest, n.gone.Sub(n.emptied))
		if n.emptied.IsZero() || wait < ttl-clockStep {
			early = append(early, fmt.Sprintf("%s after %s", name, seconds(wait)))
		}
		if wait > ttl+endSlack || n.gone.Sub(n.emptied) > ttl+goneSlack {
			late = append(late, fmt.Sprintf("%s told after %s, gone after %s", name, seconds(wait), seconds(n.gone.Sub(n.emptied))))
		}
	}
	slices.Sort(early)
	slices.Sort(late)
	d.checks.expect(count > 0 && len(early) == 0, "an empty node is kept for 30 s",
		"the shortest of %d waits was %s %s", count, seconds(shortest), strings.Join(early, "; "))
	d.checks.expect(count > 0 && len(late) == 0, "an empty node is gone soon after that",
		"the last one %s after its last pod %s", seconds(longest), strings.Join(late, "; "))
}

// judgeAccounts checks that nothing was launched that nobody asked for.
func (d *show) judgeAccounts(f findings) {
	fulfilled, unwanted := 0, 0
	for _, fleet := range f.fleets {
		fulfilled += fleet.Fulfilled
		if fleet.Fulfilled != fleet.Requested {
			unwanted++
		}
	}
	d.observer.mu.Lock()
	machines := len(d.observer.machines)
	d.observer.mu.Unlock()
	d.checks.expect(machines == len(f.instances) && machines == fulfilled && unwanted == 0, "exactly one instance was ever launched for each machine",
		"%d machines, %d instances from %d fleets, %d fleets gave less than asked", machines, len(f.instances), len(f.fleets), unwanted)
	var errs []string
	for code, count := range f.calls.Errors {
		if strings.Contains(code, ".NotFound") || code == "DryRunOperation" {
			continue // to look for what may not be there is no mistake, and a dry run that would succeed is told so
		}
		errs = append(errs, fmt.Sprintf("%s %d times", code, count))
	}
	slices.Sort(errs)
	d.checks.expect(len(errs) == 0, "AWS refused nothing that kerf asked for", "%d calls, %d kinds of errors %s", f.calls.Total, len(errs), strings.Join(errs, ", "))
}
