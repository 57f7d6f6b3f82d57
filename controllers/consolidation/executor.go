package consolidation

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/drain"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/journal"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
)

// executor carries out recorded decisions. The record is a condition on the Machine, so that a restart goes on where the
// former process ended.
type executor struct {
	client  client.Client
	live    client.Reader
	policy  drain.Policy
	journal journal.Journal
	// paused returns who has paused disruption.
	paused func(context.Context) (string, error)
}

// record writes a decision down; writing wakes the Machine again, and only then is anything done to its Node.
func (e *executor) record(ctx context.Context, machine *v1alpha5.Machine, command disruption.Command) error {
	stored := machine.DeepCopy()
	machines.Conditions(machine).True(v1alpha5.ConditionDisrupting, command.Reason, command.Message)
	return machines.Write(ctx, e.client, stored, machine)
}

// standing returns the Machine as the API server itself has it, nil when the decision is no longer on its record. A cache that lags may
// show it long after it was taken back, and each Node that is tainted and given back again wakes the Machine for another round.
func (e *executor) standing(ctx context.Context, cached *v1alpha5.Machine) (*v1alpha5.Machine, error) {
	machine := &v1alpha5.Machine{}
	if err := e.live.Get(ctx, client.ObjectKeyFromObject(cached), machine); err != nil {
		if client.IgnoreNotFound(err) == nil {
			return nil, nil
		}
		return nil, fmt.Errorf("getting machine %s: %w", cached.Name, err)
	}
	if machine.UID != cached.UID || !machine.DeletionTimestamp.IsZero() || !machines.Conditions(machine).IsTrue(v1alpha5.ConditionDisrupting) {
		return nil, nil
	}
	return machine, nil
}

// carryOut keeps new pods off the Node, makes sure that nothing keeps it as the API server sees it, and deletes the Machine. A pod
// that came in between gives the node back, and so does whatever asks for it to stay.
func (e *executor) carryOut(ctx context.Context, cached *v1alpha5.Machine) error {
	machine, err := e.standing(ctx, cached)
	if err != nil || machine == nil {
		return err
	}
	node, err := machines.LiveNode(ctx, e.live, machine)
	if err != nil {
		return err
	}
	told := []client.Object{machine}
	if node != nil {
		stored := node.DeepCopy()
		machines.Disrupt(node, e.journal.Clock.Now())
		if _, err := machines.WriteNode(ctx, e.client, stored, node); err != nil {
			return fmt.Errorf("keeping new pods away: %w", err)
		}
		if reason, why, err := e.kept(ctx, machine, node); err != nil || reason != "" {
			if err != nil {
				return err
			}
			return e.giveBack(ctx, machine, node, reason, why)
		}
		told = append(told, node)
	}
	condition := machines.Conditions(machine).Get(v1alpha5.ConditionDisrupting)
	e.journal.Metrics.MachinesDisrupted.WithLabelValues(machine.ProvisionerName(), condition.Reason).Inc()
	for _, object := range told {
		e.journal.Events.Publish(events.Event{Object: object, Reason: events.ReasonDisrupting, Message: condition.Reason + ": " + condition.Message})
	}
	ctrl.LoggerFrom(ctx).Info("removing machine", "machine", klog.KObj(machine), "node", machine.Status.NodeName, "reason", condition.Reason)
	if err := e.client.Delete(ctx, machine, client.Preconditions{UID: &machine.UID}); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting machine %s: %w", machine.Name, err)
	}
	return nil
}

// kept returns what keeps a Node now, "" for nothing.
func (e *executor) kept(ctx context.Context, machine *v1alpha5.Machine, node *corev1.Node) (reason, why string, err error) {
	if protected(machine, node) {
		return v1alpha5.ReasonHeld, "it is annotated with " + v1alpha5.DoNotDisruptAnnotation, nil
	}
	if by, err := e.paused(ctx); err != nil || by != "" {
		return v1alpha5.ReasonHeld, "disruption is paused by " + by, err
	}
	onNode, err := machines.LivePods(ctx, e.live, node.Name)
	if err != nil {
		return "", "", err
	}
	if workload := slices.IndexFunc(onNode, pods.IsReschedulable); workload >= 0 {
		return v1alpha5.ReasonNotEmpty, fmt.Sprintf("pod %s came to the node", klog.KObj(onNode[workload])), nil
	}
	budgets, err := machines.Budgets(ctx, e.live, onNode)
	if err != nil {
		return "", "", err
	}
	if holding := drain.Holding(onNode, budgets, e.policy, e.journal.Clock.Now()); len(holding) > 0 {
		return v1alpha5.ReasonHeld, fmt.Sprintf("pod %s keeps the node: %s", klog.KObj(holding[0].Pod), holding[0].Message), nil
	}
	return "", "", nil
}

// giveBack undoes a decision that the world has overtaken. That the machine is not empty is for marking to say.
func (e *executor) giveBack(ctx context.Context, machine *v1alpha5.Machine, node *corev1.Node, reason, why string) error {
	stored := node.DeepCopy()
	node.Spec.Taints = slices.DeleteFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Key == v1alpha5.DisruptedTaintKey })
	if _, err := machines.WriteNode(ctx, e.client, stored, node); err != nil {
		return fmt.Errorf("letting pods come again: %w", err)
	}
	ctrl.LoggerFrom(ctx).Info("giving node back", "machine", klog.KObj(machine), "node", node.Name, "why", why)
	before := machine.DeepCopy()
	machines.Conditions(machine).False(v1alpha5.ConditionDisrupting, reason, why)
	return machines.Write(ctx, e.client, before, machine)
}
