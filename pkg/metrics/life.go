package metrics

import "github.com/prometheus/client_golang/prometheus"

// Names of metric labels of what is measured here.
const (
	LabelController = "controller"
	LabelMethod     = "method"
	LabelProvider   = "provider"
	LabelError      = "error"
	LabelCheck      = "check"
)

// CheckNodeShape is the check of what a Node has against what its instance was said to have.
const CheckNodeShape = "node_shape"

// Life is what is measured of nodes and pods as they come and go, and of the calls to the cloud that make them.
type Life struct {
	// NodesCreated counts Nodes that kerf's machines joined as, by provisioner.
	NodesCreated *prometheus.CounterVec
	// NodesTerminated counts Nodes that are gone with their machine, by provisioner.
	NodesTerminated *prometheus.CounterVec
	// NodeTerminationTime is the time from the deletion of a machine with a Node to the end of both, seconds, by provisioner.
	NodeTerminationTime *prometheus.HistogramVec
	// LeasesDeleted counts Leases that were deleted because their Node was gone.
	LeasesDeleted prometheus.Counter
	// PodStartupTime is the time from the creation of a pod until it is ready, seconds.
	PodStartupTime prometheus.Histogram
	// UsagePercent is the part of its limit that a provisioner has launched, by resource.
	UsagePercent *prometheus.GaugeVec
	// CloudDuration is the time that calls to the cloud took, seconds, by controller, method of the port and cloud.
	CloudDuration *prometheus.HistogramVec
	// CloudErrors counts calls to the cloud that failed, by controller, method of the port, cloud and kind of error.
	CloudErrors *prometheus.CounterVec
	// ConsistencyErrors counts what was found not to be as expected, by check.
	ConsistencyErrors *prometheus.CounterVec
}

func newLife() Life {
	byNode := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Subsystem: "nodes", Name: name, Help: help}, []string{LabelProvisioner})
	}
	return Life{
		NodesCreated:    byNode("created", "Nodes that machines joined as."),
		NodesTerminated: byNode("terminated", "Nodes that are gone with their machine."),
		NodeTerminationTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: "nodes", Name: "termination_time_seconds",
			Help: "Time from the deletion of a machine with a node to the end of both.",
			// An empty node takes half a minute, a drain may take a day.
			Buckets: []float64{1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 14400, 86400},
		}, []string{LabelProvisioner}),
		LeasesDeleted: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: "nodes", Name: "leases_deleted", Help: "Leases deleted because their node was gone.",
		}),
		PodStartupTime: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: "pods", Name: "startup_time_seconds",
			Help: "Time from the creation of a pod until it is ready.",
			// On a node that is there it is seconds; a machine takes a minute.
			Buckets: []float64{0.5, 1, 2, 5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1800, 3600},
		}),
		UsagePercent: gauges("usage_pct", "Part of the limit that is launched, in percent."),
		CloudDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: "cloudprovider", Name: "duration_seconds",
			Help:    "Time that calls to the cloud took.",
			Buckets: []float64{0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60},
		}, []string{LabelController, LabelMethod, LabelProvider}),
		CloudErrors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: "cloudprovider", Name: "errors_total", Help: "Calls to the cloud that failed.",
		}, []string{LabelController, LabelMethod, LabelProvider, LabelError}),
		ConsistencyErrors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace, Name: "consistency_errors", Help: "What was found not to be as expected.",
		}, []string{LabelCheck}),
	}
}

func (l *Life) collectors() []prometheus.Collector {
	return []prometheus.Collector{
		l.NodesCreated, l.NodesTerminated, l.NodeTerminationTime, l.LeasesDeleted, l.PodStartupTime, l.UsagePercent, l.CloudDuration,
		l.CloudErrors, l.ConsistencyErrors,
	}
}
