package machines

import (
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
		return !equality.Semantic.DeepEqual(facts(before), facts(after))
	}}
}

// facts returns what a Machine says, without when and in what words.
func facts(machine *v1alpha5.Machine) *v1alpha5.Machine {
	out := machine.DeepCopy()
	out.ResourceVersion, out.ManagedFields = "", nil
	out.Status.Conditions = nil
	for _, condition := range machine.Status.Conditions {
		// What is unknown says no more than what was never said.
		if condition.Status != metav1.ConditionUnknown {
			out.Status.Conditions = append(out.Status.Conditions, metav1.Condition{Type: condition.Type, Status: condition.Status})
		}
	}
	return out
}
