package termination

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

// twin copies a Machine, status and all, as somebody does by hand who saves it under another name.
func (e *end) twin(machine *v1alpha5.Machine) *v1alpha5.Machine {
	copied := machine.DeepCopy()
	copied.ObjectMeta = metav1.ObjectMeta{Name: e.Name("twin"), Labels: machine.Labels, Finalizers: machine.Finalizers}
	e.Create(copied)
	return copied
}

func TestAnInstanceThatAnotherMachineHasTooIsLeftToIt(t *testing.T) {
	e := newEnd(t)
	machine, node := e.Ready(e.cloud)
	workbench.Update(e.Bench, node, func(n *corev1.Node) {
		n.OwnerReferences = []metav1.OwnerReference{{APIVersion: v1alpha5.GroupVersion().String(), Kind: "Machine", Name: machine.Name, UID: machine.UID}}
	})
	twin := e.twin(machine)
	pod := e.RunningPod(e.Namespace(), node.Name)
	e.Delete(machine)
	e.Reconcile(e.controller, machine.Name)
	if !e.Gone(machine) {
		t.Error("the machine is held, though its instance is not its own alone")
	}
	if e.Gone(node) || e.Gone(pod) || len(e.asked.names) > 0 || len(e.cloud.Instances()) != 1 {
		t.Fatalf("node gone %t, asked to evict %v, instances %v", e.Gone(node), e.asked.names, e.cloud.Instances())
	}
	if e.Reload(node); len(node.Spec.Taints) > 0 || len(node.OwnerReferences) > 0 {
		t.Errorf("taints %v; the node goes with its owners %v", node.Spec.Taints, node.OwnerReferences)
	}
	if !e.Told.Contains(events.ReasonInstanceShared, twin.Name) {
		t.Errorf("nothing tells who has the instance: %v", e.Told.Lines())
	}
}

func TestMachinesThatShareAnInstanceEndItWhenTheyAllEnd(t *testing.T) {
	e := newEnd(t)
	machine, node := e.Ready(e.cloud)
	both := []*v1alpha5.Machine{machine, e.twin(machine)}
	for _, m := range both {
		e.Delete(m)
	}
	for range 5 {
		for _, m := range both {
			if !e.Gone(m) {
				e.Reconcile(e.controller, m.Name)
			}
		}
		e.Clock.Step(time.Minute)
	}
	if !e.Gone(both[0]) || !e.Gone(both[1]) || !e.Gone(node) || len(e.cloud.Instances()) != 0 {
		t.Errorf("machines gone %t and %t, node gone %t, instances %v", e.Gone(both[0]), e.Gone(both[1]), e.Gone(node), e.cloud.Instances())
	}
}

func TestADeletedNodeTakesAllItsMachinesWithIt(t *testing.T) {
	e := newEnd(t)
	machine, node := e.Ready(e.cloud)
	both := []*v1alpha5.Machine{machine, e.twin(machine)}
	e.Delete(node)
	e.Reconcile(NewNodeController(e.Client, e.Client, e.cloud, e.Journal), node.Name)
	for _, m := range both {
		e.Reload(m)
	}
	if slices.ContainsFunc(both, func(m *v1alpha5.Machine) bool { return m.DeletionTimestamp.IsZero() }) {
		t.Error("a machine stays that would leave the node without end")
	}
}
