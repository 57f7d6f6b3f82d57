package garbagecollection

import (
	"context"
	"fmt"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

// endStrays deletes Nodes whose Machine and instance are gone. Nobody else would: not every cluster has a cloud controller that
// does. The Node's finalizer falls when it turns out, once more, that there is no Machine.
func (c *Controller) endStrays(ctx context.Context, found []*corev1.Node) error {
	asked := c.fates(ctx, lo.Map(found, func(n *corev1.Node, _ int) string { return n.Spec.ProviderID }))
	now := c.journal.Clock.Now()
	var due []*corev1.Node
	for i, node := range found {
		over := asked[i].fate == ended
		if asked[i].fate == unknown {
			over = now.Sub(c.unknown.see(machines.InstanceID(node.Spec.ProviderID), now).first) >= unknownAge
		}
		if over {
			due = append(due, node)
		}
	}
	return each(due, func(node *corev1.Node) error { return c.endStray(ctx, node) })
}

func (c *Controller) endStray(ctx context.Context, found *corev1.Node) error {
	node := &corev1.Node{}
	err := c.live.Get(ctx, client.ObjectKeyFromObject(found), node)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("getting node %s: %w", found.Name, err)
	}
	if node.UID != found.UID || !node.DeletionTimestamp.IsZero() || machines.NodeIsReady(node) {
		return nil
	}
	if err := c.client.Delete(ctx, node, client.Preconditions{UID: &node.UID}); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting node %s: %w", node.Name, err)
	}
	c.journal.Events.Publish(events.Event{Object: node, Warning: true, Reason: events.ReasonInstanceGone, Message: "Instance " + node.Spec.ProviderID + " no longer exists, and no machine owns the node"})
	ctrl.LoggerFrom(ctx).Info("deleting node without machine and instance", "node", klog.KObj(node), "providerID", node.Spec.ProviderID)
	return nil
}
