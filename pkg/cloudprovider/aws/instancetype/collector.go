package instancetype

import "github.com/prometheus/client_golang/prometheus"

// bytesPerMiB turns what EC2 tells into what metrics are in.
const bytesPerMiB = 1 << 20

// Collector shows in metrics what may be launched and what it costs. Types and zones that nobody has lately asked a list for have no
// series: a region has ten thousand offerings, and most clusters may launch few of them. It works while it is read, and only then.
type Collector struct {
	lister *Lister
	cores  *prometheus.Desc
	memory *prometheus.Desc
	price  *prometheus.Desc
}

var _ prometheus.Collector = (*Collector)(nil)

// NewCollector returns a collector of what the lister lists.
func NewCollector(lister *Lister) *Collector {
	const prefix = "karpenter_cloudprovider_instance_type_"
	ofType := []string{"instance_type"}
	return &Collector{
		lister: lister,
		cores:  prometheus.NewDesc(prefix+"cpu_cores", "Virtual CPUs of an instance type that may be launched.", ofType, nil),
		memory: prometheus.NewDesc(prefix+"memory_bytes", "Nominal memory of an instance type that may be launched; its nodes see less.", ofType, nil),
		price: prometheus.NewDesc(prefix+"price_estimate", "What an offering that may be launched is thought to cost, US dollars per hour.",
			[]string{"instance_type", "zone", "capacity_type"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(out chan<- *prometheus.Desc) {
	out <- c.cores
	out <- c.memory
	out <- c.price
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	snapshot, err := c.lister.source.Snapshot()
	if err != nil {
		return // nothing has been listed either
	}
	for name, places := range c.lister.listed() {
		info, ok := snapshot.Info(name)
		if !ok {
			continue
		}
		out <- prometheus.MustNewConstMetric(c.cores, prometheus.GaugeValue, float64(info.VCPUs), name)
		out <- prometheus.MustNewConstMetric(c.memory, prometheus.GaugeValue, float64(info.MemoryMiB*bytesPerMiB), name)
		for p := range places {
			if price, known := c.lister.prices.Price(name, p.zone, p.capacityType); known {
				out <- prometheus.MustNewConstMetric(c.price, prometheus.GaugeValue, price, name, p.zone, p.capacityType)
			}
		}
	}
}

// listed returns the types of the lists in memory, and where each of them is offered there.
func (l *Lister) listed() map[string]map[place]bool {
	out := map[string]map[place]bool{}
	for _, b := range l.bases.Values() {
		for i, t := range b.instanceTypes {
			if out[t.Name] == nil {
				out[t.Name] = make(map[place]bool, len(b.offered[i]))
			}
			for _, p := range b.offered[i] {
				out[t.Name][p] = true
			}
		}
	}
	return out
}
