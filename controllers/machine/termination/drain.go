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

// drainStep keeps new pods off the Node and evicts those that are there.
type drainStep struct {
	client  client.Client
	evictor Evictor
	clock   clock.PassiveClock
}

func (d *drainStep) reconcile(ctx context.Context, machine *v1alpha5.Machine, nodes []corev1.Node) (bool, time.Duration, error) {
	conditions := machines.Conditions(machine)
	if conditions.IsTrue(v1alpha5.ConditionDrained) {
		return true, 0, nil
	}
	var waiting []*corev1.Pod
	for i := range nodes {
		if err := d.hold(ctx, &nodes[i]); err != nil {
			return false, 0, err
		}
		onNode, err := machines.Pods(ctx, d.client, nodes[i].Name)
		if err != nil {
			return false, 0, err
		}
		next := drain.Next(onNode, d.clock.Now())
		d.evictor.Add(next.Evict...)
		waiting = slices.Concat(waiting, next.Evict, next.Waiting)
	}
	if len(waiting) > 0 {
		conditions.Unknown(v1alpha5.ConditionDrained, v1alpha5.ReasonDraining, describe(waiting))
		return false, drainPoll, nil
	}
	conditions.True(v1alpha5.ConditionDrained, v1alpha5.ReasonDrained, "")
	return true, 0, nil
}

// hold keeps new pods and load balancers away from a Node.
func (d *drainStep) hold(ctx context.Context, node *corev1.Node) error {
	stored := node.DeepCopy()
	taint := v1alpha5.DisruptedTaint()
	if !slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.MatchTaint(&taint) }) {
		node.Spec.Taints = append(node.Spec.Taints, taint)
	}
	if node.Labels == nil {
		node.Labels = map[string]string{}
	}
	if _, there := node.Labels[v1alpha5.ExcludeFromLoadBalancersLabel]; !there {
		node.Labels[v1alpha5.ExcludeFromLoadBalancersLabel] = "karpenter"
	}
	if len(stored.Spec.Taints) == len(node.Spec.Taints) && len(stored.Labels) == len(node.Labels) {
		return nil
	}
	err := d.client.Patch(ctx, node, client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{}))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("tainting node %s: %w", node.Name, err)
	}
	return nil
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
