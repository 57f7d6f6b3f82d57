package offerings

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

func TestShortagesShowInTheMetrics(t *testing.T) {
	w := newWorld(t, 0)
	registry := prometheus.NewRegistry()
	if err := registry.Register(NewCollector(w.Memory)); err != nil {
		t.Fatal(err)
	}
	read := func() map[string]float64 {
		t.Helper()
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]float64{}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				name := f.GetName()
				for _, l := range m.GetLabel() {
					name += " " + l.GetName() + "=" + l.GetValue()
				}
				out[name] = m.GetGauge().GetValue()
			}
		}
		return out
	}
	const labels = " capacity_type=spot instance_type=m5.large zone=us-east-1a"
	const available = "karpenter_cloudprovider_instance_type_offering_available" + labels
	const trial = "karpenter_cloudprovider_instance_type_offering_trial" + labels
	want := func(what string, want map[string]float64) {
		t.Helper()
		if diff := cmp.Diff(want, read()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	want("nothing was short", map[string]float64{})
	w.MarkUnavailable(spot())
	want("it rests", map[string]float64{available: 0, trial: 0})
	w.step(firstRest)
	want("one may try", map[string]float64{available: 1, trial: 1})
	w.MarkAvailable(spot())
	want("four may try", map[string]float64{available: 1, trial: 4})
	w.step(2 * time.Hour)
	want("it is forgotten", map[string]float64{})
}
