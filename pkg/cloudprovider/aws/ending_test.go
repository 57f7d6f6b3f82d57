package aws

import (
	"testing"

	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
)

// An instance that failed by itself is a warning about the next one; what people or EC2 took away is none.
func TestWhyAnInstanceEndedTellsWhetherItFailed(t *testing.T) {
	for why, want := range map[string]bool{
		"Client.UserInitiatedShutdown": true, "Server.SpotInstanceTermination": true, "Server.SpotInstanceShutdown": true,
		"Server.InsufficientInstanceCapacity": true, "Client.InternalError": false, "Client.VolumeLimitExceeded": false,
		"Client.InstanceInitiatedShutdown": false, "Client.InvalidSnapshot.NotFound": false, "Server.InternalError": false, "": false,
	} {
		err := terminated("i-1", why)
		if !cloudprovider.IsTerminated(err) || cloudprovider.IsTakenAway(nil, err) != want {
			t.Errorf("%q: %v is said to be taken away: %t, want %t", why, err, cloudprovider.IsTakenAway(nil, err), want)
		}
		wantReason := v1alpha5.ReasonTerminating
		if want {
			wantReason = v1alpha5.ReasonTakenAway
		}
		if got := leaving(ec2types.InstanceStateNameShuttingDown, why); got != wantReason {
			t.Errorf("%q: an instance that shuts down for it has reason %s, want %s", why, got, wantReason)
		}
	}
}
