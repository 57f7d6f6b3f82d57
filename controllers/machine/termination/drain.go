package termination

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/drain"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

// drainPoll is how often a drain is looked at without any event of its pods: pods that never go are given up by time.
const drainPoll = 5 * time.Second

// holdSettles is how long the scheduler is given to see that a Node takes no new pods before the last look at them.
const holdSettles = time.Second

// drainStep keeps new pods off the Node and evicts those that are there.
type drainStep struct {
	client  client.Client
	live    client.Reader
	evictor Evictor
	clock   clock.PassiveClock
}

func (d *drainStep) reconcile(ctx context.Context, machine *v1alpha5.Machine, nodes []corev1.Node) (bool, time.Duration, error) {
	conditions := machines.Conditions(machine)
	if conditions.IsTrue(v1alpha5.ConditionDrained) {
		return true, 0, nil
	}
	held := false
	var waiting []*corev1.Pod
	for i := range nodes {
		changed, err := d.hold(ctx, &nodes[i])
		if err != nil {
			return false, 0, err
		}
		held = held || changed
		onNode, err := machines.Pods(ctx, d.client, nodes[i].Name)
		if err != nil {
			return false, 0, err
		}
		waiting = append(waiting, d.next(onNode)...)
	}
	if !held && len(waiting) == 0 {
		// Drained is never looked at again. It takes more than a cache, which may lag, and another reconcile than the one that
		// put the taint on, in which the scheduler may still be placing pods.
		var err error
		if held, waiting, err = d.lastLook(ctx, nodes); err != nil {
			return false, 0, err
		}
	}
	switch {
	case len(waiting) > 0:
		conditions.Unknown(v1alpha5.ConditionDrained, v1alpha5.ReasonDraining, describe(waiting))
		return false, drainPoll, nil
	case held:
		conditions.Unknown(v1alpha5.ConditionDrained, v1alpha5.ReasonDraining, "keeping new pods away")
		return false, holdSettles, nil
	}
	conditions.True(v1alpha5.ConditionDrained, v1alpha5.ReasonDrained, "")
	return true, 0, nil
}

// next asks for the eviction of the pods that are due and returns all that the drain waits for.
func (d *drainStep) next(onNode []*corev1.Pod) []*corev1.Pod {
	next := drain.Next(onNode, d.clock.Now())
	d.evictor.Add(next.Evict...)
	return slices.Concat(next.Evict, next.Waiting)
}

// lastLook asks the API server itself whether the Nodes still keep new pods away, and what runs on them.
func (d *drainStep) lastLook(ctx context.Context, nodes []corev1.Node) (held bool, waiting []*corev1.Pod, err error) {
	for i := range nodes {
		node := &corev1.Node{}
		if err := d.live.Get(ctx, client.ObjectKeyFromObject(&nodes[i]), node); client.IgnoreNotFound(err) != nil {
			return false, nil, fmt.Errorf("getting node %s: %w", nodes[i].Name, err)
		} else if err != nil {
			continue
		}
		changed, err := d.hold(ctx, node)
		if err != nil {
			return false, nil, err
		}
		held = held || changed
		onNode, err := machines.LivePods(ctx, d.live, node.Name)
		if err != nil {
			return false, nil, err
		}
		waiting = append(waiting, d.next(onNode)...)
	}
	return held, waiting, nil
}

// hold keeps new pods and load balancers away from a Node. It reports whether the scheduler may not have seen that yet: events
// of the Node itself wake the Machine much sooner.
func (d *drainStep) hold(ctx context.Context, node *corev1.Node) (bool, error) {
	stored := node.DeepCopy()
	machines.Disrupt(node, d.clock.Now())
	if node.Labels == nil {
		node.Labels = map[string]string{}
	}
	if _, there := node.Labels[v1alpha5.ExcludeFromLoadBalancersLabel]; !there {
		node.Labels[v1alpha5.ExcludeFromLoadBalancersLabel] = "karpenter"
	}
	changed, err := machines.WriteNode(ctx, d.client, stored, node)
	return changed || machines.DisruptedFor(node, d.clock.Now()) < holdSettles, client.IgnoreNotFound(err)
}

// describe names the pods that a drain waits for, the first three at most. They are put in order: a cache lists them in any,
// and a message that changes by itself would wake the Machine without end.
func describe(waiting []*corev1.Pod) string {
	names := make([]string, 0, len(waiting))
	for _, pod := range waiting {
		names = append(names, klog.KObj(pod).String())
	}
	slices.Sort(names)
	if more := len(names) - 3; more > 0 {
		names = append(names[:3], fmt.Sprintf("%d more", more))
	}
	return "waiting for " + strings.Join(names, ", ")
}
