package main

import (
	"bytes"
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// stopped is an EC2 in which an instance was switched off.
func stopped(id string) awssim.Hook {
	const running, off = "<instanceState><code>16</code><name>running</name>", "<instanceState><code>80</code><name>stopped</name>"
	return func(ctx context.Context, r *wire.Request, next awssim.Handler) (*wire.Response, error) {
		out, err := next(ctx, r)
		if err != nil || r.Action != "DescribeInstances" {
			return out, err
		}
		start := bytes.Index(out.Body, []byte("<instanceId>"+id+"</instanceId>"))
		if start < 0 {
			return out, nil
		}
		out.Body = append(bytes.Clone(out.Body[:start]), bytes.Replace(out.Body[start:], []byte(running), []byte(off), 1)...)
		return out, nil
	}
}

func TestWhatIsDoneToInstancesAndNodesByHandIsMadeGood(t *testing.T) {
	strip := func(change func(*corev1.Node)) func(*loop, *v1alpha5.Machine, *corev1.Node) {
		return func(l *loop, _ *v1alpha5.Machine, node *corev1.Node) {
			change(node)
			if err := l.kube.Update(l.t.Context(), node); err != nil {
				l.t.Fatal(err)
			}
			l.wake(node.Spec.ProviderID)
		}
	}
	tests := map[string]struct {
		do func(*loop, *v1alpha5.Machine, *corev1.Node)
		// stays says that the machine and its node live on; otherwise both go, with an event of the reason.
		stays  bool
		reason string
		within time.Duration
	}{
		"the instance is terminated": {do: func(l *loop, m *v1alpha5.Machine, _ *corev1.Node) {
			if err := l.sim.TerminateInstance(machines.InstanceID(m.Status.ProviderID)); err != nil {
				l.t.Fatal(err)
			}
		}, reason: events.ReasonInstanceGone, within: 3 * time.Minute},
		"the instance is stopped": {do: func(l *loop, m *v1alpha5.Machine, node *corev1.Node) {
			l.inject(stopped(machines.InstanceID(m.Status.ProviderID)))
			builders.NotReady()(node)
			if err := l.kube.Status().Update(l.t.Context(), node); err != nil {
				l.t.Fatal(err)
			}
		}, reason: events.ReasonInstanceStopped, within: 3 * time.Minute},
		"the node is deleted": {do: func(l *loop, _ *v1alpha5.Machine, node *corev1.Node) {
			if err := l.kube.Delete(l.t.Context(), node); err != nil {
				l.t.Fatal(err)
			}
		}, reason: events.ReasonTerminated, within: 3 * time.Minute},
		"the node's labels are stripped":   {do: strip(func(n *corev1.Node) { n.Labels = nil }), stays: true},
		"the node's finalizer is stripped": {do: strip(func(n *corev1.Node) { n.Finalizers = nil }), stays: true},
		"the node's owner is stripped":     {do: strip(func(n *corev1.Node) { n.OwnerReferences = nil }), stays: true},
		"the machine is released by force": {do: func(l *loop, m *v1alpha5.Machine, _ *corev1.Node) {
			m.Finalizers = nil
			if err := l.kube.Update(l.t.Context(), m); err != nil {
				l.t.Fatal(err)
			}
			if err := client.IgnoreNotFound(l.kube.Delete(l.t.Context(), m)); err != nil {
				l.t.Fatal(err)
			}
		}, reason: events.ReasonInstanceOrphaned, within: 3 * time.Minute},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			l := openAccount(t).join("cluster-a", 0).loop()
			l.grow("first")
			if l.run(3*time.Minute, func() bool { return l.ready(4) }) >= 3*time.Minute {
				t.Fatal("the cluster does not come up")
			}
			victim := l.machines()[1]
			node := &corev1.Node{}
			if err := l.kube.Get(t.Context(), client.ObjectKey{Name: victim.Status.NodeName}, node); err != nil {
				t.Fatal(err)
			}
			pod := builders.Pod(builders.Name("held"), builders.Namespace("default"), builders.OnNode(node.Name), builders.Annotation(v1alpha5.DoNotEvictAnnotation, "true"))
			// What somebody deletes waits for it, as it should, and so does a node whose machine alone is gone.
			if tc.reason != events.ReasonTerminated && tc.reason != events.ReasonInstanceOrphaned {
				l.create(pod)
			}
			good := node.DeepCopy()
			tc.do(l, victim.DeepCopy(), node)
			gone := func() bool { return !l.has(&victim, good) }
			if tc.stays {
				l.run(time.Minute, func() bool { return false })
				if err := l.kube.Get(t.Context(), client.ObjectKeyFromObject(node), node); err != nil || !l.ready(4) ||
					len(node.Finalizers) != 1 || len(node.OwnerReferences) != 1 || node.Labels[v1alpha5.ProvisionerNameLabel] != "default" || !node.DeletionTimestamp.IsZero() {
					t.Errorf("after a minute the node is %+v (%v)", node.ObjectMeta, err)
				}
				return
			}
			took := l.run(5*time.Minute, gone)
			t.Logf("machine, node and instance are gone after %s", took)
			if took > tc.within || !l.ready(3) || l.live() != 3 {
				t.Errorf("gone after %s, want within %s; the others are well: %t; instances: %d", took, tc.within, l.ready(3), l.live())
			}
			if tc.reason != "" && !l.told.Contains(tc.reason, victim.Status.ProviderID) {
				t.Errorf("told: %q", l.told.Lines())
			}
		})
	}
}

// has reports whether anything of a machine is left: itself, its node, or its instance.
func (l *loop) has(machine *v1alpha5.Machine, node *corev1.Node) bool {
	if l.kube.Get(l.t.Context(), client.ObjectKeyFromObject(machine), &v1alpha5.Machine{}) == nil || l.kube.Get(l.t.Context(), client.ObjectKeyFromObject(node), &corev1.Node{}) == nil {
		return true
	}
	for _, i := range l.sim.World().Instances() {
		if i.ID == machines.InstanceID(machine.Status.ProviderID) && i.State != world.Terminated {
			return true
		}
	}
	return false
}

// live counts the instances that nobody has begun to end.
func (a *account) live() int {
	n := 0
	for _, i := range a.sim.World().Instances() {
		if i.Shutdown.IsZero() {
			n++
		}
	}
	return n
}
