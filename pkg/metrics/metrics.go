// Package metrics is what kerf measures of itself, under the names that Karpenter dashboards know.
package metrics

import (
	"fmt"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

const namespace = "karpenter"

// Names of metric labels.
const (
	LabelProvisioner  = "provisioner"
	LabelReason       = "reason"
	LabelResourceType = "resource_type"
	LabelCapacityType = "capacity_type"
	LabelZone         = "zone"
	LabelInstanceType = "instance_type"
	LabelWebhook      = "webhook"
	LabelOutcome      = "outcome"
	LabelCertificate  = "certificate"
	LabelType         = "type"
)

// Values of LabelCertificate.
const (
	CertificateServing   = "serving"
	CertificateAuthority = "authority"
)

// Metrics holds every collector; a value belongs to one registry.
type Metrics struct {
	Life
	Interruption

	registry prometheus.Registerer
	// MachinesCreated counts Machines made, by provisioner.
	MachinesCreated *prometheus.CounterVec
	// MachinesLaunched counts instances that came for Machines, by provisioner, type, zone and capacity type.
	MachinesLaunched *prometheus.CounterVec
	// MachinesRegistered counts Nodes that joined, by provisioner.
	MachinesRegistered *prometheus.CounterVec
	// MachinesInitialized counts Nodes that became ready for pods, by provisioner.
	MachinesInitialized *prometheus.CounterVec
	// MachinesDrifted counts how often Machines came to differ from what is asked for, by provisioner and type of difference.
	MachinesDrifted *prometheus.CounterVec
	// MachinesDisrupted counts Machines that kerf decided to remove, by provisioner and reason.
	MachinesDisrupted *prometheus.CounterVec
	// MachinesTerminated counts Machines whose instance is gone, by provisioner.
	MachinesTerminated *prometheus.CounterVec
	// MachinesFruitless counts machines that turned out to be of no use, where several did at once those of one provisioner as one, by provisioner and reason.
	MachinesFruitless *prometheus.CounterVec
	// Deprovisioning are the figures of decisions on machines that are there.
	Deprovisioning
	// LaunchFailures counts refused launches, by provisioner and reason.
	LaunchFailures *prometheus.CounterVec
	// Usage is the capacity that a provisioner has launched, by resource.
	Usage *prometheus.GaugeVec
	// Limit is the capacity that a provisioner may launch, by resource.
	Limit *prometheus.GaugeVec
	// SchedulingDuration is the time a decision took, seconds.
	SchedulingDuration prometheus.Histogram
	// UnplacedPods is how many pods the last decision found no machine for.
	UnplacedPods prometheus.Gauge
	// PlanCost is what the machines of the last decision cost by their plan, US dollars per hour.
	PlanCost prometheus.Gauge
	// PlanLowerBound is what no plan for the pods on these machines can cost less than, US dollars per hour.
	PlanLowerBound prometheus.Gauge
	// PlansCutShort counts decisions that took too long: their pods were not all looked at, or their machines are dearer than need be.
	PlansCutShort prometheus.Counter
	// PodsEvicted counts pods evicted by drains.
	PodsEvicted prometheus.Counter
	// PodsDeleted counts pods that drains deleted because their terminationGracePeriod ended.
	PodsDeleted prometheus.Counter
	// OrphansTerminated counts instances terminated because no Machine owned them.
	OrphansTerminated prometheus.Counter
	// DeletionPaused is how many machines of a provisioner look gone at once while that is too many to delete them; unset
	// otherwise.
	DeletionPaused *prometheus.GaugeVec
	// TerminationPaused is how many working nodes of a provisioner have no machine while that is too many to terminate them; unset
	// otherwise.
	TerminationPaused *prometheus.GaugeVec
	// AdmissionDuration is the time from the headers of an admission request to its answer, seconds, by path.
	AdmissionDuration *prometheus.HistogramVec
	// Admissions counts answers to admission requests, by path and outcome: allowed, refused or failed.
	Admissions *prometheus.CounterVec
	// CertificateExpiration is when what this replica serves webhooks with ends, Unix seconds, by certificate; unset without one.
	CertificateExpiration *prometheus.GaugeVec
}

// New returns the collectors, registered.
func New(registry prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		Life: newLife(), Interruption: newInterruption(), Deprovisioning: newDeprovisioning(), registry: registry,
		MachinesCreated:     counters("created", "Machines made.", LabelProvisioner),
		MachinesLaunched:    counters("launched", "Instances that came for Machines.", LabelProvisioner, LabelInstanceType, LabelZone, LabelCapacityType),
		MachinesRegistered:  counters("registered", "Nodes that joined.", LabelProvisioner),
		MachinesInitialized: counters("initialized", "Nodes that became ready for pods.", LabelProvisioner),
		MachinesDrifted:     counters("drifted", "Machines that turned out not to be what is asked for any more.", LabelProvisioner, LabelType),
		MachinesDisrupted:   counters("disrupted", "Machines that kerf decided to remove.", LabelProvisioner, LabelReason),
		MachinesTerminated:  counters("terminated", "Machines whose instance is gone.", LabelProvisioner),
		MachinesFruitless:   counters("fruitless", "Machines that turned out to be of no use.", LabelProvisioner, LabelReason),
		LaunchFailures:      counters("launch_failures", "Refused launches.", LabelProvisioner, LabelReason),
		Usage:               gauges("usage", "Capacity launched."),
		Limit:               gauges("limit", "Capacity that may be launched."),
		SchedulingDuration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: "provisioner", Name: "scheduling_duration_seconds",
			Help: "Time that a decision took.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 18),
		}),
		UnplacedPods: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: "provisioner", Name: "unplaced_pods",
			Help: "Pods that the last decision found no machine for.",
		}),
		PlanCost: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: "provisioner", Name: "plan_cost_per_hour",
			Help: "What the machines of the last decision cost by their plan, US dollars per hour.",
		}),
		PlanLowerBound: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: "provisioner", Name: "plan_lower_bound_per_hour",
			Help: "What no plan for the pods on the machines of the last decision can cost less than, US dollars per hour.",
		}),
		PlansCutShort: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: "provisioner", Name: "plans_cut_short", Help: "Decisions that took too long and were cut short.",
		}),
		PodsEvicted: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: "pods", Name: "evicted", Help: "Pods evicted by drains.",
		}),
		PodsDeleted: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: "pods", Name: "deleted", Help: "Pods deleted by drains whose time was up.",
		}),
		OrphansTerminated: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: "machines", Name: "orphans_terminated", Help: "Instances terminated because no Machine owned them.",
		}),
		DeletionPaused:    paused("deletion_paused", "Machines that are not deleted because too many of their provisioner look gone at once."),
		TerminationPaused: paused("orphan_termination_paused", "Working nodes that are not terminated because too many of their provisioner have lost their machines."),
		AdmissionDuration: admissions(),
		Admissions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: "webhook", Name: "admissions", Help: "Admission requests answered.",
		}, []string{LabelWebhook, LabelOutcome}),
		CertificateExpiration: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: "webhook", Name: "certificate_expiration_timestamp_seconds",
			Help: "When a certificate that webhooks are served with ends.",
		}, []string{LabelCertificate}),
	}
	for _, c := range m.collectors() {
		if err := m.Add(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Forget takes away what was measured of a provisioner that is gone.
func (m *Metrics) Forget(provisioner string) {
	for _, c := range m.collectors() {
		if vector, ok := c.(interface{ DeletePartialMatch(prometheus.Labels) int }); ok {
			vector.DeletePartialMatch(prometheus.Labels{LabelProvisioner: provisioner})
		}
	}
}

// Add registers a collector beside those that are there.
func (m *Metrics) Add(c prometheus.Collector) error {
	if err := m.registry.Register(c); err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	return nil
}

func (m *Metrics) collectors() []prometheus.Collector {
	return append(slices.Concat(m.Life.collectors(), m.Interruption.collectors(), m.Deprovisioning.collectors()),
		m.MachinesCreated, m.MachinesLaunched, m.MachinesRegistered, m.MachinesInitialized, m.MachinesDrifted, m.MachinesDisrupted,
		m.MachinesTerminated, m.MachinesFruitless, m.LaunchFailures, m.Usage, m.Limit, m.SchedulingDuration, m.UnplacedPods,
		m.PlanCost, m.PlanLowerBound, m.PlansCutShort, m.PodsEvicted, m.PodsDeleted,
		m.OrphansTerminated, m.DeletionPaused, m.TerminationPaused, m.AdmissionDuration, m.Admissions, m.CertificateExpiration)
}

// admissions measures how long webhooks take: 10 ms is the goal of 99 % of the answers, 5 s is when the API server waits no longer.
func admissions() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Subsystem: "webhook", Name: "admission_duration_seconds",
		Help:    "Time that admission requests took to answer.",
		Buckets: []float64{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5},
	}, []string{LabelWebhook})
}

// counters are about machines.
func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Subsystem: "machines", Name: name, Help: help}, labels)
}

// paused is about what is not done to machines of a provisioner.
func paused(name, help string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Subsystem: "machines", Name: name, Help: help}, []string{LabelProvisioner})
}

// gauges are about one resource of one provisioner each.
func gauges(name, help string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Subsystem: "provisioner", Name: name, Help: help},
		[]string{LabelProvisioner, LabelResourceType})
}
