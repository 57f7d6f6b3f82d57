package machines

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// Woken lets those events of Machines pass after which there may be something to do. That a condition was put into other
// words is none of them: a reconcile that fails writes why, and its own writing must not bring it back before its time.
func Woken() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1alpha5.Machine)
		if !ok {
			return true
		}
		after, ok := e.ObjectNew.(*v1alpha5.Machine)
		if !ok || before.ResourceVersion == after.ResourceVersion { // a resync, which looks at everything again
			return true
		}
		if before.Generation != after.Generation {
			return true
		}
		was, is := facts(before), facts(after)
		return !sameMetadata(was.ObjectMeta, is.ObjectMeta) || !sameStatus(was.Status, is.Status)
	}}
}

// NodeWoken lets those events of Nodes pass after which there may be something to do. A heartbeat is none of them: kubelets that
// put theirs into the status of their Nodes would otherwise keep every controller awake that looks at Nodes.
func NodeWoken() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*corev1.Node)
		if !ok {
			return true
		}
		after, ok := e.ObjectNew.(*corev1.Node)
		if !ok || before.ResourceVersion == after.ResourceVersion { // a resync
			return true
		}
		was, is := nodeFacts(before), nodeFacts(after)
		return !sameMetadata(was.ObjectMeta, is.ObjectMeta) || !sameNodeStatus(was.Status, is.Status) || !equality.Semantic.DeepEqual(was.Spec, is.Spec)
	}}
}

// nodeFacts returns what a Node says, without when its kubelet said so, and without its images, which no controller looks at. Only
// what is changed is copied: Nodes are many and large.
func nodeFacts(node *corev1.Node) *corev1.Node {
	out := *node
	out.ResourceVersion, out.ManagedFields, out.Status.Images = "", nil, nil
	out.Status.Conditions = slices.Clone(node.Status.Conditions)
	for i := range out.Status.Conditions {
		out.Status.Conditions[i].LastHeartbeatTime = metav1.Time{}
	}
	return &out
}

// facts returns what a Machine says, without when and in what words, and without its spec, whose changes the generation counts: it may list
// hundreds of instance types. Only what is changed is copied.
func facts(machine *v1alpha5.Machine) *v1alpha5.Machine {
	out := *machine
	out.ResourceVersion, out.ManagedFields, out.Spec = "", nil, v1alpha5.MachineSpec{}
	out.Status.Conditions = nil
	for _, condition := range machine.Status.Conditions {
		// What is unknown says no more than what was never said.
		if condition.Status != metav1.ConditionUnknown {
			out.Status.Conditions = append(out.Status.Conditions, metav1.Condition{Type: condition.Type, Status: condition.Status})
		}
	}
	return &out
}
