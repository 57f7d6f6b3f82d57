package termination

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

func pinned(n *corev1.Node) { n.Finalizers = []string{v1alpha5.TerminationFinalizer} }

func TestDeletingANodeDeletesItsMachine(t *testing.T) {
	e := newEnd(t)
	nodes := NewNodeController(e.Client, e.Client)
	machine, node := e.Ready(e.cloud)
	e.Reconcile(nodes, node.Name)
	if e.Reload(machine); !machine.DeletionTimestamp.IsZero() {
		t.Fatal("a machine was deleted whose node stays")
	}
	e.Delete(node)
	e.Reconcile(nodes, node.Name)
	if e.Reload(machine); machine.DeletionTimestamp.IsZero() || e.Gone(node) {
		t.Fatalf("the machine is deleted at %s, the node gone: %t", machine.DeletionTimestamp, e.Gone(node))
	}
	e.Reconcile(nodes, node.Name) // nothing more to do than to wait
	for range 3 {
		e.Reconcile(e.controller, machine.Name)
		e.Clock.Step(time.Minute)
	}
	if !e.Gone(node) || !e.Gone(machine) || len(e.cloud.Instances()) != 0 {
		t.Errorf("node gone %t, machine gone %t, instances %v", e.Gone(node), e.Gone(machine), e.cloud.Instances())
	}
}

func TestANodeWithoutMachineIsLetGo(t *testing.T) {
	tests := map[string]string{"no provider id": "", "an instance of nobody": "fake:///nowhere/i-0"}
	for name, providerID := range tests {
		t.Run(name, func(t *testing.T) {
			e := newEnd(t)
			machine := e.Machine() // one that has no provider id either
			e.Create(machine)
			node := e.Node(providerID, pinned)
			e.Delete(node)
			e.Reconcile(NewNodeController(e.Client, e.Client), node.Name)
			if !e.Gone(node) {
				t.Error("the node is held though there is no machine to end")
			}
			if e.Reload(machine); !machine.DeletionTimestamp.IsZero() {
				t.Error("a machine without instance was taken for the node's")
			}
		})
	}
}

func TestACacheThatLagsFreesNoNode(t *testing.T) {
	e := newEnd(t)
	machine, node := e.Ready(e.cloud)
	blind := interceptor.NewClient(e.Client, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, o ...client.ListOption) error {
			if _, ok := list.(*v1alpha5.MachineList); ok {
				return nil
			}
			return c.List(ctx, list, o...)
		},
	})
	e.Delete(node)
	e.Reconcile(NewNodeController(blind, e.Client), node.Name)
	if e.Reload(machine); e.Gone(node) || machine.DeletionTimestamp.IsZero() {
		t.Errorf("node gone %t, machine deleted at %s", e.Gone(node), machine.DeletionTimestamp)
	}
}

// A machine frees the node that it sees at its end. One that was registered a moment before is held, and its cache does not show that.
func TestANodeThatWasPinnedUnseenIsLetGoAfterItsMachine(t *testing.T) {
	e := newEnd(t)
	nodes := NewNodeController(e.Client, e.Client)
	machine, node := e.Ready(e.cloud)
	e.Delete(machine)
	e.Delete(node)
	if result := e.Reconcile(nodes, node.Name); result.RequeueAfter <= 0 || e.Gone(node) {
		t.Fatalf("while the machine is there the node is gone: %t, and looked at again after %s", e.Gone(node), result.RequeueAfter)
	}
	e.Release(machine)
	if e.Reconcile(nodes, node.Name); !e.Gone(node) {
		t.Error("the node is held though its machine is gone")
	}
}

func TestANodeThatIsNotPinnedIsNobodysBusiness(t *testing.T) {
	e := newEnd(t)
	machine, node := e.Ready(e.cloud)
	node.Finalizers = nil
	e.Release(node)
	e.Delete(node)
	e.Reconcile(NewNodeController(e.Client, e.Client), node.Name)
	if e.Reload(machine); !machine.DeletionTimestamp.IsZero() {
		t.Error("the machine was deleted")
	}
}

func TestANodeThatHasJustJoinedIsDrainedThoughNoCacheShowsIt(t *testing.T) {
	e := newEnd(t)
	machine, node := e.Ready(e.cloud)
	machine.Status.NodeName = "" // it was deleted before anybody saw its node
	if err := e.Client.Status().Update(t.Context(), machine); err != nil {
		t.Fatal(err)
	}
	e.RunningPod(e.Namespace(), node.Name)
	blind := interceptor.NewClient(e.Client, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, o ...client.ListOption) error {
			if _, ok := list.(*corev1.NodeList); ok {
				return nil
			}
			return c.List(ctx, list, o...)
		},
	})
	e.Delete(machine)
	controller := e.with(blind, e.asked)
	for range 3 {
		e.Reconcile(controller, machine.Name)
		e.settle()
	}
	e.Reload(node)
	if len(e.asked.names) == 0 || len(node.Spec.Taints) == 0 || len(e.cloud.Instances()) != 1 {
		t.Errorf("evicted %v, taints %v, instances %v", e.asked.names, node.Spec.Taints, e.cloud.Instances())
	}
}
