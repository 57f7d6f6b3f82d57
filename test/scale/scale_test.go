package main

import (
	"strings"
	"testing"
	"time"

	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
)

// Forty machines go the same way as a thousand do. What the controller's memory may be is judged too: it has room to spare.
func TestMachinesComeAndGoWithOneInstanceEach(t *testing.T) {
	var out strings.Builder
	r, err := play(t.Context(), settings{root: "../..", machines: 40, patience: 4 * time.Minute, out: &out})
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	r.print(&out)
	if !r.verdict(&out) {
		t.Error("a target was missed")
	}
	t.Log(out.String())
}

func TestWhatMayNeverBeSeenFailsTheRun(t *testing.T) {
	good := func() *report {
		return &report{machines: 1, finished: true, fleets: []admin.Fleet{{InstanceIDs: []string{"i-1"}}}, phases: []phase{{peak: 1}}}
	}
	for name, tc := range map[string]struct {
		change func(*report)
		want   bool
	}{
		"all is well":               {func(*report) {}, true},
		"it did not come to an end": {func(r *report) { r.finished = false }, false},
		"two instances for one":     {func(r *report) { r.fleets[0].InstanceIDs = append(r.fleets[0].InstanceIDs, "i-2") }, false},
		"seen to be doubled":        {func(r *report) { r.wrong = []string{sight{instances: 2, machines: 1}.wrong()} }, false},
		"a refused call":            {func(r *report) { r.errors = map[string]int{"RequestLimitExceeded": 1} }, false},
		"too much memory":           {func(r *report) { r.phases[0].peak = memoryBudget + 1 }, false},
		"a fleet for each machine": {func(r *report) {
			r.machines, r.fleets = fleetBudget+1, nil
			for range fleetBudget + 1 {
				r.fleets = append(r.fleets, admin.Fleet{InstanceIDs: []string{"i"}})
			}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := good()
			tc.change(r)
			var out strings.Builder
			if got := r.verdict(&out); got != tc.want {
				t.Errorf("got %t:\n%s", got, out.String())
			}
		})
	}
}

func TestASightThatIsWrongSaysWhy(t *testing.T) {
	for name, tc := range map[string]struct {
		sight sight
		want  string
	}{
		"as many as there are":      {sight{machines: 2, instances: 2}, ""},
		"machines before instances": {sight{machines: 2}, ""},
		"more instances":            {sight{machines: 1, instances: 2}, "2 instances for 1 machines"},
		"a shared instance":         {sight{machines: 2, instances: 1, shared: []string{"aws:///a/i-1"}}, "several machines claim [aws:///a/i-1]"},
	} {
		if got := tc.sight.wrong(); got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}
