package scenario_test

import (
	"testing"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/test/region"
)

// generalPurpose returns the instance types of the region that a plain Provisioner may buy, on demand.
func generalPurpose(t testing.TB) cloudprovider.InstanceTypes {
	t.Helper()
	out, err := region.InstanceTypes(region.GeneralPurpose, v1alpha5.CapacityTypeOnDemand)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
