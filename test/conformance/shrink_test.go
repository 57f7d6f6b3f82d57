package main

import (
	"testing"

	"github.com/kerf-autoscaler/kerf/test/conformance/judge"
	"github.com/kerf-autoscaler/kerf/test/conformance/world"
)

func TestAWorldIsMadeAsSmallAsItGets(t *testing.T) {
	w := world.Draw(1, 30)
	victim := w.Pods[7].Name
	// What is wrong with this world is that the victim is in it.
	judged := func(w *world.World) (result, error) {
		r := result{world: w}
		for _, pod := range w.Pods {
			if pod.Name == victim {
				r.disagreements = []judge.Disagreement{{Kind: judge.Placed, Pod: pod}}
			}
		}
		return r, nil
	}
	first, _ := judged(w)
	small, err := shrink(first, judged)
	if err != nil {
		t.Fatal(err)
	}
	if s := small.world; len(s.Pods) != 1 || len(s.Nodes)+len(s.Types)+len(s.DaemonSets)+len(s.Provisioners) != 0 {
		t.Errorf("left are %d pods, %d nodes, %d types, %d DaemonSets, %d provisioners",
			len(s.Pods), len(s.Nodes), len(s.Types), len(s.DaemonSets), len(s.Provisioners))
	}
	if spec := small.world.Pods[0].Spec; spec.Affinity != nil || spec.NodeSelector != nil || spec.TopologySpreadConstraints != nil || spec.Volumes != nil {
		t.Errorf("the pod still asks for %+v", spec)
	}
	if len(w.Pods) < 30 || w.Pods[7].Name != victim {
		t.Error("the world itself was changed")
	}
}
