package world_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/test/conformance/world"
)

func TestEveryKindOfConstraintIsDrawn(t *testing.T) {
	drawn := map[string]bool{}
	for seed := range uint64(150) {
		w := world.Draw(seed, 50)
		for _, what := range w.Surroundings() {
			drawn[what] = true
		}
		for _, pod := range w.Pods {
			for _, kind := range w.Kinds(pod) {
				drawn[kind] = true
			}
		}
	}
	want := []string{
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
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(drawn))); diff != "" {
		t.Errorf("kinds (-want +drawn):\n%s", diff)
	}
}

func TestTheSameSeedDrawsTheSameWorld(t *testing.T) {
	for seed := range uint64(20) {
		asWritten := cmp.Transformer("written", func(r scheduling.Requirement) string { return r.String() })
		if diff := cmp.Diff(world.Draw(seed, 50), world.Draw(seed, 50), asWritten); diff != "" {
			t.Errorf("seed %d:\n%s", seed, diff)
		}
	}
}
