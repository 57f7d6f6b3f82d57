package consolidation

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// town is a reader of machines that are all empty, which counts how often they are listed.
type town struct {
	machines []v1alpha5.Machine
	listed   int
}

func newTown(count int) *town {
	out := &town{}
	for i := range count {
		m := builders.Machine(fmt.Sprintf("m%d", i), "p")
		machines.Conditions(m).True(v1alpha5.ConditionInitialized, "Initialized", "")
		out.machines = append(out.machines, *m)
	}
	return out
}

// Get finds nothing: nobody has paused disruption.
func (w *town) Get(_ context.Context, key client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
}

// List lists the machines.
func (w *town) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	switch l := list.(type) {
	case *v1alpha5.MachineList:
		w.listed++
		l.Items = append(l.Items, w.machines...)
	case *corev1.NodeList:
	}
	return nil
}

// empty asks for all machines to go, and returns how many may and why the last one may not.
func (w *town) empty(t *testing.T, r *rations, now time.Time) (granted int, why string) {
	t.Helper()
	for i := range w.machines {
		m := &w.machines[i]
		if machines.Conditions(m).IsTrue(v1alpha5.ConditionDisrupting) {
			continue
		}
		command := disruption.Command{Reason: disruption.ReasonEmpty, Machines: []disruption.Target{{Machine: m.Name, Provisioner: "p"}}}
		hold, err := r.record(t.Context(), m.DeepCopy(), nil, command, now, func() error {
			granted++
			machines.Conditions(m).True(v1alpha5.ConditionDisrupting, disruption.ReasonEmpty, "")
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if hold != nil {
			why = hold.Why
		}
	}
	return granted, why
}

func TestNoMoreThanATenthOfTheMachinesGoForBeingEmptyWithinTheWindow(t *testing.T) {
	tests := map[string]struct {
		machines     int
		window       time.Duration
		want, second int // so many go at once, and so many more once the window is over
	}{
		"a few":                  {9, time.Minute, 9, 0},
		"ten at least":           {30, time.Minute, 10, 10},
		"a tenth":                {250, time.Minute, 25, 25},
		"any number, as by 0":    {250, 0, 250, 0},
		"as many as ten allow":   {11, time.Minute, 10, 1},
		"as many as a tenth are": {101, time.Minute, 11, 11},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w, now := newTown(tc.machines), time.Now()
			r := newRations(w, Settings{EmptyWindow: tc.window})
			got, why := w.empty(t, r, now)
			if got != tc.want || (why != "") != (got < tc.machines) {
				t.Fatalf("%d go, want %d; said was %q", got, tc.want, why)
			}
			if why != "" && !strings.Contains(why, fmt.Sprintf("%d empty nodes", tc.want)) {
				t.Errorf("said was %q", why)
			}
			// Another process finds on record what has begun to go.
			if more, _ := w.empty(t, newRations(w, Settings{EmptyWindow: tc.window}), now.Add(time.Second)); more != 0 {
				t.Errorf("after a restart %d more go", more)
			}
			if more, _ := w.empty(t, r, now.Add(tc.window+time.Second)); more != tc.second {
				t.Errorf("after the window %d more go, want %d", more, tc.second)
			}
		})
	}
}

func TestMachinesThatAreGoneCountForTheWindow(t *testing.T) {
	w, now := newTown(20), time.Now()
	r := newRations(w, Settings{EmptyWindow: time.Minute})
	w.empty(t, r, now)
	w.machines = w.machines[10:] // those that were decided on are gone
	if more, _ := w.empty(t, r, now.Add(2*time.Second)); more != 0 {
		t.Errorf("%d more go", more)
	}
}

func TestMachinesThatAreHeldAreCountedOnceForAll(t *testing.T) {
	w := newTown(500)
	r := newRations(w, Settings{EmptyWindow: time.Minute})
	now := time.Now()
	granted, _ := w.empty(t, r, now)
	if most := granted + 2; w.listed > most {
		t.Errorf("machines were listed %d times for %d that go and %d that are held, want %d at most", w.listed, granted, 500-granted, most)
	}
}
