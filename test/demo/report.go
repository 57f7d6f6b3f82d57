package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
)

// printTables prints the figures of each change of load and what was asked of AWS.
func (d *show) printTables(f findings) {
	w := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(cells ...any) {
		for _, c := range cells {
			_, _ = fmt.Fprintf(w, "%v\t", c)
		}
		_, _ = fmt.Fprintln(w)
	}
	_, _ = fmt.Fprintln(d.out)
	row("load", "pods", "nodes in all", "$/h in all", "fleets", "first pending to CreateFleet", "last", "pending to running")
	for _, p := range d.phases {
		first, last := "-", "-"
		if p.Fleets > 0 {
			first, last = fmt.Sprintf("%.2f s", p.FirstToFleet.Seconds()), fmt.Sprintf("%.2f s", p.LastToFleet.Seconds())
		}
		row(p.Name, p.Pods, p.Nodes, fmt.Sprintf("%.4f", p.PricePerHour), p.Fleets, first, last, fmt.Sprintf("%.2f s", p.ToRunning.Seconds()))
	}
	_ = w.Flush() // a terminal that went away ends the demo by a signal
	_, _ = fmt.Fprintln(d.out)
	row("AWS action", "calls", "errors")
	for _, name := range slices.Sorted(maps.Keys(f.calls.Actions)) {
		action, errs := f.calls.Actions[name], 0
		for _, count := range action.Errors {
			errs += count
		}
		row(name, action.Count, errs)
	}
	row("in all", f.calls.Total, "")
	_ = w.Flush()
	_, _ = fmt.Fprintln(d.out)
}

// report is the demo for programs to read; durations are nanoseconds, moments are seconds since the start.
type report struct {
	Passed   int              `json:"passed"`
	Failed   int              `json:"failed"`
	Seconds  float64          `json:"seconds"`
	Region   string           `json:"region"`
	Checks   []check          `json:"checks"`
	Phases   []phase          `json:"phases"`
	AWSCalls admin.Calls      `json:"awsCalls"`
	Memory   map[string]int64 `json:"controllerBytes"`
	Left     remains          `json:"left"`
	Timeline []entry          `json:"timeline"`
}

func (d *show) writeReport(f findings, took time.Duration) error {
	r := report{
		Seconds: took.Seconds(), Region: d.settings.region, Checks: d.checks.all(), Phases: d.phases,
		AWSCalls: f.calls, Left: f.left, Timeline: d.timeline.all(),
		Memory: map[string]int64{"peak": f.memory.Peak, "end": f.memory.Now},
	}
	for _, c := range r.Checks {
		if c.OK {
			r.Passed++
		} else {
			r.Failed++
		}
	}
	content, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the report: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(d.settings.report), 0o755); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	if err := os.WriteFile(d.settings.report, append(content, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}
