package lifecycle

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

const gpu corev1.ResourceName = "nvidia.com/gpu"

// asking says what the pods planned for the machine need.
func asking(quantities map[corev1.ResourceName]string) builders.MachineModifier {
	return func(m *v1alpha5.Machine) {
		m.Spec.Resources.Requests = corev1.ResourceList{}
		for name, q := range quantities {
			m.Spec.Resources.Requests[name] = resource.MustParse(q)
		}
	}
}

func TestAMachineBecomesReadyStepByStep(t *testing.T) {
	l := newLife(t)
	machine := l.group(1, tainted, asking(map[corev1.ResourceName]string{corev1.ResourceCPU: "1", gpu: "1", "example.com/none": "0"}))[0]
	l.Reconcile(l.controller, machine.Name)
	l.expect(t, machine, v1alpha5.ConditionInitialized, metav1.ConditionUnknown, v1alpha5.ReasonNotRegistered)
	l.Reconcile(l.controller, machine.Name)
	l.Reload(machine)
	node := l.join(machine, builders.NotReady(), builders.Taint(corev1.TaintNodeNotReady, "", corev1.TaintEffectNoSchedule))
	steps := []struct {
		what   string
		change func(*corev1.Node)
		status metav1.ConditionStatus
		reason string
	}{
		{"the kubelet is not ready", func(*corev1.Node) {}, "Unknown", v1alpha5.ReasonNodeNotReady},
		{"the kubelet is of unknown readiness", func(n *corev1.Node) { n.Status.Conditions[0].Status = "Unknown" }, "Unknown", v1alpha5.ReasonNodeNotReady},
		{"the startup taint is there", func(n *corev1.Node) { n.Status.Conditions[0].Status = "True" }, "Unknown", ""},
		{"the startup taint alone is there", func(n *corev1.Node) { withoutTaint(n, corev1.TaintNodeNotReady) }, "Unknown", v1alpha5.ReasonStartupTaints},
		{"an ephemeral taint is there", func(n *corev1.Node) {
			withoutTaint(n, "cni")
			n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: corev1.TaintNodeUnreachable, Effect: corev1.TaintEffectNoSchedule})
		}, "Unknown", v1alpha5.ReasonEphemeralTaints},
		{"the device is not advertised", func(n *corev1.Node) { withoutTaint(n, corev1.TaintNodeUnreachable) }, "Unknown", v1alpha5.ReasonResourceMissing},
		{"none of the devices is usable", func(n *corev1.Node) { n.Status.Allocatable[gpu] = resource.MustParse("0") }, "Unknown", v1alpha5.ReasonResourceMissing},
		{"the device is there", func(n *corev1.Node) { n.Status.Allocatable[gpu] = resource.MustParse("1") }, "True", v1alpha5.ReasonInitialized},
		{"the node is not ready any more", func(n *corev1.Node) { n.Status.Conditions[0].Status = "False" }, "True", v1alpha5.ReasonInitialized},
	}
	for _, step := range steps {
		workbench.Update(l.Bench, node, step.change)
		l.Reconcile(l.controller, machine.Name)
		got := l.condition(machine, v1alpha5.ConditionInitialized)
		if got.Status != step.status || step.reason != "" && got.Reason != step.reason {
			t.Errorf("%s: got %s %s %q, want %s %s", step.what, got.Status, got.Reason, got.Message, step.status, step.reason)
		}
		l.Reload(node)
		if marked := node.Labels[v1alpha5.InitializedLabel] == "true"; marked != (step.status == "True") {
			t.Errorf("%s: the node is marked as initialized: %t", step.what, marked)
		}
	}
	l.expect(t, machine, v1alpha5.ConditionReady, metav1.ConditionTrue, v1alpha5.ReasonReady)
	if l.Told.Count(events.ReasonInitialized) != 1 {
		t.Errorf("told: %q", l.Told.Lines())
	}
}

func withoutTaint(node *corev1.Node, key string) {
	var left []corev1.Taint
	for _, taint := range node.Spec.Taints {
		if taint.Key != key {
			left = append(left, taint)
		}
	}
	node.Spec.Taints = left
}

func TestANodeThatIsGoneBeforeItWasReadyIsSaidToBe(t *testing.T) {
	l := newLife(t)
	machine, node := l.registered(tainted)
	l.Release(node)
	l.Delete(node)
	l.Reconcile(l.controller, machine.Name)
	l.expect(t, machine, v1alpha5.ConditionRegistered, metav1.ConditionFalse, v1alpha5.ReasonNodeNotFound)
	l.expect(t, machine, v1alpha5.ConditionInitialized, metav1.ConditionUnknown, v1alpha5.ReasonNotRegistered)
}

// A message that changes from look to look is a write for every look, and every write wakes the machine again.
func TestOfSeveralMissingResourcesItIsAlwaysTheSameThatIsNamed(t *testing.T) {
	machine := builders.Machine("m", "p", asking(map[corev1.ResourceName]string{
		"example.com/c": "1", "example.com/a": "1", "example.com/b": "1", "example.com/d": "1",
	}))
	for range 50 {
		if _, message := uninitialized(machine, builders.Node("n")); !strings.Contains(message, "example.com/a") {
			t.Fatalf("the message is %q, want the first by name", message)
		}
	}
}

func TestAnAnswerFromAReadyNodeIsNoReason(t *testing.T) {
	if reason, message := uninitialized(builders.Machine("m", "p", tainted), builders.Node("n", builders.Taint("other", "", corev1.TaintEffectNoSchedule))); reason != "" {
		t.Errorf("a ready node is held back: %s %s", reason, message)
	}
}

func TestANodeThatIsSmallerThanExpectedIsToldOf(t *testing.T) {
	for name, tc := range map[string]struct {
		memory string
		want   int
	}{"a little less": {"3700Mi", 0}, "much less": {"3600Mi", 1}} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			machine := l.group(1)[0]
			l.Reconcile(l.controller, machine.Name)
			l.Reconcile(l.controller, machine.Name)
			workbench.Update(l.Bench, machine, func(m *v1alpha5.Machine) {
				m.Status.Capacity = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("4Gi")}
			})
			l.join(machine, func(n *corev1.Node) {
				n.Status.Capacity = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(tc.memory)}
			})
			l.Reconcile(l.controller, machine.Name)
			l.expect(t, machine, v1alpha5.ConditionInitialized, metav1.ConditionTrue, v1alpha5.ReasonInitialized)
			if got := l.Told.Count(events.ReasonFailedConsistency); got != tc.want {
				t.Errorf("it was told %d times, want %d: %q", got, tc.want, l.Told.Lines())
			}
		})
	}
}
