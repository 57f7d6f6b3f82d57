package batch

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics measures batchers.
type Metrics struct {
	sizes *prometheus.HistogramVec
	times *prometheus.HistogramVec
}

var _ prometheus.Collector = (*Metrics)(nil)

// NewMetrics returns measures of batchers that are told apart by name.
func NewMetrics() *Metrics {
	histogram := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "karpenter", Subsystem: "cloudprovider_batcher", Name: name, Help: help, Buckets: buckets,
		}, []string{"batcher"})
	}
	return &Metrics{
		sizes: histogram("batch_size", "How many wanted to know or do something by one merged call.", []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000}),
		times: histogram("batch_time_seconds", "Time from the first who asked until the merged call was made.", []float64{0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1}),
	}
}

// Observer returns what tells of the batches of a batcher.
func (m *Metrics) Observer(batcher string) func(callers int, waited time.Duration) {
	sizes, times := m.sizes.WithLabelValues(batcher), m.times.WithLabelValues(batcher)
	return func(callers int, waited time.Duration) {
		sizes.Observe(float64(callers))
		times.Observe(waited.Seconds())
	}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(out chan<- *prometheus.Desc) { m.sizes.Describe(out); m.times.Describe(out) }

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(out chan<- prometheus.Metric) { m.sizes.Collect(out); m.times.Collect(out) }
