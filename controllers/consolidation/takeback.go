package consolidation

import (
	"cmp"
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
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
)

// against returns what speaks against going on with a command, nil for nothing, and what speaks against it for a while only. Once its
// replacements are ready, and pods are about to move, they still have to fit.
func (e *executor) against(ctx context.Context, lead *v1alpha5.Machine, members []*v1alpha5.Machine, ready bool) (against *objection, passing string, err error) {
	if by, err := e.held(ctx); err != nil || by != "" {
		return &objection{v1alpha5.ReasonHeld, by}, "", err
	}
	for _, machine := range members {
		found, soon, err := e.objects(ctx, lead, machine)
		if err != nil || found != nil {
			return found, "", err
		}
		passing = cmp.Or(passing, soon)
	}
	moving, err := e.moving(ctx, members)
	if err != nil {
		return nil, "", err
	}
	planned := int(lead.Status.Disruption.Pods)
	if machines.Conditions(lead).Get(v1alpha5.ConditionDisrupting).Reason == disruption.ReasonUnderutilized && len(moving) > planned {
		return &objection{v1alpha5.ReasonOvertaken, fmt.Sprintf("%d pods would move, it was decided on %d", len(moving), planned)}, "", nil
	}
	if !ready || passing != "" {
		return nil, passing, nil
	}
	reason, why, err := e.outdated(ctx, moving)
	if err != nil || reason == "" {
		return nil, "", err
	}
	return &objection{reason, why}, "", nil
}

// objects returns what speaks against that a machine goes, nil for nothing, and what does for a while only: a budget of pods that is drawn on
// is filled up again.
func (e *executor) objects(ctx context.Context, lead, machine *v1alpha5.Machine) (against *objection, passing string, err error) {
	node, err := machines.LiveNode(ctx, e.live, machine)
	if err != nil || node == nil {
		return nil, "", err
	}
	if why := noLonger(lead, machine, node); why != "" {
		return &objection{v1alpha5.ReasonOvertaken, why}, "", nil
	}
	onNode, err := machines.LivePods(ctx, e.live, node.Name)
	if err != nil {
		return nil, "", err
	}
	reason, why, err := e.asksToStay(ctx, machine, node, onNode)
	switch {
	case err != nil || reason == "":
		return nil, "", err
	case reason == drain.ReasonBudget:
		return nil, why, nil
	default:
		return &objection{v1alpha5.ReasonHeld, why}, "", nil
	}
}

// noLonger says why a machine need not go any more, "" if it does: it was decided on for a reason that is gone.
func noLonger(lead, machine *v1alpha5.Machine, node *corev1.Node) string {
	set := machines.Conditions(machine)
	switch reason := machines.Conditions(lead).Get(v1alpha5.ConditionDisrupting).Reason; {
	case reason == disruption.ReasonDrifted && !set.IsTrue(v1alpha5.ConditionDrifted):
		return "machine " + machine.Name + " is what is asked for again"
	case reason == disruption.ReasonUnderutilized && (keepsItsPlace(machine) || keepsItsPlace(node)):
		return "machine " + machine.Name + " or its node is annotated with " + v1alpha5.DoNotConsolidateAnnotation
	}
	return ""
}

// outdated says whether a machine would have to be bought for pods that move, or whether one has no place any more.
func (e *executor) outdated(ctx context.Context, moving []*corev1.Pod) (reason, why string, err error) {
	plan, err := e.market.Foresee(ctx)
	if err != nil {
		return "", "", err
	}
	for i := range plan.Machines {
		for _, pod := range plan.Machines[i].Pods {
			if among(moving, pod) {
				return v1alpha5.ReasonOvertaken, fmt.Sprintf("pod %s would need another machine by now", klog.KObj(pod)), nil
			}
		}
	}
	for _, u := range plan.Unplaced {
		if among(moving, u.Pod) {
			return v1alpha5.ReasonOvertaken, fmt.Sprintf("pod %s has no other place by now: %s", klog.KObj(u.Pod), u.Reason), nil
		}
	}
	return "", "", nil
}

func among(list []*corev1.Pod, pod *corev1.Pod) bool {
	return slices.ContainsFunc(list, func(p *corev1.Pod) bool { return p.UID == pod.UID })
}

// moving returns the pods that have to look for another place, as the API server has them.
func (e *executor) moving(ctx context.Context, members []*v1alpha5.Machine) ([]*corev1.Pod, error) {
	var out []*corev1.Pod
	for _, machine := range members {
		if machine.Status.NodeName == "" {
			continue
		}
		onNode, err := machines.LivePods(ctx, e.live, machine.Status.NodeName)
		if err != nil {
			return nil, err
		}
		for _, pod := range onNode {
			if pods.Moves(pod, e.expendableBelow) {
				out = append(out, pod)
			}
		}
	}
	return out, nil
}

// asksToStay returns who asks that a machine stays, "" for nobody.
func (e *executor) asksToStay(ctx context.Context, machine *v1alpha5.Machine, node *corev1.Node, onNode []*corev1.Pod) (reason, why string, err error) {
	if protected(machine, node) {
		return v1alpha5.ReasonHeld, fmt.Sprintf("machine %s or its node is annotated with %s", machine.Name, v1alpha5.DoNotDisruptAnnotation), nil
	}
	budgets, err := machines.Budgets(ctx, e.live, onNode)
	if err != nil {
		return "", "", err
	}
	holding := drain.Holding(onNode, drain.NewBudgets(budgets), e.policy, e.journal.Clock.Now())
	for i := range holding { // what lasts comes before what passes
		if reason == "" || reason == drain.ReasonBudget {
			reason, why = holding[i].Reason, fmt.Sprintf("pod %s keeps node %s: %s", klog.KObj(holding[i].Pod), node.Name, holding[i].Message)
		}
	}
	return reason, why, nil
}

// takeBack undoes a command: machines that were made for it go unless pods run there already, and those that were to go stay. The record is
// the last to go, so that a crash in between is made up for.
func (e *executor) takeBack(ctx context.Context, lead *v1alpha5.Machine, reason, why string) error {
	ctrl.LoggerFrom(ctx).Info("taking a decision back", "machine", klog.KObj(lead), "reason", reason, "why", why)
	if lead.Status.Disruption.TakenBack == "" {
		stored := lead.DeepCopy()
		lead.Status.Disruption.TakenBack = reason + ": " + why
		if err := machines.Write(ctx, e.client, stored, lead); err != nil {
			return err
		}
	}
	for _, name := range lead.Status.Disruption.Replacements {
		if err := e.undo(ctx, name, reason, why); err != nil {
			return err
		}
	}
	members, err := e.members(ctx, lead)
	if err != nil {
		return err
	}
	for _, machine := range members {
		if machine == lead || machine.Status.Disruption == nil || machine.Status.Disruption.Lead != lead.Name {
			continue
		}
		if err := e.release(ctx, machine, reason, why); err != nil {
			return err
		}
	}
	if err := e.release(ctx, lead, reason, why); err != nil {
		return err
	}
	e.purchases.forget(lead.Name)
	if reason == v1alpha5.ReasonReplacementFailed {
		e.journal.Metrics.ReplacementsFailed.Inc()
	}
	e.journal.Events.Publish(events.Event{Object: lead, Reason: events.ReasonDisruptionTakenBack, Message: reason + ": " + why})
	return nil
}

// undo deletes a machine that was made in place of others and has no pods.
func (e *executor) undo(ctx context.Context, name, reason, why string) error {
	machine, err := e.current(ctx, v1alpha5.RecordedMachine{Name: name})
	if err != nil || machine == nil {
		return err
	}
	if machine.Status.NodeName != "" {
		if onNode, err := machines.LivePods(ctx, e.live, machine.Status.NodeName); err != nil || slices.ContainsFunc(onNode, pods.IsReschedulable) {
			return err
		}
	}
	stored := machine.DeepCopy()
	machines.Conditions(machine).True(v1alpha5.ConditionDisrupting, reason, why)
	if err := machines.Write(ctx, e.client, stored, machine); err != nil {
		return err
	}
	if err := e.client.Delete(ctx, machine, client.Preconditions{UID: &machine.UID}); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting machine %s: %w", machine.Name, err)
	}
	return nil
}

// release lets pods come to a machine's Node again, and ends what is on its record.
func (e *executor) release(ctx context.Context, machine *v1alpha5.Machine, reason, why string) error {
	node, err := machines.LiveNode(ctx, e.live, machine)
	if err != nil {
		return err
	}
	if node != nil {
		stored := node.DeepCopy()
		node.Spec.Taints = slices.DeleteFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Key == v1alpha5.DisruptedTaintKey })
		if _, err := machines.WriteNode(ctx, e.client, stored, node); err != nil {
			return fmt.Errorf("letting pods come again: %w", err)
		}
	}
	stored := machine.DeepCopy()
	machine.Status.Disruption = nil
	machines.Conditions(machine).False(v1alpha5.ConditionDisrupting, reason, why)
	return machines.Write(ctx, e.client, stored, machine)
}
