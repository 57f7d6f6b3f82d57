package garbagecollection

import (
	"context"
	"fmt"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

// endOrphans terminates the instances that have been without an owner for long enough. The cloud's adapter reads each by its id
// before, and ends nothing of another cluster.
func (c *Controller) endOrphans(ctx context.Context, seen look, found []*v1alpha5.Machine) error {
	now := c.journal.Clock.Now()
	orphans := lo.Keyify(lo.Map(found, func(i *v1alpha5.Machine, _ int) string { return machines.InstanceID(i.Status.ProviderID) }))
	for _, instance := range seen.instances { // who has found an owner is under no suspicion any more
		if id := machines.InstanceID(instance.Status.ProviderID); !lo.HasKey(orphans, id) {
			delete(c.orphaned, id)
		}
	}
	c.orphaned.fade(now)
	due := lo.Filter(found, func(i *v1alpha5.Machine, _ int) bool {
		return now.Sub(c.orphaned.see(machines.InstanceID(i.Status.ProviderID), now).first) >= orphanAge
	})
	if len(due) == 0 {
		return nil
	}
	ready := newReadyNodes(c.live, c.journal.Clock)
	return each(c.unlessWorking(ctx, seen, due), func(instance *v1alpha5.Machine) error {
		switch node, err := ready.of(ctx, instance); {
		case err != nil:
			return err
		case node != nil:
			return c.retire(ctx, instance, node)
		}
		return c.terminate(ctx, instance, ready)
	})
}

// terminate ends an orphan that no pod runs on.
func (c *Controller) terminate(ctx context.Context, instance *v1alpha5.Machine, ready *readyNodes) error {
	id := machines.InstanceID(instance.Status.ProviderID)
	err := c.provider.Delete(ctx, instance, func(ctx context.Context) error {
		node, err := ready.of(ctx, instance)
		if err == nil && node != nil {
			err = fmt.Errorf("its node %s has become ready meanwhile", node.Name)
		}
		return err
	})
	if cloudprovider.IgnoreNotFound(err) != nil {
		return fmt.Errorf("terminating orphaned instance %s: %w", id, err)
	}
	if c.count(id) {
		ctrl.LoggerFrom(ctx).Info("terminated orphaned instance", "providerID", instance.Status.ProviderID, "provisioner", instance.ProvisionerName())
	}
	return nil
}

// retire has an orphan drained and terminated whose kubelet is alive, and may run pods.
func (c *Controller) retire(ctx context.Context, instance *v1alpha5.Machine, node *corev1.Node) error {
	if err := machines.Retire(ctx, c.client, instance); err != nil {
		return err
	}
	if c.count(machines.InstanceID(instance.Status.ProviderID)) {
		c.journal.Events.Publish(events.Event{
			Object: node, Warning: true, Reason: events.ReasonInstanceOrphaned,
			Message: "Its machine is gone and instance " + instance.Status.ProviderID + " is not: it is drained and terminated",
		})
		ctrl.LoggerFrom(ctx).Info("draining orphaned instance, which works as a node", "providerID", instance.Status.ProviderID,
			"provisioner", instance.ProvisionerName(), "node", node.Name)
	}
	return nil
}

// count measures the end of an orphan, and reports whether that is news: lists may show it as it was for a while.
func (c *Controller) count(id string) bool {
	sighting := c.orphaned[id]
	if sighting.told {
		return false
	}
	sighting.told = true
	c.journal.Metrics.OrphansTerminated.Inc()
	return true
}

// unlessWorking leaves out the orphans of those provisioners too many of whose orphans are Nodes that have been kerf's and work:
// that so many Machines are gone at once is more likely a cluster restored from an old backup than a leak.
func (c *Controller) unlessWorking(ctx context.Context, seen look, due []*v1alpha5.Machine) []*v1alpha5.Machine {
	working := map[string]*corev1.Node{} // id of an instance -> its Node
	for i := range seen.nodes {
		if node := &seen.nodes[i]; node.Labels[v1alpha5.RegisteredLabel] != "" && machines.NodeIsReady(node) {
			working[machines.InstanceID(node.Spec.ProviderID)] = node
		}
	}
	instances := lo.CountValuesBy(seen.instances, (*v1alpha5.Machine).ProvisionerName)
	doubted := lo.CountValuesBy(lo.Filter(due, func(i *v1alpha5.Machine, _ int) bool {
		return working[machines.InstanceID(i.Status.ProviderID)] != nil
	}), (*v1alpha5.Machine).ProvisionerName)
	before := c.held
	c.held = map[string]bool{}
	var out []*v1alpha5.Machine
	for _, instance := range due {
		provisioner := instance.ProvisionerName()
		node := working[machines.InstanceID(instance.Status.ProviderID)]
		if node == nil || doubted[provisioner] <= tolerated(instances[provisioner]) {
			out = append(out, instance)
			continue
		}
		c.held[provisioner] = true
		c.journal.Events.Publish(events.Event{Object: node, Warning: true, Reason: events.ReasonDeletionPaused, Message: fmt.Sprintf(
			"%d of %d instances of provisioner %s have lost their machines and still work as nodes: they are not terminated; "+
				"delete the nodes if their machines were taken away on purpose", doubted[provisioner], instances[provisioner], provisioner)})
	}
	for provisioner := range c.held {
		c.journal.Metrics.TerminationPaused.WithLabelValues(provisioner).Set(float64(doubted[provisioner]))
		if !before[provisioner] {
			ctrl.LoggerFrom(ctx).Info("too many working nodes have lost their machines, terminating none of them", "provisioner", provisioner, "nodes", doubted[provisioner])
		}
	}
	for provisioner := range before {
		if !c.held[provisioner] {
			c.journal.Metrics.TerminationPaused.DeleteLabelValues(provisioner)
			ctrl.LoggerFrom(ctx).Info("no more nodes without machines than can be believed, terminating again", "provisioner", provisioner)
		}
	}
	return out
}
