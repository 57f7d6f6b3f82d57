package machines_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func TestAMachineWakesForFactsAndNotForWords(t *testing.T) {
	tests := map[string]struct {
		change func(*v1alpha5.Machine)
		want   bool
	}{
		"other words": {func(m *v1alpha5.Machine) {
			machines.Conditions(m).Unknown(v1alpha5.ConditionLaunched, "LaunchFailed", "request 2")
		}, false},
		"another reason": {func(m *v1alpha5.Machine) {
			machines.Conditions(m).Unknown(v1alpha5.ConditionLaunched, "Throttled", "request 1")
		}, false},
		"something more is unknown": {func(m *v1alpha5.Machine) {
			machines.Conditions(m).Unknown(v1alpha5.ConditionDrained, "Draining", "waiting")
		}, false},
		"the time of a condition": {func(m *v1alpha5.Machine) {
			m.Status.Conditions[0].LastTransitionTime = metav1.NewTime(time.Unix(1, 0))
		}, false},
		"managed fields": {func(m *v1alpha5.Machine) { m.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "x"}} }, false},
		"a condition came true": {func(m *v1alpha5.Machine) {
			machines.Conditions(m).True(v1alpha5.ConditionLaunched, "Launched", "")
		}, true},
		"a condition came to be false": {func(m *v1alpha5.Machine) {
			machines.Conditions(m).False(v1alpha5.ConditionLaunched, "InsufficientCapacity", "")
		}, true},
		"the intent was written":     {func(m *v1alpha5.Machine) { m.Status.Launch = &v1alpha5.Launch{Token: "t"} }, true},
		"the instance is known":      {func(m *v1alpha5.Machine) { m.Status.ProviderID = "i-1" }, true},
		"the node is known":          {func(m *v1alpha5.Machine) { m.Status.NodeName = "n" }, true},
		"a pod came or went":         {func(m *v1alpha5.Machine) { m.Status.LastPodEventTime = new(metav1.Now()) }, true},
		"it is being deleted":        {func(m *v1alpha5.Machine) { m.DeletionTimestamp = new(metav1.Now()) }, true},
		"somebody took finalizers":   {func(m *v1alpha5.Machine) { m.Finalizers = nil }, true},
		"somebody changed labels":    {func(m *v1alpha5.Machine) { m.Labels = nil }, true},
		"somebody protects it":       {func(m *v1alpha5.Machine) { m.Annotations = map[string]string{"a": "b"} }, true},
		"nothing, as in a resync":    {func(m *v1alpha5.Machine) { m.ResourceVersion = "1" }, true},
		"nothing, in a new revision": {func(*v1alpha5.Machine) {}, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			before := builders.Machine("m", "p", func(m *v1alpha5.Machine) {
				m.ResourceVersion = "1"
				machines.Conditions(m).Unknown(v1alpha5.ConditionLaunched, "LaunchFailed", "request 1")
			})
			after := before.DeepCopy()
			after.ResourceVersion = "2"
			tc.change(after)
			if got := machines.Woken().Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after}); got != tc.want {
				t.Errorf("woken is %t, want %t", got, tc.want)
			}
		})
	}
}

func TestWhatIsNoUpdateOfAMachineWakes(t *testing.T) {
	if !machines.Woken().Create(event.CreateEvent{Object: builders.Machine("m", "p")}) ||
		!machines.Woken().Delete(event.DeleteEvent{Object: builders.Machine("m", "p")}) ||
		!machines.Woken().Update(event.UpdateEvent{ObjectOld: builders.Node("n"), ObjectNew: builders.Node("n")}) {
		t.Error("an event was dropped")
	}
}

func TestANodeWakesForFactsAndNotForHeartbeats(t *testing.T) {
	tests := map[string]struct {
		change func(*corev1.Node)
		want   bool
	}{
		"a heartbeat": {func(n *corev1.Node) {
			n.Status.Conditions[0].LastHeartbeatTime = metav1.NewTime(time.Unix(60, 0))
		}, false},
		"managed fields": {func(n *corev1.Node) { n.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "x"}} }, false},
		"images":         {func(n *corev1.Node) { n.Status.Images = []corev1.ContainerImage{{SizeBytes: 1}} }, false},
		"it fell silent": {func(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionUnknown }, true},
		"a taint":        {func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{{Key: "a"}} }, true},
		"a label":        {func(n *corev1.Node) { n.Labels = map[string]string{"a": "b"} }, true},
		"an owner went":  {func(n *corev1.Node) { n.OwnerReferences = nil }, true},
		"a late device": {func(n *corev1.Node) {
			n.Status.Allocatable = corev1.ResourceList{"nvidia.com/gpu": resource.MustParse("1")}
		}, true},
		"it is deleted":    {func(n *corev1.Node) { n.DeletionTimestamp = new(metav1.Now()) }, true},
		"as in a resync":   {func(n *corev1.Node) { n.ResourceVersion = "1" }, true},
		"another spelling": {func(n *corev1.Node) { n.Status.Capacity = corev1.ResourceList{"cpu": resource.MustParse("1000m")} }, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			before := builders.Node("n", func(n *corev1.Node) {
				n.ResourceVersion = "1"
				n.OwnerReferences = []metav1.OwnerReference{{UID: "u"}}
				n.Status.Capacity = corev1.ResourceList{"cpu": resource.MustParse("1")}
				n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
			})
			after := before.DeepCopy()
			after.ResourceVersion = "2"
			tc.change(after)
			if got := machines.NodeWoken().Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after}); got != tc.want {
				t.Errorf("woken is %t, want %t", got, tc.want)
			}
			if before.ResourceVersion != "1" || len(before.Status.Conditions) != 1 {
				t.Error("the cache's own Node was changed")
			}
		})
	}
}
