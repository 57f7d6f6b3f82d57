package termination

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/fake"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

func pinned(n *corev1.Node) { n.Finalizers = []string{v1alpha5.TerminationFinalizer} }

func TestDeletingANodeDeletesItsMachine(t *testing.T) {
	e := newEnd(t)
	nodes := NewNodeController(e.Client, e.Client, e.cloud, e.Journal)
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
			e.Reconcile(NewNodeController(e.Client, e.Client, e.cloud, e.Journal), node.Name)
			if !e.Gone(node) {
				t.Error("the node is held though there is no machine to end")
			}
			if e.Reload(machine); !machine.DeletionTimestamp.IsZero() {
				t.Error("a machine without instance was taken for the node's")
			}
		})
	}
}

// Somebody took the machine's finalizer off, and the garbage collector deletes the node that it owned.
func TestANodeWhoseMachineWasTakenAwayIsDrainedBeforeItsInstanceEnds(t *testing.T) {
	e := newEnd(t)
	machine, node := e.Ready(e.cloud)
	pod := e.RunningPod(e.Namespace(), node.Name)
	e.Delete(machine)
	e.Release(machine)
	e.Delete(node)
	nodes := NewNodeController(e.Client, e.Client, e.cloud, e.Journal)
	for range 2 {
		if e.Reconcile(nodes, node.Name); e.Gone(node) {
			t.Fatal("the node was let go while its instance runs pods")
		}
	}
	heir := &v1alpha5.Machine{}
	heir.Name = machine.ProvisionerName() + "-" + machines.InstanceID(machine.Status.ProviderID)
	e.Reload(heir)
	for range 3 {
		e.Reconcile(e.controller, heir.Name)
		e.settle()
	}
	if e.Reload(heir); heir.Status.ProviderID != machine.Status.ProviderID || !slices.Contains(e.asked.names, pod.Name) || len(e.cloud.Instances()) != 1 {
		t.Fatalf("the new machine has instance %q; evicted %v; instances %v", heir.Status.ProviderID, e.asked.names, e.cloud.Instances())
	}
	e.Delete(pod, client.GracePeriodSeconds(0))
	for range 3 {
		e.Reconcile(e.controller, heir.Name)
		e.Clock.Step(time.Minute)
	}
	if !e.Gone(node) || !e.Gone(heir) || len(e.cloud.Instances()) != 0 {
		t.Errorf("node gone %t, machine gone %t, instances %v", e.Gone(node), e.Gone(heir), e.cloud.Instances())
	}
	if !e.Told.Contains("Warning "+events.ReasonInstanceOrphaned, machine.Status.ProviderID) {
		t.Errorf("told: %q", e.Told.Lines())
	}
}

func TestANodeWithoutMachineStaysUntilItsInstanceIsGone(t *testing.T) {
	e := newEnd(t)
	machine, node := e.Ready(e.cloud)
	e.Delete(machine)
	e.Release(machine)
	e.Delete(node)
	nodes := NewNodeController(e.Client, e.Client, e.cloud, e.Journal)
	e.cloud.Fail(fake.OperationGet, errors.New("throttled"))
	if _, err := e.TryReconcile(nodes, node.Name); err == nil || e.Gone(node) {
		t.Fatalf("the cloud does not say whether the instance runs (%v), and the node is gone: %t", err, e.Gone(node))
	}
	e.cloud.Fail(fake.OperationGet, nil)
	if err := e.cloud.Delete(t.Context(), machine); err != nil {
		t.Fatal(err)
	}
	if again := e.Reconcile(nodes, node.Name).RequeueAfter; again <= 0 || e.Gone(node) {
		t.Fatalf("the instance shuts down; the node is gone: %t, looked at again after %s", e.Gone(node), again)
	}
	e.Clock.Step(2 * time.Minute)
	if e.Reconcile(nodes, node.Name); !e.Gone(node) {
		t.Error("the node is held though its instance is gone")
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
	e.Reconcile(NewNodeController(blind, e.Client, e.cloud, e.Journal), node.Name)
	if e.Reload(machine); e.Gone(node) || machine.DeletionTimestamp.IsZero() {
		t.Errorf("node gone %t, machine deleted at %s", e.Gone(node), machine.DeletionTimestamp)
	}
}

// A machine frees the node that it sees at its end. One that was registered a moment before is held, and its cache does not show that.
func TestANodeThatWasPinnedUnseenIsLetGoAfterItsMachine(t *testing.T) {
	e := newEnd(t)
	nodes := NewNodeController(e.Client, e.Client, e.cloud, e.Journal)
	machine, node := e.Ready(e.cloud)
	e.Delete(machine)
	e.Delete(node)
	if result := e.Reconcile(nodes, node.Name); result.RequeueAfter <= 0 || e.Gone(node) {
		t.Fatalf("while the machine is there the node is gone: %t, and looked at again after %s", e.Gone(node), result.RequeueAfter)
	}
	e.Release(machine)
	if err := e.cloud.Delete(t.Context(), machine); err != nil {
		t.Fatal(err)
	}
	e.Clock.Step(2 * time.Minute)
	if e.Reconcile(nodes, node.Name); !e.Gone(node) {
		t.Error("the node is held though its machine and instance are gone")
	}
}

func TestANodeThatIsNotPinnedIsNobodysBusiness(t *testing.T) {
	e := newEnd(t)
	machine, node := e.Ready(e.cloud)
	node.Finalizers = nil
	e.Release(node)
	e.Delete(node)
	e.Reconcile(NewNodeController(e.Client, e.Client, e.cloud, e.Journal), node.Name)
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
