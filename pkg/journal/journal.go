// Package journal is where controllers tell what they did and when: events for people, metrics for machines, one clock for both.
package journal

import (
	"k8s.io/utils/clock"

	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/metrics"
)

// Journal is handed to every controller.
type Journal struct {
	Events  *events.Recorder
	Metrics *metrics.Metrics
	Clock   clock.WithTicker
	// Pulse takes note of work that has an end; it may be nil.
	Pulse *Pulse
}
