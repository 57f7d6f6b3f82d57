package consolidation

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	market  Market
	ledger  *ledger
	stirs   *stirs
	// expendableBelow is the priority below which pods are given way to.
	expendableBelow int32
	// patience is how long what takes the place of machines may take to be ready.
	patience time.Duration
	// held returns what keeps all machines that could stay, "" for nothing.
	held      func(context.Context) (string, error)
	purchases *purchases
}

// taintSettles is how long schedulers are given to see that a Node takes no new pods before its pods are listed for the last time.
const taintSettles = time.Second

// record writes a decision down; writing wakes the Machine again, and only then is anything done to its Node.
func (e *executor) record(ctx context.Context, machine *v1alpha5.Machine, command disruption.Command) error {
	stored := machine.DeepCopy()
	machines.Conditions(machine).True(v1alpha5.ConditionDisrupting, command.Reason, command.Message)
	clearEmptyHeld(machine)
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
// that came in between gives the node back, and so does whatever asks for it to stay. It returns when to go on, 0 where nothing is left to do.
//
// What is promised: nothing that was on the Node when its pods were listed last, which is after schedulers have had their time to see the
// taint, and no wish written to the Machine before its deletion is overlooked. The API server accepts a pod for any node at any time, so one
// may still come between that list and the deletion. It is then drained like any other: evicted through the eviction API, or, if it must not
// be disrupted, left alone, and the Machine with it, until it has ended or is let go, or the terminationGracePeriod is over.
func (e *executor) carryOut(ctx context.Context, cached *v1alpha5.Machine) (time.Duration, error) {
	machine, err := e.standing(ctx, cached)
	if err != nil || machine == nil {
		return 0, err
	}
	node, err := machines.LiveNode(ctx, e.live, machine)
	if err != nil {
		return 0, err
	}
	if node != nil {
		if reason, why, err := e.kept(ctx, machine, node); err != nil || reason != "" {
			if err != nil {
				return 0, err
			}
			// That the machine is not empty is for marking to say.
			ctrl.LoggerFrom(ctx).Info("giving node back", "machine", klog.KObj(machine), "node", node.Name, "why", why)
			return 0, e.release(ctx, machine, reason, why)
		}
		if wait, err := e.close(ctx, node); err != nil || wait > 0 {
			return wait, err
		}
	}
	return 0, e.remove(ctx, machine, node)
}

// remove deletes a machine that is decided on, and says so.
func (e *executor) remove(ctx context.Context, machine *v1alpha5.Machine, node *corev1.Node) error {
	condition := machines.Conditions(machine).Get(v1alpha5.ConditionDisrupting)
	told := []client.Object{machine}
	if node != nil {
		told = append(told, node)
	}
	// Exactly what was judged is deleted: whoever has written to it since may have asked for it to stay.
	judged := client.Preconditions{UID: &machine.UID, ResourceVersion: &machine.ResourceVersion}
	if err := e.client.Delete(ctx, machine.DeepCopy(), judged); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting machine %s: %w", machine.Name, err)
	}
	e.journal.Metrics.MachinesDisrupted.WithLabelValues(machine.ProvisionerName(), condition.Reason).Inc()
	for _, object := range told {
		e.journal.Events.Publish(events.Event{Object: object, Reason: events.ReasonDisrupting, Message: condition.Reason + ": " + condition.Message})
	}
	ctrl.LoggerFrom(ctx).Info("removing machine", "machine", klog.KObj(machine), "node", machine.Status.NodeName, "reason", condition.Reason)
	return nil
}

// close keeps new pods off a Node, and returns how long to wait until those have come that schedulers were about to bind to it: they are
// looked for after that.
func (e *executor) close(ctx context.Context, node *corev1.Node) (time.Duration, error) {
	stored := node.DeepCopy()
	machines.Disrupt(node, e.journal.Clock.Now())
	changed, err := machines.WriteNode(ctx, e.client, stored, node)
	switch {
	case err != nil:
		return 0, fmt.Errorf("keeping new pods away: %w", err)
	case changed: // however long the write has taken
		return taintSettles, nil
	default:
		return taintSettles - machines.DisruptedFor(node, e.journal.Clock.Now()), nil
	}
}

// kept returns what keeps a Node now, "" for nothing.
func (e *executor) kept(ctx context.Context, machine *v1alpha5.Machine, node *corev1.Node) (reason, why string, err error) {
	if e.stirred(machine) {
		return v1alpha5.ReasonNotEmpty, "a pod has come to the node since it was decided, or left it", nil
	}
	if by, err := e.held(ctx); err != nil || by != "" {
		return v1alpha5.ReasonHeld, by, err
	}
	onNode, err := machines.LivePods(ctx, e.live, node.Name)
	if err != nil {
		return "", "", err
	}
	if workload := slices.IndexFunc(onNode, pods.IsReschedulable); workload >= 0 {
		return v1alpha5.ReasonNotEmpty, fmt.Sprintf("pod %s came to the node", klog.KObj(onNode[workload])), nil
	}
	if pod := passedThrough(onNode, machines.Conditions(machine).Get(v1alpha5.ConditionDisrupting)); pod != nil {
		return v1alpha5.ReasonNotEmpty, fmt.Sprintf("pod %s has run on the node since it was decided", klog.KObj(pod)), nil
	}
	if reason, why, err = e.asksToStay(ctx, machine, node, onNode); reason != "" {
		reason = v1alpha5.ReasonHeld
	}
	return reason, why, err
}

// passedThrough returns a pod that has come to a Node after it was decided on for being empty and has ended by now, nil for none: a watch
// that lags has told nobody of it. The API keeps whole seconds, so that one of the same second counts.
func passedThrough(onNode []*corev1.Pod, decided *metav1.Condition) *corev1.Pod {
	for _, pod := range onNode {
		if decided.Reason != disruption.ReasonEmpty || !pods.IsTerminal(pod) || pods.IsOwnedByDaemonSet(pod) || pods.IsMirror(pod) {
			continue
		}
		came := pod.CreationTimestamp.Time
		if start := pod.Status.StartTime; start != nil && start.After(came) {
			came = start.Time
		}
		if !came.Before(decided.LastTransitionTime.Truncate(time.Second)) {
			return pod
		}
	}
	return nil
}

// stirred reports whether a Machine that goes for being empty is to wait anew: somebody has seen a pod on its Node since. That it has
// left again by now does not make the decision right.
func (e *executor) stirred(machine *v1alpha5.Machine) bool {
	conditions := machines.Conditions(machine)
	decided, last := conditions.Get(v1alpha5.ConditionDisrupting), machine.Status.LastPodEventTime
	if decided.Reason != disruption.ReasonEmpty {
		return false
	}
	return !conditions.IsTrue(v1alpha5.ConditionEmpty) || last != nil && last.After(decided.LastTransitionTime.Time) ||
		e.stirs.last(machine.Status.NodeName).After(decided.LastTransitionTime.Add(time.Second)) // the API keeps whole seconds
}
