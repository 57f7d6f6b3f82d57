package metrics

import "github.com/prometheus/client_golang/prometheus"

// LabelAction is what is done about machines: delete, or replace.
const LabelAction = "action"

// Deprovisioning are the figures of decisions on machines that are there.
type Deprovisioning struct {
	// DeprovisioningActions counts decisions that machines go, by action (replace or delete) and reason.
	DeprovisioningActions *prometheus.CounterVec
	// DeprovisioningEligible is how many machines were looked at last, by reason.
	DeprovisioningEligible *prometheus.GaugeVec
	// DeprovisioningRefused is how many of those stay, by what keeps them.
	DeprovisioningRefused *prometheus.GaugeVec
	// DeprovisioningDuration is the time a decision took, seconds, by method.
	DeprovisioningDuration *prometheus.HistogramVec
	// ReplacementsInitialized is the time from a decision until what takes the place of machines was ready, seconds.
	ReplacementsInitialized prometheus.Histogram
	// ReplacementsFailed counts decisions that were taken back because what was to take the place of machines came to nothing.
	ReplacementsFailed prometheus.Counter
}

func newDeprovisioning() Deprovisioning {
	const subsystem = "deprovisioning"
	return Deprovisioning{
		DeprovisioningActions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "actions_performed", Help: "Decisions that machines go.",
		}, []string{LabelAction, LabelReason}),
		DeprovisioningEligible: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "eligible_machines", Help: "Machines that the last pass looked at.",
		}, []string{LabelReason}),
		DeprovisioningRefused: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "refused_machines", Help: "Machines that the last decision left where they are.",
		}, []string{LabelReason}),
		DeprovisioningDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "evaluation_duration_seconds", Help: "Time that a decision took.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16),
		}, []string{LabelMethod}),
		ReplacementsInitialized: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "replacement_machine_initialized_seconds",
			Help:    "Time from a decision until what takes the place of machines was ready.",
			Buckets: []float64{10, 20, 30, 45, 60, 90, 120, 180, 240, 300, 450, 600, 900, 1200},
		}),
		ReplacementsFailed: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "replacement_machine_launch_failure_counter",
			Help: "Decisions taken back because what was to take the place of machines came to nothing.",
		}),
	}
}

func (d *Deprovisioning) collectors() []prometheus.Collector {
	return []prometheus.Collector{
		d.DeprovisioningActions, d.DeprovisioningEligible, d.DeprovisioningRefused, d.DeprovisioningDuration, d.ReplacementsInitialized,
		d.ReplacementsFailed,
	}
}
