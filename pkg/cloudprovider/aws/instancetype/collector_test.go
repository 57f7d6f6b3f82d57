package instancetype

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

// measured returns the series of a collector by name and values of labels.
func measured(t *testing.T, c prometheus.Collector) map[string]float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	if err := registry.Register(c); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()[len("karpenter_cloudprovider_instance_type_"):]
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			out[name] = m.GetGauge().GetValue()
		}
	}
	return out
}

func TestOnlyWhatMayBeLaunchedIsMeasured(t *testing.T) {
	l, m, _ := newLister(t, "m5.large", "c5.large", "hpc7g.4xlarge")
	delete(m.prices, "c5.large")
	collector := NewCollector(l)
	if got := measured(t, collector); len(got) > 0 {
		t.Errorf("nobody has asked for a list, and there are %v", got)
	}
	for _, zone := range []string{"a", "a", "b"} { // what two templates may launch is there once
		if _, err := l.List(Question{Zones: []string{zone}, Images: anyImage()}); err != nil {
			t.Fatal(err)
		}
	}
	m.prices["m5.large"] = 2 // of now, not of when the list was made
	const gib = 1 << 30
	want := map[string]float64{
		"cpu_cores m5.large": 2, "memory_bytes m5.large": 8 * gib, "cpu_cores c5.large": 2, "memory_bytes c5.large": 4 * gib,
		"cpu_cores hpc7g.4xlarge": 16, "memory_bytes hpc7g.4xlarge": 128 * gib,
		"price_estimate on-demand m5.large a": 2, "price_estimate spot m5.large a": 2, "price_estimate on-demand m5.large b": 2,
		"price_estimate spot m5.large b": 2, "price_estimate on-demand hpc7g.4xlarge a": 1, "price_estimate on-demand hpc7g.4xlarge b": 1,
	}
	if diff := cmp.Diff(want, measured(t, collector)); diff != "" {
		t.Errorf("series (-want +got):\n%s", diff)
	}
}
