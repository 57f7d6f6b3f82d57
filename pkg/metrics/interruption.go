package metrics

import "github.com/prometheus/client_golang/prometheus"

// Names of metric labels of what is measured here.
const (
	LabelMessageType = "message_type"
	LabelActionType  = "action_type"
)

// Values of LabelActionType.
const (
	// ActionDrain: a Machine was deleted, whose Node is drained.
	ActionDrain = "CordonAndDrain"
	// ActionMark: the offering of a Machine is left alone for a while.
	ActionMark = "MarkUnavailable"
)

// TypeWorthless is the LabelMessageType of what is believed to be nothing.
const TypeWorthless = "worthless"

// Interruption is what is measured of the queue that tells of the ends of instances.
type Interruption struct {
	// MessagesReceived counts deliveries of messages, by type.
	MessagesReceived *prometheus.CounterVec
	// MessagesDeleted counts messages deleted from the queue.
	MessagesDeleted prometheus.Counter
	// MessagesDropped counts messages that nothing was done about, by reason.
	MessagesDropped *prometheus.CounterVec
	// MessageLatency is the time from what a message tells of until it was handled, seconds.
	MessageLatency prometheus.Histogram
	// ActionsPerformed counts what was done about Machines, by type.
	ActionsPerformed *prometheus.CounterVec
	// QueueUnavailable is 1 while the queue cannot be read.
	QueueUnavailable prometheus.Gauge
}

func newInterruption() Interruption {
	const subsystem = "interruption"
	by := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, []string{label})
	}
	return Interruption{
		MessagesReceived: by("received_messages", "Messages received, each time that they were.", LabelMessageType),
		MessagesDeleted: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "deleted_messages", Help: "Messages deleted from the queue.",
		}),
		MessagesDropped: by("dropped_messages", "Messages that nothing was done about.", LabelReason),
		MessageLatency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "message_latency_time_seconds",
			Help: "Time from what a message tells of until it was handled.",
			// A spot instance has two minutes, an announced change may be days away.
			Buckets: []float64{0.5, 1, 2, 3, 5, 10, 15, 30, 60, 90, 120, 300, 600, 3600, 86400},
		}),
		ActionsPerformed: by("actions_performed", "What was done about Machines.", LabelActionType),
		QueueUnavailable: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "queue_unavailable", Help: "1 while the queue cannot be read.",
		}),
	}
}

func (i *Interruption) collectors() []prometheus.Collector {
	return []prometheus.Collector{i.MessagesReceived, i.MessagesDeleted, i.MessagesDropped, i.MessageLatency, i.ActionsPerformed, i.QueueUnavailable}
}
