package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"sigs.k8s.io/kwok/pkg/apis/v1alpha1"
	"sigs.k8s.io/yaml"
)

func TestStagesTakeANodeAndItsPodsThroughTheirWholeLife(t *testing.T) {
	var out bytes.Buffer
	if err := writeStages(&out); err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{ // name -> an object can ask for a delay
		"node-initialize": false,
		"node-heartbeat":  false,
		"pod-ready":       true,
		"pod-complete":    true,
		"pod-delete":      true,
	}
	for _, text := range strings.Split(out.String(), "---\n")[1:] {
		stage := &v1alpha1.Stage{}
		if err := yaml.UnmarshalStrict([]byte(text), stage); err != nil {
			t.Fatal(err)
		}
		delayable, expected := want[stage.Name]
		if !expected {
			t.Errorf("stage %s is not expected, or comes twice", stage.Name)
		}
		delete(want, stage.Name)
		delay := stage.Spec.Delay
		if got := delay != nil && delay.DurationFrom != nil; got != delayable {
			t.Errorf("stage %s lets an object ask for a delay: %t, want %t", stage.Name, got, delayable)
		}
	}
	if len(want) != 0 {
		t.Errorf("missing stages: %v", want)
	}
}

func TestHeartbeatComesTwiceWithinTheGraceOfTheControllerManager(t *testing.T) {
	const grace = 50_000 // ms, the default of --node-monitor-grace-period
	for _, d := range documents() {
		stage, err := decode(d)
		if err != nil {
			t.Fatal(err)
		}
		if stage.Name != "node-heartbeat" {
			continue
		}
		if longest := *stage.Spec.Delay.JitterDurationMilliseconds; 2*longest > grace {
			t.Errorf("up to %d ms between heartbeats: one that is late makes a node unreachable", longest)
		}
		return
	}
	t.Error("there is no heartbeat stage")
}

func TestFailureToWriteIsReported(t *testing.T) {
	if err := writeStages(fullDisk{}); !errors.Is(err, errFull) {
		t.Errorf("got %v, want %v", err, errFull)
	}
}

var errFull = errors.New("no space left")

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }
