package lifecycle

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/journal"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

// announcement is what is told once a condition of a Machine has become true.
type announcement struct {
	condition string
	tell      func(ctx context.Context, machine *v1alpha5.Machine, told journal.Journal)
}

func announcements() []announcement {
	return []announcement{
		{v1alpha5.ConditionLaunched, tellLaunched},
		{v1alpha5.ConditionRegistered, tellRegistered},
		{v1alpha5.ConditionInitialized, tellInitialized},
	}
}

// announce tells how far a Machine has come between what was read and what was written. Only a write that succeeded is told of: a
// reconcile that a lagging cache has sent over the same ground fails to write, and would tell of it a second time.
func announce(ctx context.Context, read, written *v1alpha5.Machine, told journal.Journal) {
	before, after := machines.Conditions(read), machines.Conditions(written)
	for _, a := range announcements() {
		if !before.IsTrue(a.condition) && after.IsTrue(a.condition) {
			a.tell(ctx, written, told)
		}
	}
}

func tellLaunched(ctx context.Context, machine *v1alpha5.Machine, told journal.Journal) {
	instanceType, zone := machine.Labels[corev1.LabelInstanceTypeStable], machine.Labels[corev1.LabelTopologyZone]
	capacityType := machine.Labels[v1alpha5.CapacityTypeLabel]
	told.Metrics.MachinesLaunched.WithLabelValues(machine.ProvisionerName(), instanceType, zone, capacityType).Inc()
	told.Events.Publish(events.Event{Object: machine, Reason: events.ReasonLaunched, Message: "Launched " + instanceOf(machine)})
	ctrl.LoggerFrom(ctx).Info("launched machine", "machine", klog.KObj(machine), "provisioner", machine.ProvisionerName(),
		"instanceType", instanceType, "zone", zone, "capacityType", capacityType, "providerID", machine.Status.ProviderID,
		"pricePerHour", machine.Annotations[v1alpha5.PriceAnnotation])
}

func tellRegistered(ctx context.Context, machine *v1alpha5.Machine, told journal.Journal) {
	told.Metrics.MachinesRegistered.WithLabelValues(machine.ProvisionerName()).Inc()
	told.Metrics.NodesCreated.WithLabelValues(machine.ProvisionerName()).Inc()
	told.Events.Publish(events.Event{Object: machine, Reason: events.ReasonRegistered, Message: "Joined as node " + machine.Status.NodeName})
	ctrl.LoggerFrom(ctx).Info("registered machine", "machine", klog.KObj(machine), "node", machine.Status.NodeName)
}

func tellInitialized(ctx context.Context, machine *v1alpha5.Machine, told journal.Journal) {
	told.Metrics.MachinesInitialized.WithLabelValues(machine.ProvisionerName()).Inc()
	told.Events.Publish(events.Event{Object: machine, Reason: events.ReasonInitialized, Message: "Node " + machine.Status.NodeName + " is ready for pods"})
	ctrl.LoggerFrom(ctx).Info("initialized machine", "machine", klog.KObj(machine), "node", machine.Status.NodeName)
}
