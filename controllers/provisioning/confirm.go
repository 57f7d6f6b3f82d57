package provisioning

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// inherit makes all Machines that there are count before the first decision, and before one after a Machine whose making had no answer
// that says that it is there. The process before this one may have made some a moment ago, and a watch begins with what its API server
// has heard of.
func (c *Controller) inherit(ctx context.Context) error {
	if c.inherited {
		return nil
	}
	var list v1alpha5.MachineList
	if err := c.live.List(ctx, &list); err != nil {
		return fmt.Errorf("listing the machines that there are: %w", err)
	}
	now := c.journal.Clock.Now()
	for i := range list.Items {
		c.cluster.Assume(&list.Items[i], now)
	}
	c.inherited = true
	return nil
}

// confirm asks the API server for Machines that were created and that the watch has not shown for long. A watch that lags must
// not make kerf buy twice, and a Machine that somebody deleted before it came by must not count for ever.
func (c *Controller) confirm(ctx context.Context) error {
	for _, name := range c.cluster.Unconfirmed(c.journal.Clock.Now(), confirmAfter) {
		err := c.live.Get(ctx, client.ObjectKey{Name: name}, &v1alpha5.Machine{})
		switch {
		case apierrors.IsNotFound(err):
			c.cluster.Forget(name)
		case err != nil:
			return fmt.Errorf("confirming machine %s: %w", name, err)
		}
	}
	return nil
}
