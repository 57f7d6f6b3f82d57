package main

import (
	"bytes"
	"fmt"
	"io"

	"sigs.k8s.io/kwok/kustomize/stage/node/fast"
	"sigs.k8s.io/kwok/kustomize/stage/node/heartbeat"
	podfast "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
	"sigs.k8s.io/kwok/pkg/apis/v1alpha1"
	"sigs.k8s.io/yaml"
)

// delayAnnotation is the form of the annotation that holds back a stage of one object, by a duration such as 30s.
const delayAnnotation = `.metadata.annotations["%s.stage.kwok.x-k8s.io/delay"]`

// document is one Stage as the pinned kwok module carries it.
type document struct {
	yaml string
	// delayable lets an object ask for a delay, to look like a slow container.
	delayable bool
}

func documents() []document {
	return []document{
		{yaml: fast.DefaultNodeInit},
		{yaml: heartbeat.DefaultNodeHeartbeat},
		{yaml: podfast.DefaultPodReady, delayable: true},
		{yaml: podfast.DefaultPodComplete, delayable: true},
		{yaml: podfast.DefaultPodDelete, delayable: true},
	}
}

// writeStages writes the configuration without which kwok refuses to start: what nodes and pods go through.
func writeStages(w io.Writer) error {
	for _, d := range documents() {
		stage, err := decode(d)
		if err != nil {
			return err
		}
		encoded, err := yaml.Marshal(stage)
		if err != nil {
			return fmt.Errorf("encoding stage %s: %w", stage.Name, err)
		}
		if _, err := io.Copy(w, io.MultiReader(bytes.NewBufferString("---\n"), bytes.NewReader(encoded))); err != nil {
			return fmt.Errorf("writing stage %s: %w", stage.Name, err)
		}
	}
	return nil
}

func decode(d document) (*v1alpha1.Stage, error) {
	stage := &v1alpha1.Stage{}
	if err := yaml.UnmarshalStrict([]byte(d.yaml), stage); err != nil {
		return nil, fmt.Errorf("decoding a stage of the kwok module: %w", err)
	}
	if d.delayable {
		// The zero delay is spelled out: kwok reads the annotation only where a delay exists to fall back on.
		stage.Spec.Delay = &v1alpha1.StageDelay{
			DurationMilliseconds: new(int64(0)),
			DurationFrom: &v1alpha1.ExpressionFrom{
				JQ: &v1alpha1.ExpressionJQ{Expression: fmt.Sprintf(delayAnnotation, stage.Name)},
			},
		}
	}
	return stage, nil
}
