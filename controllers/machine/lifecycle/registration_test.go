package lifecycle

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

func tainted(m *v1alpha5.Machine) {
	m.Spec.Taints = []corev1.Taint{{Key: "team", Value: "a", Effect: corev1.TaintEffectNoSchedule}}
	m.Spec.StartupTaints = []corev1.Taint{{Key: "cni", Effect: corev1.TaintEffectNoExecute}}
}

func taintsOf(node *corev1.Node) []string {
	var out []string
	for _, taint := range node.Spec.Taints {
		out = append(out, taint.ToString())
	}
	slices.Sort(out)
	return out
}

func TestAnInstanceThatHasNotJoinedIsWaitedFor(t *testing.T) {
	l := newLife(t)
	machine := l.launched()
	l.join(machine, builders.ProviderID("fake:///another"))
	l.Reconcile(l.controller, machine.Name)
	l.expect(t, machine, v1alpha5.ConditionRegistered, metav1.ConditionUnknown, v1alpha5.ReasonNodeNotFound)
}

func TestANodeGetsWhatItsMachineSays(t *testing.T) {
	l := newLife(t)
	machine := l.launched(tainted, func(m *v1alpha5.Machine) {
		m.Labels["team"] = "a"
		m.Annotations = map[string]string{"note": "x", "kubectl.kubernetes.io/last-applied-configuration": "{}"}
	})
	node := l.join(machine, builders.NodeLabels(map[string]string{"kubelet": "says"}), builders.Taint("own", "", corev1.TaintEffectNoSchedule))
	l.Reconcile(l.controller, machine.Name)
	l.expect(t, machine, v1alpha5.ConditionRegistered, metav1.ConditionTrue, v1alpha5.ReasonRegistered)
	l.Reload(node)
	if machine.Status.NodeName != node.Name {
		t.Errorf("the machine's node is %q, want %q", machine.Status.NodeName, node.Name)
	}
	for label, want := range machine.Labels {
		if node.Labels[label] != want {
			t.Errorf("label %s is %q, want %q", label, node.Labels[label], want)
		}
	}
	if node.Labels["kubelet"] != "says" || node.Labels[v1alpha5.RegisteredLabel] != "true" {
		t.Errorf("labels are %v", node.Labels)
	}
	if _, copied := node.Annotations["kubectl.kubernetes.io/last-applied-configuration"]; copied || node.Annotations["note"] != "x" {
		t.Errorf("annotations are %v", node.Annotations)
	}
	if diff := cmp.Diff([]string{"cni:NoExecute", "own:NoSchedule", "team=a:NoSchedule"}, taintsOf(node)); diff != "" {
		t.Errorf("taints (-want +got):\n%s", diff)
	}
	block := true
	owner := metav1.OwnerReference{APIVersion: "karpenter.sh/v1alpha5", Kind: "Machine", Name: machine.Name, UID: machine.UID, BlockOwnerDeletion: &block}
	if diff := cmp.Diff([]metav1.OwnerReference{owner}, node.OwnerReferences); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
	if !slices.Contains(node.Finalizers, v1alpha5.TerminationFinalizer) {
		t.Errorf("finalizers are %v", node.Finalizers)
	}
	if l.Told.Count(events.ReasonRegistered) != 1 {
		t.Errorf("told: %q", l.Told.Lines())
	}
}

func TestTaintsThatTheNodeHasAreNotPutOnTwice(t *testing.T) {
	l := newLife(t)
	machine := l.launched(tainted)
	node := l.join(machine, builders.Taint("team", "b", corev1.TaintEffectNoSchedule), builders.Taint("cni", "", corev1.TaintEffectNoSchedule))
	l.Reconcile(l.controller, machine.Name)
	l.Reload(node)
	if diff := cmp.Diff([]string{"cni:NoExecute", "cni:NoSchedule", "team=b:NoSchedule"}, taintsOf(node)); diff != "" {
		t.Errorf("taints (-want +got):\n%s", diff)
	}
}

func TestTwoNodesWithOneProviderIDAreToldAndNeitherIsTaken(t *testing.T) {
	l := newLife(t)
	machine := l.launched()
	first, second := l.join(machine), l.join(machine)
	l.Reconcile(l.controller, machine.Name)
	l.expect(t, machine, v1alpha5.ConditionRegistered, metav1.ConditionFalse, v1alpha5.ReasonMultipleNodes)
	l.expect(t, machine, v1alpha5.ConditionReady, metav1.ConditionFalse, "NotReady")
	l.Reload(first)
	if machine.Status.NodeName != "" || len(first.Finalizers) != 0 {
		t.Errorf("the machine took node %q, finalizers %v", machine.Status.NodeName, first.Finalizers)
	}
	l.Delete(second)
	l.Reconcile(l.controller, machine.Name)
	l.expect(t, machine, v1alpha5.ConditionRegistered, metav1.ConditionTrue, v1alpha5.ReasonRegistered)
}

func TestWhatIsTakenOffARegisteredNodeComesBack(t *testing.T) {
	l := newLife(t)
	machine, node := l.registered(tainted)
	workbench.Update(l.Bench, node, func(n *corev1.Node) {
		n.Finalizers, n.OwnerReferences, n.Spec.Taints = nil, nil, nil
		n.Labels = map[string]string{"user": "x", v1alpha5.ProvisionerNameLabel: "other"}
	})
	l.Reconcile(l.controller, machine.Name)
	l.Reload(node)
	if len(node.Finalizers) != 1 || len(node.OwnerReferences) != 1 || node.Labels[v1alpha5.ProvisionerNameLabel] != "default" || node.Labels["user"] != "x" {
		t.Errorf("finalizers %v, owners %v, labels %v", node.Finalizers, node.OwnerReferences, node.Labels)
	}
	if len(node.Spec.Taints) != 0 {
		t.Errorf("taints belong to the cluster once the node is registered, got %v", taintsOf(node))
	}
}

func TestANodeThatLostEveryLabelDoesNotStopItsMachine(t *testing.T) {
	l := newLife(t)
	machine, node := l.registered(tainted)
	other := l.join(machine, func(n *corev1.Node) { n.Labels, n.Name = nil, "0-"+n.Name })
	workbench.Update(l.Bench, node, func(n *corev1.Node) { n.Spec.Taints = nil })
	l.Reconcile(l.controller, machine.Name)
	l.expect(t, machine, v1alpha5.ConditionInitialized, metav1.ConditionTrue, v1alpha5.ReasonInitialized)
	l.Reload(node)
	l.Reload(other)
	if node.Labels[v1alpha5.InitializedLabel] != "true" || other.Labels[v1alpha5.InitializedLabel] != "" {
		t.Errorf("the machine's node is marked %q, another of its instance %q", node.Labels[v1alpha5.InitializedLabel], other.Labels[v1alpha5.InitializedLabel])
	}
}

func TestANodeThatIsBeingDeletedIsNotPinnedAgain(t *testing.T) {
	l := newLife(t)
	machine, node := l.registered()
	workbench.Update(l.Bench, node, func(n *corev1.Node) { n.Finalizers = []string{"example.com/hold"} })
	l.Delete(node)
	l.Reconcile(l.controller, machine.Name)
	l.Reload(node)
	if len(node.Finalizers) != 1 || node.Finalizers[0] != "example.com/hold" {
		t.Errorf("finalizers are %v", node.Finalizers)
	}
	l.Release(node)
}

func TestATaintWithoutEffectHoldsNoRegistration(t *testing.T) {
	l := newLife(t)
	machine := l.launched(func(m *v1alpha5.Machine) {
		m.Spec.Taints = []corev1.Taint{{Key: "nothing"}, {Key: "team", Effect: corev1.TaintEffectNoSchedule}}
	})
	node := l.join(machine)
	l.Reconcile(l.controller, machine.Name)
	l.expect(t, machine, v1alpha5.ConditionRegistered, metav1.ConditionTrue, v1alpha5.ReasonRegistered)
	if l.Reload(node); !slices.Equal(taintsOf(node), []string{"team:NoSchedule"}) {
		t.Errorf("taints are %v", taintsOf(node))
	}
}

func TestAKubeletThatWasFasterIsNoFailure(t *testing.T) {
	l := newLife(t)
	machine := l.launched()
	node := l.join(machine)
	c := meanwhile(l.Client, func() {
		workbench.Update(l.Bench, node.DeepCopy(), func(n *corev1.Node) { n.Labels["kubelet"] = "says" })
	})
	if again := l.Reconcile(l.with(c, l.cloud), machine.Name).RequeueAfter; again != machines.ConflictRetry {
		t.Errorf("after a conflict it comes back after %s", again)
	}
	l.Reconcile(l.controller, machine.Name)
	l.expect(t, machine, v1alpha5.ConditionRegistered, metav1.ConditionTrue, v1alpha5.ReasonRegistered)
	if l.Reload(node); node.Labels["kubelet"] != "says" {
		t.Errorf("labels are %v", node.Labels)
	}
}
