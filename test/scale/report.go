package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
)

// phase is a part of a run; its figures are those of the phase alone, but for the memory.
type phase struct {
	name           string
	took, cpu      time.Duration
	resident, peak int64          // bytes, of the controller at the end of the phase and ever
	calls          map[string]int // action -> count
}

// dryRunAllowed is EC2's code for a dry run of a call that it would have carried out: the controller asks so for its permissions when it starts.
const dryRunAllowed = "DryRunOperation"

// report is what a run found.
type report struct {
	machines  int
	phases    []phase
	fleets    []admin.Fleet
	errors    map[string]int // AWS error code -> count, without dry runs that were allowed
	templates int            // launch templates left
	wrong     []string
	finished  bool
}

func (r *report) print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	total := phase{name: "in all", calls: map[string]int{}}
	_, _ = fmt.Fprintf(w, "\n%d machines\ttime\tcontroller's CPU\tmemory\tpeak\tAWS calls\t\n", r.machines)
	line := func(p phase) {
		count := 0
		for _, n := range p.calls {
			count += n
		}
		_, _ = fmt.Fprintf(w, "%s\t%.1f s\t%.2f s\t%d MB\t%d MB\t%d\t\n", p.name, p.took.Seconds(), p.cpu.Seconds(), p.resident/1_000_000, p.peak/1_000_000, count)
	}
	for _, p := range r.phases {
		line(p)
		total.took, total.cpu, total.resident, total.peak = total.took+p.took, total.cpu+p.cpu, p.resident, p.peak
		for action, n := range p.calls {
			total.calls[action] += n
		}
	}
	line(total)
	_ = w.Flush() // a terminal that went away ends the run by a signal
	_, _ = fmt.Fprintln(out)
	for _, action := range slices.SortedFunc(maps.Keys(total.calls), func(a, b string) int {
		return cmp.Or(total.calls[b]-total.calls[a], strings.Compare(a, b))
	}) {
		_, _ = fmt.Fprintf(out, "%6d  %s\n", total.calls[action], action)
	}
	_, _ = fmt.Fprintln(out)
}

// verdict says what was as it has to be and what was not, and reports whether all was.
func (r *report) verdict(out io.Writer) bool {
	peak := int64(0)
	for _, p := range r.phases {
		peak = max(peak, p.peak)
	}
	good := true
	for _, claim := range []struct {
		holds bool
		text  string
	}{
		{r.finished, "everything went to its end, and nothing is left"},
		{len(r.wrong) == 0, "each machine had one instance at every look" + listed(r.wrong)},
		{launchedInstances(r.fleets) == r.machines, fmt.Sprintf("%d instances were launched for %d machines", launchedInstances(r.fleets), r.machines)},
		{len(r.fleets) <= fleetBudget, fmt.Sprintf("CreateFleet was carried out %d times, at most %d", len(r.fleets), fleetBudget)},
		{len(r.errors) == 0, fmt.Sprintf("AWS refused nothing: %v", r.errors)},
		{peak <= memoryBudget, fmt.Sprintf("the controller had %d MB resident at most, bound %d", peak/1_000_000, memoryBudget/1_000_000)},
	} {
		word := "ok  "
		if !claim.holds {
			word, good = "FAIL", false
		}
		_, _ = fmt.Fprintf(out, "%s %s\n", word, claim.text)
	}
	return good
}

func listed(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return ":\n       " + strings.Join(lines, "\n       ")
}
