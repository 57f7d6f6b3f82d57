package garbagecollection

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/samber/lo"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

// beliefCounts is how long a Machine that was deleted because the cloud did not know its instance counts among those that are
// missing at once: a wrong answer that comes bit by bit is no truer.
const beliefCounts = 15 * time.Minute

// belief is the end of a Machine of a provisioner whose instance the cloud did not know.
type belief struct {
	provisioner string
	at          time.Time
}

// tolerated returns how many of a provisioner's machines may be missing at once before deletion pauses: three, or a tenth.
func tolerated(launched int) int { return max(3, launched/10) }

// weigh returns those of the missed Machines whose instance is taken for gone, and of those that the cloud does not know, where
// there are too many of a provisioner at once, what to tell, by UID. What the cloud knows to have ended is no matter of numbers.
func (c *Controller) weigh(ctx context.Context, list []v1alpha5.Machine, found []*missed) ([]*missed, map[types.UID]string) {
	now := c.journal.Clock.Now()
	c.believed = lo.Filter(c.believed, func(b belief, _ int) bool { return now.Sub(b.at) < beliefCounts })
	launched := lo.CountValuesBy(lo.Filter(list, func(m v1alpha5.Machine, _ int) bool { return m.Status.ProviderID != "" }),
		func(m v1alpha5.Machine) string { return m.ProvisionerName() })
	missing := lo.CountValuesBy(c.believed, func(b belief) string { return b.provisioner })
	for _, m := range found {
		if m.fate == unknown {
			missing[m.machine.ProvisionerName()]++
		}
	}
	before := c.paused
	c.paused = map[string]bool{}
	var over []*missed
	doubted := map[types.UID]string{}
	for _, m := range found {
		provisioner := m.machine.ProvisionerName()
		switch {
		case m.fate == unknown && missing[provisioner] > tolerated(launched[provisioner]):
			c.paused[provisioner] = true
			doubted[m.machine.UID] = fmt.Sprintf("%d of %d machines of provisioner %s look gone at once: none of them is deleted until fewer do; "+
				"delete the machines by hand if their instances were terminated on purpose", missing[provisioner], launched[provisioner], provisioner)
		case m.fate.isOver(false, m.since): // its Node is asked last
			over = append(over, m)
		}
	}
	c.tellPause(ctx, before, missing, launched)
	return over, doubted
}

// tellPause measures which provisioners' machines are not deleted, and logs when that begins and ends.
func (c *Controller) tellPause(ctx context.Context, before map[string]bool, missing, launched map[string]int) {
	for provisioner := range c.paused {
		c.journal.Metrics.DeletionPaused.WithLabelValues(provisioner).Set(float64(missing[provisioner]))
		if !before[provisioner] {
			ctrl.LoggerFrom(ctx).Info("too many instances look gone, deleting nothing", "provisioner", provisioner, "missing", missing[provisioner], "launched", launched[provisioner])
		}
	}
	for provisioner := range before {
		if !c.paused[provisioner] {
			c.journal.Metrics.DeletionPaused.DeleteLabelValues(provisioner)
			ctrl.LoggerFrom(ctx).Info("no more instances look gone than can be believed, deleting again", "provisioner", provisioner)
		}
	}
}

// note keeps on the Machines whose end is paused, in Terminated, that it is, and takes it off the others; people are told of both.
func (c *Controller) note(ctx context.Context, list []v1alpha5.Machine, doubted map[types.UID]string) error {
	var errs []error
	for i := range list {
		machine := &list[i]
		conditions := machines.Conditions(machine)
		noted := conditions.Get(v1alpha5.ConditionTerminated)
		was := noted != nil && noted.Reason == events.ReasonDeletionPaused
		message, doubt := doubted[machine.UID]
		// Of a machine that goes its end writes the condition. What was noted stays in its words: the numbers change all the time.
		if !machine.DeletionTimestamp.IsZero() || was == doubt {
			continue
		}
		stored := machine.DeepCopy()
		event := events.Event{Object: machine, Reason: events.ReasonDeletionResumed, Message: "Not too many machines of its provisioner look gone any more"}
		if doubt {
			conditions.Unknown(v1alpha5.ConditionTerminated, events.ReasonDeletionPaused, message)
			event = events.Event{Object: machine, Warning: true, Reason: events.ReasonDeletionPaused, Message: message}
		} else {
			conditions.Clear(v1alpha5.ConditionTerminated)
		}
		err := machines.Write(ctx, c.client, stored, machine)
		switch {
		case apierrors.IsConflict(err): // who was faster is no failure: the next sweep notes it
		case err != nil:
			errs = append(errs, err)
		default:
			c.journal.Events.Publish(event)
		}
	}
	return errors.Join(errs...)
}
