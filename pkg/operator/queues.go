package operator

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// longestRunning is the metric by which each work queue tells for how long its oldest item has been worked on, seconds.
	longestRunning = "workqueue_longest_running_processor_seconds"
	// reconcileTimeout ends the context of a reconcile: what waits for an answer that never comes is told to give up, and tried again.
	reconcileTimeout = 90 * time.Second
)

// Stuck returns a check of the controllers: it fails when one has worked on an object for longer than that, which is more than its
// context lasts. It reads what work queues measure of themselves.
func Stuck(measured prometheus.Gatherer, patience time.Duration) func() error {
	return func() error {
		families, err := measured.Gather()
		if err != nil && len(families) == 0 {
			return nil // what cannot be measured says nothing about the work
		}
		var stuck []error
		for _, family := range families {
			if family.GetName() != longestRunning {
				continue
			}
			for _, metric := range family.GetMetric() {
				took := time.Duration(metric.GetGauge().GetValue() * float64(time.Second))
				if took <= patience {
					continue
				}
				name := ""
				for _, label := range metric.GetLabel() {
					if label.GetName() == "name" {
						name = label.GetValue()
					}
				}
				stuck = append(stuck, fmt.Errorf("controller %s works on one object for %s", name, took.Round(time.Second)))
			}
		}
		return errors.Join(stuck...)
	}
}
