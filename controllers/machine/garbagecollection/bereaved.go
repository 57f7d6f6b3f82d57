package garbagecollection

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/samber/lo"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

// fate is what the cloud says of one instance that it was asked for by its id.
type fate int

const (
	// unclear: the answer settles nothing.
	unclear fate = iota
	lives
	// stopped: it is switched off.
	stopped
	// ended: it shuts down or has ended, which is never taken back.
	ended
	// unknown: the cloud does not know it. So it says too of what it does not show yet, and to who asks in the wrong place.
	unknown
)

func fateOf(instance *v1alpha5.Machine, err error) fate {
	switch {
	case cloudprovider.IsTerminated(err):
		return ended
	case cloudprovider.IsNotFound(err):
		return unknown
	case err != nil:
		return unclear
	case cloudprovider.IsEnding(instance):
		return ended
	case cloudprovider.IsStopped(instance):
		return stopped
	default:
		return lives
	}
}

// isOver reports whether the Machine's instance serves no pods any more. A kubelet that reports ready stands against all but the
// word of the cloud that the instance has ended: another instance may have taken over its name with its address.
func (f fate) isOver(ready bool, unknownFor time.Duration) bool {
	switch f {
	case ended:
		return true
	case stopped:
		return !ready
	case unknown:
		return !ready && unknownFor >= unknownAge
	default:
		return false
	}
}

// missed is a Machine whose instance was asked for.
type missed struct {
	machine *v1alpha5.Machine
	fate    fate
	// takenAway says that it did not end by itself.
	takenAway bool
	// since is how long the cloud has not known the instance.
	since time.Duration
	// deleted says that the Machine was deleted for it.
	deleted bool
}

// endBereaved deletes the Machines whose instance is gone, after asking for each instance by its id. When the cloud does not
// know too many at once its answer is doubted rather than the cluster.
func (c *Controller) endBereaved(ctx context.Context, seen look, found []*v1alpha5.Machine) error {
	list, err := c.ask(ctx, found)
	believed, doubted := c.weigh(ctx, seen.machines, list)
	err = errors.Join(err, c.note(ctx, seen.machines, doubted), each(believed, func(m *missed) error { return c.end(ctx, m) }))
	for _, m := range believed {
		if m.deleted && m.fate == unknown {
			c.believed = append(c.believed, belief{m.machine.ProvisionerName(), c.journal.Clock.Now()})
		}
	}
	return err
}

// ask asks for instances by their ids, in few calls, and remembers since when the cloud has not known them.
func (c *Controller) ask(ctx context.Context, found []*v1alpha5.Machine) ([]*missed, error) {
	list := make([]*missed, len(found))
	var errs []error
	for i, said := range c.fates(ctx, lo.Map(found, func(m *v1alpha5.Machine, _ int) string { return m.Status.ProviderID })) {
		list[i] = &missed{machine: found[i], fate: said.fate}
		list[i].takenAway = said.takenAway
		if said.fate == unclear {
			errs = append(errs, fmt.Errorf("looking for instance %s: %w", found[i].Status.ProviderID, said.err))
		}
	}
	now := c.journal.Clock.Now()
	c.unknown.fade(now)
	for i := range list {
		switch id := machines.InstanceID(list[i].machine.Status.ProviderID); list[i].fate {
		case unknown:
			list[i].since = now.Sub(c.unknown.see(id, now).first)
		case unclear: // it says nothing for, and nothing against
		default:
			delete(c.unknown, id)
		}
	}
	return list, errors.Join(errs...)
}

// said is what the cloud said of an instance; err is why that is unclear.
type said struct {
	fate      fate
	takenAway bool
	err       error
}

// fates asks for instances by their provider ids.
func (c *Controller) fates(ctx context.Context, ids []string) []said {
	out := make([]said, len(ids))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, id := range ids {
		group.Go(func() error {
			instance, err := c.provider.Get(ctx, id)
			out[i] = said{fateOf(instance, err), cloudprovider.IsTakenAway(instance, err), err}
			return nil
		})
	}
	_ = group.Wait() // none of them fails
	return out
}

// end deletes a Machine whose instance is gone, as the API server has it now.
func (c *Controller) end(ctx context.Context, m *missed) error {
	machine := &v1alpha5.Machine{}
	err := c.live.Get(ctx, client.ObjectKeyFromObject(m.machine), machine)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("getting machine %s: %w", m.machine.Name, err)
	}
	if machine.UID != m.machine.UID || machine.Status.ProviderID != m.machine.Status.ProviderID || !machine.DeletionTimestamp.IsZero() {
		return nil
	}
	ready, err := c.nodeIsReady(ctx, machine)
	if err != nil || !m.fate.isOver(ready, m.since) {
		return err
	}
	reason, message := events.ReasonInstanceGone, "Instance "+machine.Status.ProviderID+" no longer exists"
	switch m.fate {
	case stopped:
		reason, message = events.ReasonInstanceStopped, "Instance "+machine.Status.ProviderID+" was stopped, and not by kerf: its pods are served elsewhere, and it is terminated"
	case ended:
		message = "Instance " + machine.Status.ProviderID + " was terminated, and not by kerf"
		if !m.takenAway && machine.Status.NodeName == "" {
			message = "Instance " + machine.Status.ProviderID + " ended by itself before it joined; check its image, its user data, and whether the keys of its volumes may be used"
		}
	}
	if err := c.noteFailure(ctx, m, machine, message); err != nil {
		return err
	}
	preconditions := client.Preconditions{UID: &machine.UID, ResourceVersion: &machine.ResourceVersion}
	err = c.client.Delete(ctx, machine, preconditions)
	if apierrors.IsConflict(err) { // it has changed since: the next sweep looks at it again
		return nil
	}
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting machine %s: %w", machine.Name, err)
	}
	m.deleted = true
	c.journal.Events.Publish(events.Event{Object: machine, Warning: true, Reason: reason, Message: message})
	ctrl.LoggerFrom(ctx).Info("deleting machine whose instance is gone", "machine", klog.KObj(machine), "providerID", machine.Status.ProviderID, "why", message)
	return nil
}

// noteFailure writes down of a machine, before it is deleted, that its instance ended by itself before it joined: the next one made
// like it is likely to do the same.
func (c *Controller) noteFailure(ctx context.Context, m *missed, machine *v1alpha5.Machine, message string) error {
	if m.fate != ended || m.takenAway || machine.Status.NodeName != "" {
		return nil
	}
	stored := machine.DeepCopy()
	machines.Conditions(machine).False(v1alpha5.ConditionRegistered, v1alpha5.ReasonNeverJoined, message)
	if err := machines.Write(ctx, c.client, stored, machine); err != nil && !apierrors.IsConflict(err) { // then the next sweep does both
		return fmt.Errorf("noting that machine %s failed: %w", machine.Name, err)
	}
	return nil
}

// nodeIsReady reports whether the Machine has a Node whose kubelet reports ready, as the API server has it; a machine that has
// not joined has none.
func (c *Controller) nodeIsReady(ctx context.Context, machine *v1alpha5.Machine) (bool, error) {
	if machine.Status.NodeName == "" {
		return false, nil
	}
	var node corev1.Node
	if err := c.live.Get(ctx, client.ObjectKey{Name: machine.Status.NodeName}, &node); apierrors.IsNotFound(err) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("getting node %s: %w", machine.Status.NodeName, err)
	}
	return machines.NodeIsReady(&node), nil
}
