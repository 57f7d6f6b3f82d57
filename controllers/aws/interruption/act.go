package interruption

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/messages"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/metrics"
)

// actOnAll does what a message means to the Machines of its instances. Unclaimed says that a Machine may turn out to have one of them.
func (c *Controller) actOnAll(ctx context.Context, message *messages.Message) (unclaimed bool, err error) {
	var errs []error
	for _, id := range message.Instances {
		err := c.act(ctx, message, id)
		if errors.Is(err, errUnclaimed) {
			unclaimed = true
			continue
		}
		errs = append(errs, err)
	}
	return unclaimed, errors.Join(errs...)
}

// errUnclaimed says that no Machine has an instance on record, and that one may be about to: its launch is answered and not written down,
// or the process ended in between. Everybody else's instances look the same as long as that lasts.
const errUnclaimed = unclaimedError("no machine has the instance yet")

type unclaimedError string

func (e unclaimedError) Error() string { return string(e) }

// act does what a message means to the Machines of one instance. Instances that no Machine has, or is about to, are others'.
func (c *Controller) act(ctx context.Context, message *messages.Message, id string) error {
	defer c.turns.take(id)()
	awaited, err := c.awaited(ctx, message.Kind) // first: a launch that is written down meanwhile is in the list
	if err != nil {
		return err
	}
	list, err := machines.ByInstance(ctx, c.client, id)
	switch {
	case err != nil:
		return err
	case len(list) == 0 && awaited:
		return errUnclaimed
	}
	for i := range list {
		if c.decide(message, &list[i]).nothing() { // the cache is enough to do nothing
			continue
		}
		if err := c.actOn(ctx, message, &list[i], id); err != nil {
			return err
		}
	}
	return nil
}

// awaited reports whether a message of a kind waits for Machines that have asked for an instance and do not know it yet. States do not:
// Machines are compared with those of their instances anyhow, and an account is full of messages about states of others' instances.
func (c *Controller) awaited(ctx context.Context, kind messages.Kind) (bool, error) {
	if kind == messages.Stopping || kind == messages.Terminating {
		return false, nil
	}
	return machines.AnyAwaitsInstance(ctx, c.client)
}

func (c *Controller) decide(message *messages.Message, machine *v1alpha5.Machine) decision {
	return decide(message, machine, c.settings.ReplaceOnRebalance, c.journal.Clock.Now())
}

// actOn does it to one Machine, as the API server itself has it. Each step may be repeated; the last is what triggers the rest: a Machine that
// is being deleted is drained, and its pods are planned for at once.
func (c *Controller) actOn(ctx context.Context, message *messages.Message, cached *v1alpha5.Machine, id string) error {
	machine := &v1alpha5.Machine{}
	if err := c.live.Get(ctx, client.ObjectKeyFromObject(cached), machine); err != nil {
		if client.IgnoreNotFound(err) == nil {
			return nil
		}
		return fmt.Errorf("getting machine %s: %w", cached.Name, err)
	}
	if machine.UID != cached.UID || machines.InstanceID(machine.Status.ProviderID) != id {
		return nil
	}
	d := c.decide(message, machine)
	if d.nothing() {
		return nil
	}
	if err := c.weigh(ctx, message, machine, &d); err != nil {
		return err
	}
	if d.mark {
		c.mark(machine)
	}
	c.tell(ctx, machine, &d)
	if !d.lasts() {
		return nil
	}
	if err := c.remember(ctx, machine, &d); err != nil {
		return client.IgnoreNotFound(err)
	}
	if d.mark {
		c.journal.Metrics.ActionsPerformed.WithLabelValues(metrics.ActionMark).Inc()
	}
	if !d.remove {
		return nil
	}
	if err := c.client.Delete(ctx, machine, client.Preconditions{UID: &machine.UID}); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("deleting machine %s: %w", machine.Name, err))
	}
	c.journal.Metrics.ActionsPerformed.WithLabelValues(metrics.ActionDrain).Inc()
	c.journal.Metrics.MachinesDisrupted.WithLabelValues(machine.ProvisionerName(), d.reason).Inc()
	ctrl.LoggerFrom(ctx).Info("removing machine whose instance ends", "machine", klog.KObj(machine), "node", machine.Status.NodeName,
		"providerID", machine.Status.ProviderID, "reason", d.reason, "drainedBy", machine.ReclaimTime())
	return nil
}

// mark has the Machine's offering left alone for a while: EC2 takes back what it has too little of.
func (c *Controller) mark(machine *v1alpha5.Machine) {
	instanceType, zone := machine.Labels[corev1.LabelInstanceTypeStable], machine.Labels[corev1.LabelTopologyZone]
	if capacityType := machine.Labels[v1alpha5.CapacityTypeLabel]; capacityType == v1alpha5.CapacityTypeSpot && instanceType != "" && zone != "" {
		c.offerings.MarkUnavailable(instanceType, zone, capacityType)
	}
}

// tell publishes what is known about the Machine and its Nodes. That Nodes cannot be read holds nothing up.
func (c *Controller) tell(ctx context.Context, machine *v1alpha5.Machine, d *decision) {
	message, ok := v1alpha5.InterruptionMessage(d.reason)
	if !ok {
		return
	}
	objects := []client.Object{machine}
	nodes, err := machines.Nodes(ctx, c.client, machine)
	if err != nil {
		ctrl.LoggerFrom(ctx).V(1).Info("nodes are not told", "machine", klog.KObj(machine), "error", err.Error())
	}
	for i := range nodes {
		objects = append(objects, &nodes[i])
	}
	for _, object := range objects {
		c.journal.Events.Publish(events.Event{Object: object, Warning: true, Reason: d.reason, Message: strings.ToUpper(message[:1]) + message[1:]})
	}
}

// remember writes down why the Machine goes and until when it has to be drained, before it is deleted: what comes after reads nothing else. There
// is no other writer, so that only the identity is made sure of; an optimistic lock would fail for what others write.
func (c *Controller) remember(ctx context.Context, machine *v1alpha5.Machine, d *decision) error {
	annotations := map[string]string{v1alpha5.InterruptedAnnotation: d.reason}
	if !d.deadline.IsZero() {
		annotations[v1alpha5.TerminationDeadlineAnnotation] = d.deadline.UTC().Format(time.RFC3339)
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": machine.UID, "annotations": annotations}})
	if err != nil {
		return fmt.Errorf("writing down why machine %s goes: %w", machine.Name, err)
	}
	if err := c.client.Patch(ctx, machine, client.RawPatch(types.MergePatchType, patch)); err != nil {
		return fmt.Errorf("writing down why machine %s goes: %w", machine.Name, err)
	}
	return nil
}
