package provisioning

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// The pods of a machine that goes are planned for at once, and so are those that its limits kept from one.
func TestAMachineThatGoesIsNews(t *testing.T) {
	stays, goes := builders.Machine("m", "p"), builders.Machine("m", "p")
	goes.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	taken := goes.DeepCopy()
	taken.Annotations = map[string]string{v1alpha5.TerminationDeadlineAnnotation: "2026-09-01T12:00:00Z"}
	for name, tc := range map[string]struct {
		happens     func(*Trigger)
		want, haste bool
	}{
		"it changes": {func(tr *Trigger) {
			tr.onMachine(t.Context(), event.UpdateEvent{ObjectOld: stays, ObjectNew: stays}, nil)
		}, false, false},
		"its instance is taken away": {func(tr *Trigger) {
			tr.onMachine(t.Context(), event.UpdateEvent{ObjectOld: stays, ObjectNew: taken}, nil)
		}, true, true},
		"it begins to go": {func(tr *Trigger) {
			tr.onMachine(t.Context(), event.UpdateEvent{ObjectOld: stays, ObjectNew: goes}, nil)
		}, true, false},
		"it is on its way": {func(tr *Trigger) { tr.onMachine(t.Context(), event.UpdateEvent{ObjectOld: goes, ObjectNew: goes}, nil) }, false, false},
		"it is gone":       {func(tr *Trigger) { tr.onMachineGone(t.Context(), event.DeleteEvent{Object: goes}, nil) }, true, false},
	} {
		batcher := NewBatcher[types.UID](clocktesting.NewFakeClock(time.Unix(0, 0)), time.Second, 10*time.Second)
		batcher.Trigger(stays.UID) // known, and no news by itself
		batcher.takeNews()
		tc.happens(NewTrigger(nil, batcher))
		if got := batcher.takeNews(); got != tc.want {
			t.Errorf("%s: news %t, want %t", name, got, tc.want)
		}
		if got := batcher.takeHaste(); got != tc.haste {
			t.Errorf("%s: haste %t, want %t", name, got, tc.haste)
		}
	}
}
