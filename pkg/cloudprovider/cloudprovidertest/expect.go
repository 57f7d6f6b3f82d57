package cloudprovidertest

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"testing"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

func wantLive(t *testing.T, w World, want int) {
	t.Helper()
	if got := w.Live(); got != want {
		t.Errorf("the cloud has %d live instances, want %d", got, want)
	}
}

func wantDistinct(t *testing.T, providerIDs []string, want int) {
	t.Helper()
	distinct := map[string]bool{}
	for _, id := range providerIDs {
		if id != "" {
			distinct[id] = true
		}
	}
	if len(providerIDs) != want || len(distinct) != want {
		t.Errorf("got %v, want %d distinct instances", providerIDs, want)
	}
}

// list maps the provider id of each listed machine -> the machine.
func list(t *testing.T, w World) map[string]*v1alpha5.Machine {
	t.Helper()
	machines, err := w.Provider.List(t.Context())
	if err != nil {
		t.Fatalf("listing: %v", err)
	}
	out := make(map[string]*v1alpha5.Machine, len(machines))
	for _, m := range machines {
		out[m.Status.ProviderID] = m
	}
	return out
}

func instanceID(providerID string) string { return path.Base(providerID) }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func compare(a, b float64) int { return cmp.Compare(a, b) }
