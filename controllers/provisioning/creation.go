package provisioning

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// creationTries is how often a machine is asked for whose creation fails for a passing reason. One that is missing has all others of
// its launch group launch alone, so that a single fault is worth another try; of an API server that is down more of them make no more.
const creationTries = 3

// ensure creates the machine. One whose creation had no answer is asked for again, by the same name, and taken as it is if it was
// created all the same.
func (c *Controller) ensure(ctx context.Context, machine *v1alpha5.Machine) error {
	wanted := machine.DeepCopy()
	err := c.client.Create(ctx, machine)
	for try := 1; err != nil && mayPass(err) && try < creationTries && ctx.Err() == nil; try++ {
		wanted.DeepCopyInto(machine)
		if err = c.client.Create(ctx, machine); apierrors.IsAlreadyExists(err) {
			err = c.live.Get(ctx, client.ObjectKeyFromObject(wanted), machine)
		}
	}
	return err
}

// mayPass reports whether another try may succeed: the API server has not refused what was asked.
func mayPass(err error) bool {
	switch apierrors.ReasonForError(err) {
	case "", "Unknown", "InternalError", "ServerTimeout", "Timeout", "ServiceUnavailable", "TooManyRequests":
		return true
	default:
		return false
	}
}
