package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/kerf-autoscaler/kerf/test/conformance/judge"
)

func TestTheSchedulerAgreesWithPlansForMadeUpClusters(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"--clusters=50", "--show=3"}, &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if !strings.HasPrefix(lastLine(out.String()), "50 clusters, ") || !strings.HasSuffix(out.String(), " unplaced, 0 disagreements\n") {
		t.Errorf("the summary is missing:\n%s", out.String())
	}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

func TestTheSameSeedsAreJudgedAlikeOnAnyNumberOfWorkers(t *testing.T) {
	outputs := map[string]string{}
	for _, workers := range []string{"1", "4"} {
		var out bytes.Buffer
		if err := run(t.Context(), []string{"--clusters=6", "--seed=3", "--workers=" + workers}, &out); err != nil && !errors.Is(err, errDisagree) {
			t.Fatal(err)
		}
		outputs[workers] = out.String()
	}
	if outputs["1"] != outputs["4"] {
		t.Errorf("one worker prints\n%s\nfour print\n%s", outputs["1"], outputs["4"])
	}
}

func TestMistakesInFlagsAreNamed(t *testing.T) {
	for argument, want := range map[string]string{
		"--clusters=0": "have to be positive", "--pods=-1": "have to be positive", "more": "unexpected argument", "--cluster=3": "unknown flag",
	} {
		err := run(t.Context(), []string{argument}, &bytes.Buffer{})
		if err == nil || errors.Is(err, pflag.ErrHelp) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", argument, err, want)
		}
	}
}

func TestACrashOfKerfIsADisagreement(t *testing.T) {
	var none []int
	crash := protect(func() { none[0] = 1 })
	if crash == nil || crash.Kind != judge.Crash || !strings.Contains(crash.Text, "index out of range") {
		t.Errorf("got %v", crash)
	}
	if crash := protect(func() {}); crash != nil {
		t.Errorf("got %v where nothing crashed", crash)
	}
}
