package termination

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/drain"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/journal"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

const (
	// drainPoll is how often a drain is looked at without any event of its pods: pods that never go are given up by time, and
	// budgets open up without one.
	drainPoll = 5 * time.Second
	// holdSettles is how long the scheduler is given to see that a Node takes no new pods before the last look at them.
	holdSettles = time.Second
	// namedPods is how many pods a message names, toldPods how many are told of by events.
	namedPods, toldPods = 3, 10
)

// drainStep keeps new pods off the Node and makes those leave that are there.
type drainStep struct {
	client   client.Client
	live     client.Reader
	provider cloudprovider.Provider
	evictor  Evictor
	policy   drain.Policy
	journal  journal.Journal
}

// look is what was seen of Nodes at one time.
type look struct {
	// held says that the scheduler may not have seen yet that a Node takes no new pods.
	held bool
	// next is what to do about the pods.
	next drain.Step
	// silent says that the kubelet of a Node does not answer.
	silent bool
}

func (d *drainStep) reconcile(ctx context.Context, machine *v1alpha5.Machine, nodes []corev1.Node) (bool, time.Duration, error) {
	conditions := machines.Conditions(machine)
	if conditions.IsTrue(v1alpha5.ConditionDrained) && !slices.ContainsFunc(nodes, unheld) {
		return true, 0, nil
	}
	seen, err := d.look(ctx, machine, nodes, d.cachedPods)
	if err == nil && !seen.held && seen.next.Done() {
		// Drained is not looked at again for as long as the Node is held. It takes more than a cache, which may lag, and another reconcile than the one that
		// put the taint on, in which the scheduler may still be placing pods.
		seen, err = d.lastLook(ctx, machine, nodes)
	}
	if err != nil {
		return false, 0, err
	}
	if seen.silent && !seen.next.Done() {
		// What does not leave may have ended long ago, with an instance of which only the Node is left.
		instance, err := d.provider.Get(ctx, machine.Status.ProviderID)
		if cloudprovider.IsNotFound(err) || (err == nil && cloudprovider.IsStopped(instance)) {
			conditions.True(v1alpha5.ConditionDrained, v1alpha5.ReasonInstanceGone, "instance "+machine.Status.ProviderID+" is gone or stopped, and its pods with it")
			return true, 0, nil
		}
		if err != nil {
			return false, 0, fmt.Errorf("looking for instance %s: %w", machine.Status.ProviderID, err)
		}
	}
	return d.settle(machine, nodes, &seen)
}

// unheld reports whether nothing keeps new pods off a Node. One that joins after its Machine counted as drained is like that: the cloud may
// take minutes to show an instance that is to end, and its kubelet takes pods meanwhile.
func unheld(node corev1.Node) bool {
	taint := v1alpha5.DisruptedTaint()
	return !slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.MatchTaint(&taint) })
}

// settle writes down how far the drain is, and says when to look again.
func (d *drainStep) settle(machine *v1alpha5.Machine, nodes []corev1.Node, seen *look) (bool, time.Duration, error) {
	conditions := machines.Conditions(machine)
	next := &seen.next
	switch {
	case next.Over:
		conditions.True(v1alpha5.ConditionDrained, v1alpha5.ReasonGracePeriodOver,
			fmt.Sprintf("%s was over at %s", bound(machine), machine.TerminationDeadline().UTC().Format(time.RFC3339)))
		return true, 0, nil
	case len(next.Blocked) > 0:
		conditions.False(v1alpha5.ConditionDrained, v1alpha5.ReasonDrainBlocked, describeBlocked(next.Blocked))
		d.tell(machine, nodes, next.Blocked)
		return false, d.again(next), nil
	case !next.Done():
		deleted := make([]*corev1.Pod, 0, len(next.Delete))
		for _, deletion := range next.Delete {
			deleted = append(deleted, deletion.Pod)
		}
		conditions.Unknown(v1alpha5.ConditionDrained, v1alpha5.ReasonDraining, describe(slices.Concat(next.Evict, next.Waiting, deleted)))
		return false, d.again(next), nil
	case seen.held:
		conditions.Unknown(v1alpha5.ConditionDrained, v1alpha5.ReasonDraining, "keeping new pods away")
		return false, holdSettles, nil
	}
	conditions.True(v1alpha5.ConditionDrained, v1alpha5.ReasonDrained, "")
	return true, 0, nil
}

// bound says what has bounded the time of a drain.
func bound(machine *v1alpha5.Machine) string {
	if machine.TerminationDeadline().Equal(machine.ReclaimTime()) {
		return "the time until its instance is taken away"
	}
	return "its terminationGracePeriod"
}

// again says when the drain is looked at next if nothing happens before.
func (d *drainStep) again(next *drain.Step) time.Duration {
	if next.Again.IsZero() {
		return drainPoll
	}
	return max(min(drainPoll, next.Again.Sub(d.journal.Clock.Now())), time.Millisecond)
}

// podsOf returns the pods on a Node.
type podsOf func(ctx context.Context, nodeName string) ([]*corev1.Pod, error)

func (d *drainStep) cachedPods(ctx context.Context, nodeName string) ([]*corev1.Pod, error) {
	return machines.Pods(ctx, d.client, nodeName)
}

func (d *drainStep) livePods(ctx context.Context, nodeName string) ([]*corev1.Pod, error) {
	return machines.LivePods(ctx, d.live, nodeName)
}

// look keeps new pods off Nodes and makes those leave that are due.
func (d *drainStep) look(ctx context.Context, machine *v1alpha5.Machine, nodes []corev1.Node, pods podsOf) (look, error) {
	var seen look
	var all []*corev1.Pod
	for i := range nodes {
		changed, err := d.hold(ctx, &nodes[i])
		if err != nil {
			return look{}, err
		}
		seen.held = seen.held || changed
		seen.silent = seen.silent || !machines.NodeIsReady(&nodes[i])
		onNode, err := pods(ctx, nodes[i].Name)
		if err != nil {
			return look{}, err
		}
		all = append(all, onNode...)
	}
	budgets, err := machines.Budgets(ctx, d.client, all)
	if err != nil {
		return look{}, err
	}
	seen.next = drain.Next(drain.Input{
		Pods: all, Budgets: budgets, Policy: d.policy,
		Now: d.journal.Clock.Now(), Started: machine.DeletionTimestamp.Time, Deadline: machine.TerminationDeadline(),
	})
	return seen, d.act(ctx, all, &seen.next)
}

// lastLook asks the API server itself whether the Nodes still keep new pods away, and what runs on them.
func (d *drainStep) lastLook(ctx context.Context, machine *v1alpha5.Machine, nodes []corev1.Node) (look, error) {
	var there []corev1.Node
	for i := range nodes {
		node := &corev1.Node{}
		err := d.live.Get(ctx, client.ObjectKeyFromObject(&nodes[i]), node)
		if client.IgnoreNotFound(err) != nil {
			return look{}, fmt.Errorf("getting node %s: %w", nodes[i].Name, err)
		}
		if err == nil {
			there = append(there, *node)
		}
	}
	return d.look(ctx, machine, there, d.livePods)
}

// confirm looks once more at Nodes that are drained, and begins anew with what it finds there. A drain that was given up is not looked at
// again: nothing is waited for any more.
func (d *drainStep) confirm(ctx context.Context, machine *v1alpha5.Machine, nodes []corev1.Node) error {
	if drained := machines.Conditions(machine).Get(v1alpha5.ConditionDrained); drained == nil || drained.Reason != v1alpha5.ReasonDrained {
		return nil
	}
	seen, err := d.lastLook(ctx, machine, nodes)
	if err == nil && !seen.next.Done() {
		err = errOccupied
	}
	return err
}

// act asks for the eviction of the pods that are due, takes back what was asked before and is no longer to be, and deletes
// those whose time is up.
func (d *drainStep) act(ctx context.Context, onNode []*corev1.Pod, next *drain.Step) error {
	d.evictor.Withdraw(slices.DeleteFunc(slices.Clone(onNode), func(p *corev1.Pod) bool { return slices.Contains(next.Evict, p) })...)
	d.evictor.Add(next.Evict...)
	for _, deletion := range next.Delete {
		if err := d.evictor.Delete(ctx, deletion.Pod, deletion.Grace); err != nil {
			return err
		}
	}
	return nil
}

// hold keeps new pods and load balancers away from a Node. It reports whether the scheduler may not have seen that yet: events
// of the Node itself wake the Machine much sooner.
func (d *drainStep) hold(ctx context.Context, node *corev1.Node) (bool, error) {
	now := d.journal.Clock.Now()
	stored := node.DeepCopy()
	machines.Disrupt(node, now)
	if node.Labels == nil {
		node.Labels = map[string]string{}
	}
	if _, there := node.Labels[v1alpha5.ExcludeFromLoadBalancersLabel]; !there {
		node.Labels[v1alpha5.ExcludeFromLoadBalancersLabel] = "karpenter"
	}
	changed, err := machines.WriteNode(ctx, d.client, stored, node)
	return changed || machines.DisruptedFor(node, now) < holdSettles, client.IgnoreNotFound(err)
}

// tell publishes which pods keep the drain from its end, about the Machine and about its Nodes.
func (d *drainStep) tell(machine *v1alpha5.Machine, nodes []corev1.Node, blocked []drain.Blocker) {
	objects := []client.Object{machine}
	for i := range nodes {
		objects = append(objects, &nodes[i])
	}
	for _, blocker := range blocked[:min(len(blocked), toldPods)] {
		for _, object := range objects {
			d.journal.Events.Publish(events.Event{
				Object: object, Warning: true, Reason: events.ReasonFailedDraining, Message: "Cannot be drained: " + sentence(blocker),
			})
		}
	}
}

// sentence says which pod stays, and why.
func sentence(blocker drain.Blocker) string {
	return fmt.Sprintf("pod %s stays: %s (%s)", klog.KObj(blocker.Pod), blocker.Message, blocker.Reason)
}

// describeBlocked names the pods that hold a drain up, the first three at most; the engine has put them in order.
func describeBlocked(blocked []drain.Blocker) string {
	said := make([]string, 0, namedPods+1)
	for _, blocker := range blocked[:min(len(blocked), namedPods)] {
		said = append(said, sentence(blocker))
	}
	if more := len(blocked) - namedPods; more > 0 {
		said = append(said, fmt.Sprintf("%d more", more))
	}
	return strings.Join(said, "; ")
}

// describe names the pods that a drain waits for, the first three at most. They are put in order: a message that changes by
// itself would wake the Machine without end.
func describe(waiting []*corev1.Pod) string {
	names := make([]string, 0, len(waiting))
	for _, pod := range waiting {
		names = append(names, klog.KObj(pod).String())
	}
	slices.Sort(names)
	if more := len(names) - namedPods; more > 0 {
		names = append(names[:namedPods], fmt.Sprintf("%d more", more))
	}
	return "waiting for " + strings.Join(names, ", ")
}
