package batch

import (
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

func TestMetricsTellHowManyShareACallAndHowLongTheyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, of := NewMetrics(), settings()
		of.Observe = m.Observer("echo")
		b := New(of, (&echo{}).call)
		all(t.Context(), b, "a", "bb", "a", "a") // four callers, about two keys
		all(t.Context(), b, "1", "2", "3", "4", "5")
		registry := prometheus.NewRegistry()
		registry.MustRegister(m)
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string][2]float64{} // name -> calls, and the sum
		for _, f := range families {
			for _, series := range f.GetMetric() {
				h := series.GetHistogram()
				got[f.GetName()+" "+series.GetLabel()[0].GetValue()] = [2]float64{float64(h.GetSampleCount()), h.GetSampleSum()}
			}
		}
		want := map[string][2]float64{
			"karpenter_cloudprovider_batcher_batch_size echo": {2, 9}, "karpenter_cloudprovider_batcher_batch_time_seconds echo": {2, 0.1},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("measured (-want +got):\n%s", diff)
		}
	})
}
