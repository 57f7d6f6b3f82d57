package termination

import (
	"context"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

// without returns a cache that does not show any object of a list's kind yet.
func without[T client.ObjectList](c client.WithWatch) client.WithWatch {
	return interceptor.NewClient(c, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, o ...client.ListOption) error {
			if _, ok := list.(T); ok {
				return nil
			}
			return c.List(ctx, list, o...)
		},
	})
}

func disrupted(node *corev1.Node) bool {
	return slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Key == v1alpha5.DisruptedTaintKey })
}

func TestAnEmptyNodeIsNotDrainedByTheReconcileThatKeepsPodsAway(t *testing.T) {
	e := newEnd(t)
	machine, node := e.Ready(e.cloud)
	e.Delete(machine)
	if again := e.Reconcile(e.controller, machine.Name).RequeueAfter; again <= 0 || again > 2*time.Second {
		t.Errorf("it is looked at again after %s", again)
	}
	e.expect(t, machine, v1alpha5.ConditionDrained, metav1.ConditionUnknown, "keeping new pods away")
	if e.Reload(node); !disrupted(node) || e.cloud.Instances()[0].ShuttingDown {
		t.Fatalf("taints %v, instances %v", node.Spec.Taints, e.cloud.Instances())
	}
	e.Reconcile(e.controller, machine.Name) // the node's own event wakes the machine before the scheduler may have seen it
	e.expect(t, machine, v1alpha5.ConditionDrained, metav1.ConditionUnknown, "keeping new pods away")
	e.settle()
	e.Reconcile(e.controller, machine.Name)
	e.expect(t, machine, v1alpha5.ConditionDrained, metav1.ConditionTrue, "")
}

func TestAPodThatTheCacheDoesNotShowIsEvictedAndNotKilled(t *testing.T) {
	e := newEnd(t)
	machine, node := e.Ready(e.cloud)
	pod := e.RunningPod(e.Namespace(), node.Name)
	e.Delete(machine)
	for range 2 {
		e.Reconcile(e.with(without[*corev1.PodList](e.Client), e.asked), machine.Name)
		e.settle()
	}
	e.expect(t, machine, v1alpha5.ConditionDrained, metav1.ConditionUnknown, "waiting for "+pod.Namespace+"/"+pod.Name)
	if !slices.Equal(e.asked.names, []string{pod.Name}) || e.cloud.Instances()[0].ShuttingDown {
		t.Errorf("asked to evict %v, instances %v", e.asked.names, e.cloud.Instances())
	}
}

func TestANodeThatTheCacheDoesNotShowIsDrainedAndDeleted(t *testing.T) {
	e := newEnd(t)
	machine, node := e.Ready(e.cloud)
	pod := e.RunningPod(e.Namespace(), node.Name)
	e.Delete(machine)
	controller := e.with(without[*corev1.NodeList](e.Client), e.asked)
	e.Reconcile(controller, machine.Name)
	if e.Reload(node); !disrupted(node) || !slices.Equal(e.asked.names, []string{pod.Name}) {
		t.Errorf("taints %v, asked to evict %v", node.Spec.Taints, e.asked.names)
	}
	e.expect(t, machine, v1alpha5.ConditionDrained, metav1.ConditionUnknown, "waiting for")
	e.Delete(pod, client.GracePeriodSeconds(0))
	e.settle()
	for range 2 {
		e.Reconcile(controller, machine.Name)
		e.Clock.Step(time.Minute)
	}
	if !e.Gone(node) || !e.Gone(machine) {
		t.Errorf("node gone %t, machine gone %t", e.Gone(node), e.Gone(machine))
	}
}

func TestANodeOfAnotherInstanceIsNotDrainedForItsName(t *testing.T) {
	e := newEnd(t)
	machine := e.Launched(e.cloud)
	node := e.Node("fake:///elsewhere/i-1")
	workbench.Update(e.Bench, machine, func(m *v1alpha5.Machine) { m.Status.NodeName = node.Name })
	e.Delete(machine)
	e.Reconcile(e.controller, machine.Name)
	e.expect(t, machine, v1alpha5.ConditionDrained, metav1.ConditionTrue, "")
	if e.Reload(node); disrupted(node) {
		t.Error("a node of another instance was tainted")
	}
}

func TestANodeThatJoinsAfterItsMachineCountedAsDrainedIsDrained(t *testing.T) {
	e := newEnd(t)
	machine, node := e.Ready(e.cloud)
	workbench.Update(e.Bench, machine, func(m *v1alpha5.Machine) {
		m.Status.NodeName = "" // it was deleted before there was a node
		machines.Conditions(m).True(v1alpha5.ConditionDrained, v1alpha5.ReasonDrained, "")
	})
	pod := e.RunningPod(e.Namespace(), node.Name)
	e.Delete(machine)
	for range 3 {
		e.Reconcile(e.controller, machine.Name)
		e.settle()
	}
	if e.Reload(node); !disrupted(node) || !slices.Contains(e.asked.names, pod.Name) || e.cloud.Instances()[0].ShuttingDown {
		t.Errorf("taints %v, asked to evict %v, instances %v", node.Spec.Taints, e.asked.names, e.cloud.Instances())
	}
}

func TestATaintThatSomebodyTookOffIsPutOnAgainBeforeTheLastLook(t *testing.T) {
	e := newEnd(t)
	machine, node := e.Ready(e.cloud)
	e.Delete(machine)
	e.Reconcile(e.controller, machine.Name)
	e.Reload(node)
	remembered := node.DeepCopy()
	workbench.Update(e.Bench, node, func(n *corev1.Node) { n.Spec.Taints = nil })
	lagging := interceptor.NewClient(e.Client, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, o ...client.ListOption) error {
			if nodes, ok := list.(*corev1.NodeList); ok {
				nodes.Items = []corev1.Node{*remembered}
				return nil
			}
			return c.List(ctx, list, o...)
		},
	})
	e.settle()
	e.Reconcile(e.with(lagging, e.asked), machine.Name)
	e.expect(t, machine, v1alpha5.ConditionDrained, metav1.ConditionUnknown, "")
	if e.Reload(node); !disrupted(node) {
		t.Error("the node takes new pods")
	}
}
