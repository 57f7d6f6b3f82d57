package garbagecollection

import (
	"context"
	"errors"
	"fmt"

	"github.com/samber/lo"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

// weigh parts the Machines whose instance the cloud does not know, by provisioner, into those that are believed to have none
// and those of which too many look gone at once; the latter with what to tell, by UID.
func (c *Controller) weigh(ctx context.Context, list []v1alpha5.Machine, unknown map[string][]*v1alpha5.Machine) ([]*v1alpha5.Machine, map[types.UID]string) {
	launched := lo.CountValuesBy(lo.Filter(list, func(m v1alpha5.Machine, _ int) bool { return m.Status.ProviderID != "" }),
		func(m v1alpha5.Machine) string { return m.ProvisionerName() })
	before := c.paused
	c.paused = map[string]bool{}
	var believed []*v1alpha5.Machine
	doubted := map[types.UID]string{}
	for provisioner, missing := range unknown {
		if len(missing) <= tolerated(launched[provisioner]) {
			believed = append(believed, missing...)
			continue
		}
		c.paused[provisioner] = true
		message := fmt.Sprintf("%d of %d machines of provisioner %s look gone at once: nothing is deleted until fewer do; "+
			"delete the machines by hand if their instances were terminated on purpose", len(missing), launched[provisioner], provisioner)
		for _, machine := range missing {
			doubted[machine.UID] = message
			c.journal.Events.Publish(events.Event{Object: machine, Warning: true, Reason: events.ReasonDeletionPaused, Message: message})
		}
		if !before[provisioner] {
			ctrl.LoggerFrom(ctx).Info("too many instances look gone, deleting nothing", "provisioner", provisioner, "missing", len(missing), "launched", launched[provisioner])
		}
	}
	for provisioner := range before {
		if !c.paused[provisioner] {
			ctrl.LoggerFrom(ctx).Info("no more instances look gone than can be believed, deleting again", "provisioner", provisioner)
		}
	}
	return believed, doubted
}

// note keeps on the Machines whose end is paused, in Terminated, that it is, and takes it off the others.
func (c *Controller) note(ctx context.Context, list []v1alpha5.Machine, doubted map[types.UID]string) error {
	var errs []error
	for i := range list {
		machine := &list[i]
		conditions := machines.Conditions(machine)
		noted := conditions.Get(v1alpha5.ConditionTerminated)
		message, doubt := doubted[machine.UID]
		stored := machine.DeepCopy()
		switch {
		case !machine.DeletionTimestamp.IsZero(): // its end writes the condition now
			continue
		case doubt:
			conditions.Unknown(v1alpha5.ConditionTerminated, events.ReasonDeletionPaused, message)
		case noted != nil && noted.Reason == events.ReasonDeletionPaused:
			conditions.Clear(v1alpha5.ConditionTerminated)
		}
		// Who was faster is no failure: the next sweep notes it.
		if err := machines.Write(ctx, c.client, stored, machine); err != nil && !apierrors.IsConflict(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
