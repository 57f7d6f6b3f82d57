package world_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/test/conformance/world"
)

// drawn returns the kinds of constraints and surroundings in a number of worlds, beginning with that of a seed and going on in
// steps.
func drawn(first, step uint64) []string {
	out := map[string]bool{}
	for i := range uint64(150) {
		w := world.Draw(first+i*step, 50)
		for _, what := range w.Surroundings() {
			out[what] = true
		}
		for _, pod := range w.Waiting() {
			for _, kind := range w.Kinds(pod) {
				out[kind] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(out))
}

func TestEveryKindOfConstraintIsDrawn(t *testing.T) {
	plain := []string{
		"affinity over capacity-type", "affinity over hostname", "affinity over rack", "affinity over zone", "affinity to its own kind",
		"affinity, namespaceSelector", "affinity, namespaces", "affinity, preferred",
		"anti-affinity over capacity-type", "anti-affinity over hostname", "anti-affinity over rack", "anti-affinity over zone",
		"anti-affinity to its own kind", "anti-affinity, namespaceSelector", "anti-affinity, namespaces", "anti-affinity, preferred",
		"attach limits", "beta label", "bound claim", "cordoned node", "daemon set", "daemon set on some nodes", "extended resource",
		"host port", "init container", "limits", "machine on its way", "machine on its way, unsettled", "missing claim",
		"node affinity, DoesNotExist", "node affinity, Exists", "node affinity, Gt", "node affinity, In", "node affinity, Lt",
		"node affinity, NotIn", "node affinity, preferred", "node affinity, several terms", "node selector", "nothing special", "open label",
		"overhead", "planned before", "resize in place", "running pod with anti-affinity", "sidecar", "sold out",
		"spread over capacity-type", "spread over hostname", "spread over rack", "spread over zone", "spread, matchLabelKeys",
		"spread, minDomains", "spread, nodeAffinityPolicy", "spread, nodeTaintsPolicy", "spread, preferred", "tainted provisioner",
		"terminating pod", "toleration", "unbound claim",
	}
	if diff := cmp.Diff(plain, drawn(0, 1)); diff != "" {
		t.Errorf("kinds in plain worlds (-want +drawn):\n%s", diff)
	}
	rich := []string{
		"claim for one pod at a time", "claim that should have been bound", "daemon set with node affinity", "displaced", "ephemeral volume",
		"expendable pod runs", "expendable pod waits", "gated pod", "local volume", "minValues", "minValues, best effort", "never preempts",
		"node affinity, matchFields", "node on its way out", "nominated node", "pod-level requests", "priority", "starting node",
		"starting node, startup taint",
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(slices.Concat(plain, rich))), drawn(602, 2)); diff != "" {
		t.Errorf("kinds in rich worlds (-want +drawn):\n%s", diff)
	}
}

func TestTheSameSeedDrawsTheSameWorld(t *testing.T) {
	for i := range uint64(20) {
		seed := 592 + i // some plain ones, some rich ones
		asWritten := cmp.Transformer("written", func(r scheduling.Requirement) string { return r.String() })
		if diff := cmp.Diff(world.Draw(seed, 50), world.Draw(seed, 50), asWritten); diff != "" {
			t.Errorf("seed %d:\n%s", seed, diff)
		}
	}
}
