package controllers

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/metrics"
)

// failing is a cloud whose every answer to Get is an error.
type failing struct {
	cloudprovider.Provider
	err error
}

func (f failing) Get(context.Context, string) (*v1alpha5.Machine, error) { return nil, f.err }

func TestFailuresAreCountedByWhatTheyMean(t *testing.T) {
	cause := errors.New("cause")
	registry := prometheus.NewRegistry()
	recorded, err := metrics.New(registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, failure := range []error{
		cause, cloudprovider.NewUnavailableError(cause), cloudprovider.NewNotFoundError(cause),
		cloudprovider.NewInsufficientCapacityError(cause), cloudprovider.NewNotReadyError(cause), cloudprovider.NewRefusedError("Why", cause),
	} {
		m := &measured{provider: failing{err: fmt.Errorf("reading: %w", failure)}, metrics: recorded, clock: clock.RealClock{}, controller: "c", cloud: "aws"}
		if _, err := m.Get(t.Context(), "aws:///a/i-1"); !errors.Is(err, failure) {
			t.Errorf("the error became %v, want %v", err, failure)
		}
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if family.GetName() == "karpenter_cloudprovider_errors_total" && label.GetName() == metrics.LabelError {
					got[label.GetValue()] += metric.GetCounter().GetValue()
				}
			}
		}
	}
	want := map[string]float64{"Failed": 1, "Unavailable": 1, "NotFound": 1, "InsufficientCapacity": 1, "NotReady": 1, "Refused": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("errors counted (-want +got):\n%s", diff)
	}
}
