package controllers

import (
	"context"
	"time"

	"k8s.io/utils/clock"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/drift"
	"github.com/kerf-autoscaler/kerf/pkg/metrics"
)

// measured measures the calls of one controller to a cloud.
type measured struct {
	provider cloudprovider.Provider
	metrics  *metrics.Metrics
	clock    clock.PassiveClock
	// controller and cloud are the names of the two sides.
	controller, cloud string
}

var _ cloudprovider.Provider = (*measured)(nil)

func (m *measured) Create(ctx context.Context, machine *v1alpha5.Machine) (*v1alpha5.Machine, error) {
	return measure(m, "Create", func() (*v1alpha5.Machine, error) { return m.provider.Create(ctx, machine) })
}

func (m *measured) Delete(ctx context.Context, machine *v1alpha5.Machine, all ...cloudprovider.Agreement) error {
	_, err := measure(m, "Delete", func() (struct{}, error) { return struct{}{}, m.provider.Delete(ctx, machine, all...) })
	return err
}

func (m *measured) Get(ctx context.Context, providerID string) (*v1alpha5.Machine, error) {
	return measure(m, "Get", func() (*v1alpha5.Machine, error) { return m.provider.Get(ctx, providerID) })
}

func (m *measured) List(ctx context.Context) ([]*v1alpha5.Machine, error) {
	return measure(m, "List", func() ([]*v1alpha5.Machine, error) { return m.provider.List(ctx) })
}

func (m *measured) InstanceTypes(ctx context.Context, provisioner *v1alpha5.Provisioner) (cloudprovider.InstanceTypes, error) {
	return measure(m, "InstanceTypes", func() (cloudprovider.InstanceTypes, error) { return m.provider.InstanceTypes(ctx, provisioner) })
}

// Surveyed asks nobody, so that there is nothing to measure.
func (m *measured) Surveyed() time.Time { return m.provider.Surveyed() }

func (m *measured) Drifted(ctx context.Context, machine *v1alpha5.Machine) (drift.Finding, error) {
	return measure(m, "Drifted", func() (drift.Finding, error) { return m.provider.Drifted(ctx, machine) })
}

func measure[T any](m *measured, method string, call func() (T, error)) (T, error) {
	start := m.clock.Now()
	out, err := call()
	m.metrics.CloudDuration.WithLabelValues(m.controller, method, m.cloud).Observe(m.clock.Since(start).Seconds())
	if err != nil {
		m.metrics.CloudErrors.WithLabelValues(m.controller, method, m.cloud, kind(err)).Inc()
	}
	return out, err
}

// kind returns what an error of the port means, in one word.
func kind(err error) string {
	switch {
	case cloudprovider.IsUnavailable(err):
		return "Unavailable"
	case cloudprovider.IsNotFound(err):
		return "NotFound"
	case cloudprovider.IsInsufficientCapacity(err):
		return "InsufficientCapacity"
	case cloudprovider.IsNotReady(err):
		return "NotReady"
	case cloudprovider.IsAnswered(err):
		return "Refused"
	default:
		return "Failed"
	}
}
