package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

func TestAMixOf100PodsIsPlacedByBothAndNoDearerByKerf(t *testing.T) {
	s := settings{workloads: regexp.MustCompile("."), repeat: 1, patience: time.Minute, progress: t.Output()}
	contests, err := compete(t.Context(), s, []recipe{{name: "mix-100", make: func() (workload, error) { return mix(100), nil }}})
	if err != nil {
		t.Fatal(err)
	}
	c := contests[0]
	if k, p := c.kerf.placed(), c.karpenter.placed(); k != 100 || p != 100 {
		t.Errorf("kerf places %d pods, Karpenter %d, want 100", k, p)
	}
	var out bytes.Buffer
	if err := judge(&out, contests); err != nil {
		t.Error(out.String())
	}
	if c.bound > c.kerf.usd || c.bound > c.karpenter.usd || c.bound <= 0 {
		t.Errorf("the lower bound is $%v/h, the plans cost $%v/h and $%v/h", c.bound, c.kerf.usd, c.karpenter.usd)
	}
}

// Others read the file: its fields are these and no more.
func TestRowsHaveTheFieldsThatOthersRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bin", "peer.json")
	var out bytes.Buffer
	err := run(t.Context(), []string{"--workloads", "^services$", "--repeat", "1", "--output", path}, &out)
	if err != nil && !errors.Is(err, errFailed) { // what kerf does worse is for other tests
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var rows []map[string]any
	if err := json.Unmarshal(text, &rows); err != nil || len(rows) != 1 {
		t.Fatalf("%d rows, %v, want 1", len(rows), err)
	}
	want := []string{
		"kerf_alloc_bytes", "kerf_nodes", "kerf_seconds", "kerf_usd", "lower_bound_usd", "peer_alloc_bytes", "peer_nodes", "peer_seconds",
		"peer_usd", "pods", "types", "workload",
	}
	var got []string
	for field, value := range rows[0] {
		got = append(got, field)
		if n, ok := value.(float64); ok && n <= 0 {
			t.Errorf("%s is %v", field, n)
		}
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("fields %q, want %q", got, want)
	}
	if !strings.Contains(out.String(), "services") {
		t.Errorf("printed %q, want a table with the workload", out.String())
	}
}

func TestWhatWasOverBeforeAnErrorIsNotLost(t *testing.T) {
	s := settings{workloads: regexp.MustCompile("."), repeat: 1, progress: t.Output()}
	contests, err := compete(t.Context(), s, []recipe{
		{name: "good", make: func() (workload, error) { return mix(5), nil }},
		{name: "bad", make: func() (workload, error) { return workload{}, errors.New("no such file") }},
		{name: "never", make: func() (workload, error) { t.Error("went on after an error"); return workload{}, nil }},
	})
	if err == nil || !strings.Contains(err.Error(), "bad: making the workload: no such file") {
		t.Errorf("says %v", err)
	}
	if len(contests) != 1 || contests[0].name != "good" {
		t.Errorf("%d contests, want the first", len(contests))
	}
}

func TestWorkloadsOfATraceAreLeftOutAloud(t *testing.T) {
	for path, why := range map[string]string{"": "no trace was named", "nowhere.csv": "stat nowhere.csv: no such file"} {
		var progress bytes.Buffer
		s := settings{workloads: regexp.MustCompile("^trace"), repeat: 1, progress: &progress}
		contests, err := compete(t.Context(), s, recipes(path))
		if err != nil || len(contests) > 0 {
			t.Errorf("%d contests, %v, want none", len(contests), err)
		}
		for _, name := range []string{"trace-cpu", "trace-all"} {
			if want := name + ": left out: " + why; !strings.Contains(progress.String(), want) {
				t.Errorf("%q does not say %q", progress.String(), want)
			}
		}
	}
}

func TestEveryWorkloadCanBeMadeAndHasABound(t *testing.T) {
	names := map[string]bool{}
	for _, r := range recipes("") {
		if names[r.name] || r.about == "" {
			t.Errorf("the name %s is not its own, or nothing is said about it", r.name)
		}
		names[r.name] = true
		if r.missing != "" {
			continue
		}
		w, err := r.make()
		if err != nil {
			t.Errorf("%s: %v", r.name, err)
			continue
		}
		if bound, err := lowerBound(w); err != nil || bound <= 0 {
			t.Errorf("%s: lower bound $%v/h, %v", r.name, bound, err)
		}
		if again, _ := r.make(); len(again.pods) != len(w.pods) || again.pods[0].Spec.Containers[0].Resources.Requests.Cpu().Cmp(
			*w.pods[0].Spec.Containers[0].Resources.Requests.Cpu()) != 0 {
			t.Errorf("%s: two runs do not get the same pods", r.name)
		}
	}
}

func TestFlagsThatMeanNothingAreRefused(t *testing.T) {
	for arguments, want := range map[string]string{
		"--repeat 0":            "--repeat has to be positive",
		"--patience -1s":        "--patience not negative",
		"--workloads (":         "reading --workloads",
		"--workloads ^nothing$": "no workload that",
		"mix-500":               `unexpected argument "mix-500"`,
		"--trace nowhere.csv --workloads ^trace-cpu$": "no workload that",
	} {
		if err := run(t.Context(), strings.Fields(arguments), &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s says %v, want %q", arguments, err, want)
		}
	}
}

func TestHelpTeachesAndTheListNamesAllWorkloads(t *testing.T) {
	var help, list bytes.Buffer
	if err := run(t.Context(), []string{"--help"}, &help); !errors.Is(err, pflag.ErrHelp) {
		t.Errorf("asking for help says %v", err)
	}
	for _, want := range []string{"make peer-bench", "--trace", "--workloads", "--repeat", "exits with 1", "lower bound"} {
		if !strings.Contains(help.String(), want) {
			t.Errorf("help does not mention %s", want)
		}
	}
	if err := run(t.Context(), []string{"--list"}, &list); err != nil {
		t.Fatal(err)
	}
	for _, r := range recipes("") {
		if !strings.Contains(list.String(), r.name) {
			t.Errorf("the list does not have %s", r.name)
		}
	}
}
