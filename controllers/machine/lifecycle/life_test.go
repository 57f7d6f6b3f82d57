package lifecycle

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/fake"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

// life is the lifecycle controller of one test, over a cloud of its own.
type life struct {
	*workbench.Bench
	cloud      *fake.Provider
	controller *Controller
}

func newLife(t *testing.T) *life {
	t.Helper()
	b := workbench.New(t)
	l := &life{Bench: b, cloud: b.Cloud(0)}
	l.controller = l.with(b.Client, l.cloud)
	return l
}

func (l *life) with(c client.Client, provider cloudprovider.Provider) *Controller {
	settings := Settings{
		ClusterUID: "cluster", LaunchTimeout: 5 * time.Minute, RegistrationTimeout: 15 * time.Minute, VisibilityWindow: 2 * time.Minute,
	}
	return NewController(c, l.Client, provider, settings, l.Journal)
}

// group creates n machines of one launch group.
func (l *life) group(n int, modifiers ...builders.MachineModifier) []*v1alpha5.Machine {
	name := l.Name("group")
	out := make([]*v1alpha5.Machine, 0, n)
	for range n {
		machine := l.Machine(append([]builders.MachineModifier{
			func(m *v1alpha5.Machine) { m.Spec.LaunchGroup = &v1alpha5.LaunchGroup{Name: name, Size: int32(n)} },
		}, modifiers...)...)
		l.Create(machine)
		out = append(out, machine)
	}
	return out
}

// launched creates a machine and launches it.
func (l *life) launched(modifiers ...builders.MachineModifier) *v1alpha5.Machine {
	machine := l.group(1, modifiers...)[0]
	l.Reconcile(l.controller, machine.Name)
	l.Reconcile(l.controller, machine.Name)
	l.Reload(machine)
	return machine
}

// registered creates a machine, launches it and has it join as a node that is ready.
func (l *life) registered(modifiers ...builders.MachineModifier) (*v1alpha5.Machine, *corev1.Node) {
	machine := l.launched(modifiers...)
	node := l.join(machine)
	l.Reconcile(l.controller, machine.Name)
	l.Reload(machine)
	l.Reload(node)
	return machine, node
}

// join makes the machine's instance a node.
func (l *life) join(machine *v1alpha5.Machine, modifiers ...builders.NodeModifier) *corev1.Node {
	return l.Node(machine.Status.ProviderID, modifiers...)
}

// condition returns a condition of the machine as it is stored.
func (l *life) condition(machine *v1alpha5.Machine, conditionType string) metav1.Condition {
	l.Reload(machine)
	got := machines.Conditions(machine).Get(conditionType)
	if got == nil {
		return metav1.Condition{}
	}
	return *got
}

// expect fails unless a condition of the machine is as wanted.
func (l *life) expect(t *testing.T, machine *v1alpha5.Machine, conditionType string, status metav1.ConditionStatus, reason string) {
	t.Helper()
	if got := l.condition(machine, conditionType); got.Status != status || got.Reason != reason {
		t.Errorf("%s is %s %s %q, want %s %s", conditionType, got.Status, got.Reason, got.Message, status, reason)
	}
}
