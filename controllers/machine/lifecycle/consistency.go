package lifecycle

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/journal"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/metrics"
)

// compareEvery is how often Nodes are compared with what their Machines were said to have, beside once when they are initialized: a
// device plugin that fails takes its devices away later.
const compareEvery = 10 * time.Minute

// Consistency tells of Nodes that have less than was planned with.
type Consistency struct {
	client  client.Client
	journal journal.Journal
}

// NewConsistency returns a runner that compares from time to time.
func NewConsistency(client client.Client, journal journal.Journal) *Consistency {
	return &Consistency{client: client, journal: journal}
}

// Register adds the runner to a manager.
func (c *Consistency) Register(mgr ctrl.Manager) error { return mgr.Add(c) }

// Start compares until ctx ends.
func (c *Consistency) Start(ctx context.Context) error {
	ticker := c.journal.Clock.NewTicker(compareEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C():
		case <-ctx.Done():
			return nil
		}
		if err := c.Check(ctx); err != nil {
			ctrl.LoggerFrom(ctx).WithName("machine.consistency").Error(err, "nodes were not compared")
		}
	}
}

// Check compares all Nodes that pods are placed on.
func (c *Consistency) Check(ctx context.Context) error {
	var list v1alpha5.MachineList
	if err := c.client.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing machines: %w", err)
	}
	var nodes corev1.NodeList
	if err := c.client.List(ctx, &nodes, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing nodes: %w", err)
	}
	byName := make(map[string]*corev1.Node, len(nodes.Items))
	for i := range nodes.Items {
		byName[nodes.Items[i].Name] = &nodes.Items[i]
	}
	for i := range list.Items {
		machine := &list.Items[i]
		node, there := byName[machine.Status.NodeName]
		if there && node.Spec.ProviderID == machine.Status.ProviderID && machine.DeletionTimestamp.IsZero() &&
			machines.Conditions(machine).IsTrue(v1alpha5.ConditionInitialized) {
			compare(c.journal, machine, node)
		}
	}
	return nil
}

// compare tells of a Node that has less than nine tenths of what its instance was said to have: plans are wrong by as much.
func compare(told journal.Journal, machine *v1alpha5.Machine, node *corev1.Node) {
	for _, name := range slices.Sorted(maps.Keys(machine.Status.Capacity)) {
		said, has := machine.Status.Capacity[name], node.Status.Capacity[name]
		if said.IsZero() || has.AsApproximateFloat64() >= 0.9*said.AsApproximateFloat64() {
			continue
		}
		told.Metrics.ConsistencyErrors.WithLabelValues(metrics.CheckNodeShape).Inc()
		told.Events.Publish(events.Event{Object: machine, Warning: true, Reason: events.ReasonFailedConsistency, Message: fmt.Sprintf(
			"Node %s has %s of %s, where its instance was expected to have %s", node.Name, has.String(), name, said.String())})
	}
}
