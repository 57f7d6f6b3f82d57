package offerings

import "github.com/prometheus/client_golang/prometheus"

// Collector shows the memory in metrics: offerings that nothing is remembered of have no series.
type Collector struct {
	memory    *Memory
	available *prometheus.Desc
	trial     *prometheus.Desc
}

var _ prometheus.Collector = (*Collector)(nil)

// NewCollector returns a collector of the memory.
func NewCollector(memory *Memory) *Collector {
	labels := []string{"instance_type", "zone", "capacity_type"}
	return &Collector{
		memory: memory,
		available: prometheus.NewDesc("karpenter_cloudprovider_instance_type_offering_available",
			"Whether an offering may be bought that lately gave nothing: 0 while it is left alone, 1 while it is tried again.", labels, nil),
		trial: prometheus.NewDesc("karpenter_cloudprovider_instance_type_offering_trial",
			"How many machines may be tried at once of an offering that lately gave nothing.", labels, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(out chan<- *prometheus.Desc) { out <- c.available; out <- c.trial }

// Collect implements prometheus.Collector.
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	for o, s := range c.memory.Remembered() {
		available := 0.0
		if s.Available {
			available = 1
		}
		out <- prometheus.MustNewConstMetric(c.available, prometheus.GaugeValue, available, o.InstanceType, o.Zone, o.CapacityType)
		out <- prometheus.MustNewConstMetric(c.trial, prometheus.GaugeValue, float64(s.Trial), o.InstanceType, o.Zone, o.CapacityType)
	}
}
