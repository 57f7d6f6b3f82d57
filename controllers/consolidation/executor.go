package consolidation

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/journal"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
)

// conflictRetry is how long an object that somebody else changed meanwhile waits for the watch to catch up.
const conflictRetry = 50 * time.Millisecond

// executor carries out recorded decisions. The record is a condition on the Machine, so that a restart goes on where the
// former process ended.
type executor struct {
	client  client.Client
	live    client.Reader
	journal journal.Journal
}

// record writes a decision down; writing wakes the Machine again, and only then is anything done to its Node.
func (e *executor) record(ctx context.Context, machine *v1alpha5.Machine, command disruption.Command) error {
	stored := machine.DeepCopy()
	machines.Conditions(machine).True(v1alpha5.ConditionDisrupting, command.Reason, command.Message)
	return e.write(ctx, stored, machine)
}

// carryOut keeps new pods off the Node, makes sure that it is still empty as the API server sees it, and deletes the Machine.
// A pod that came in between gives the node back.
func (e *executor) carryOut(ctx context.Context, machine *v1alpha5.Machine) (reconcile.Result, error) {
	node := &corev1.Node{}
	err := e.live.Get(ctx, client.ObjectKey{Name: machine.Status.NodeName}, node)
	if client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("getting node %s: %w", machine.Status.NodeName, err)
	}
	if err == nil {
		if err := e.taint(ctx, node); apierrors.IsConflict(err) {
			return reconcile.Result{RequeueAfter: conflictRetry}, nil
		} else if err != nil {
			return reconcile.Result{}, err
		}
		workload, err := e.workload(ctx, node.Name)
		if err != nil {
			return reconcile.Result{}, err
		}
		if workload != nil {
			return reconcile.Result{}, e.giveBack(ctx, machine, node, workload)
		}
	}
	condition := machines.Conditions(machine).Get(v1alpha5.ConditionDisrupting)
	e.journal.Metrics.MachinesDisrupted.WithLabelValues(machine.ProvisionerName(), condition.Reason).Inc()
	for _, object := range []client.Object{machine, node} {
		if object.GetUID() != "" {
			e.journal.Events.Publish(events.Event{Object: object, Reason: events.ReasonDisrupting, Message: condition.Reason + ": " + condition.Message})
		}
	}
	ctrl.LoggerFrom(ctx).Info("removing machine", "machine", klog.KObj(machine), "node", machine.Status.NodeName, "reason", condition.Reason)
	if err := e.client.Delete(ctx, machine, client.Preconditions{UID: &machine.UID}); client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("deleting machine %s: %w", machine.Name, err)
	}
	return reconcile.Result{}, nil
}

func (e *executor) taint(ctx context.Context, node *corev1.Node) error {
	taint := v1alpha5.DisruptedTaint()
	if slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.MatchTaint(&taint) }) {
		return nil
	}
	stored := node.DeepCopy()
	node.Spec.Taints = append(node.Spec.Taints, taint)
	if err := e.client.Patch(ctx, node, client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("tainting node %s: %w", node.Name, err)
	}
	return nil
}

// workload returns a pod that needs the Node, read past the cache, or nil.
func (e *executor) workload(ctx context.Context, nodeName string) (*corev1.Pod, error) {
	var list corev1.PodList
	if err := e.live.List(ctx, &list, client.MatchingFields{"spec.nodeName": nodeName}); err != nil {
		return nil, fmt.Errorf("listing pods on node %s: %w", nodeName, err)
	}
	for i := range list.Items {
		if pods.IsReschedulable(&list.Items[i]) {
			return &list.Items[i], nil
		}
	}
	return nil, nil
}

// giveBack undoes a decision that the world has overtaken.
func (e *executor) giveBack(ctx context.Context, machine *v1alpha5.Machine, node *corev1.Node, pod *corev1.Pod) error {
	stored := node.DeepCopy()
	node.Spec.Taints = slices.DeleteFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Key == v1alpha5.DisruptedTaintKey })
	if err := e.client.Patch(ctx, node, client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("untainting node %s: %w", node.Name, err)
	}
	ctrl.LoggerFrom(ctx).Info("giving node back", "machine", klog.KObj(machine), "node", node.Name, "pod", klog.KObj(pod))
	before := machine.DeepCopy()
	machines.Conditions(machine).False(v1alpha5.ConditionDisrupting, v1alpha5.ReasonNotEmpty, fmt.Sprintf("pod %s came to the node", klog.KObj(pod)))
	machines.Conditions(machine).False(v1alpha5.ConditionEmpty, v1alpha5.ReasonNotEmpty, "")
	return e.write(ctx, before, machine)
}

// write persists the status. A conflict means that the watch has news of the Machine, which wakes it by itself.
func (e *executor) write(ctx context.Context, stored, machine *v1alpha5.Machine) error {
	err := e.client.Status().Patch(ctx, machine, client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{}))
	if apierrors.IsConflict(err) || client.IgnoreNotFound(err) == nil {
		return nil
	}
	return fmt.Errorf("writing status of machine %s: %w", machine.Name, err)
}
