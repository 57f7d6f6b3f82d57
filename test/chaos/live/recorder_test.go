package live

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/chaos/history"
)

// However late a watch shows a write, it was there before the call that came of it.
func TestHistoryIsInTheOrderInWhichThingsHappened(t *testing.T) {
	r := &recorder{}
	mark := func(name string) history.Event { return history.Event{Mark: &history.Mark{Name: name}} }
	r.add(2, mark("after the second write"))
	r.add(3, history.Event{Write: &history.Write{Verb: "third"}})
	r.add(2, history.Event{Write: &history.Write{Verb: "second"}})
	r.add(1, history.Event{Write: &history.Write{Verb: "first"}})
	r.add(3, mark("at the end"))
	if newest := r.newest(); newest != 3 {
		t.Errorf("the newest version is %d", newest)
	}
	r.end()
	r.add(4, mark("cleared away"))
	h := r.history(history.Terms{})
	var got []string
	var last time.Time
	for _, e := range h.Events {
		if e.At.Before(last) {
			t.Errorf("time runs backwards at %v", e)
		}
		last = e.At
		if e.Write != nil {
			got = append(got, e.Write.Verb)
		} else {
			got = append(got, e.Mark.Name)
		}
	}
	if diff := cmp.Diff([]string{"first", "second", "after the second write", "third", "at the end"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWritesAreKerfsUnlessSomebodyElseSaysSo(t *testing.T) {
	const other = types.UID("other")
	going := func(o client.Object) client.Object {
		o.SetDeletionTimestamp(new(metav1.Now()))
		return o
	}
	pod := func(name string) client.Object { return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}} }
	machine := func(uid types.UID) client.Object { return &v1alpha5.Machine{ObjectMeta: metav1.ObjectMeta{UID: uid}} }
	for name, tc := range map[string]struct {
		write    history.Write
		by, verb string
	}{
		"a new machine":             {history.Write{Kind: kindMachine, After: machine("")}, history.ByKerf, "create"},
		"a changed machine":         {history.Write{Kind: kindMachine, Before: machine(""), After: machine("")}, history.ByKerf, "update"},
		"a machine given up":        {history.Write{Kind: kindMachine, Before: machine(""), After: going(machine(""))}, history.ByKerf, "delete"},
		"a machine that users end":  {history.Write{Kind: kindMachine, Before: machine(other), After: going(machine(other))}, "somebody", "delete"},
		"a machine that is gone":    {history.Write{Kind: kindMachine, Before: going(machine(other))}, history.ByKerf, "delete"},
		"a new pod":                 {history.Write{Kind: kindPod, After: pod("a")}, "somebody", "create"},
		"an evicted pod":            {history.Write{Kind: kindPod, Before: pod("a"), After: going(pod("a"))}, history.ByKerf, "evict"},
		"a pod deleted by kerf":     {history.Write{Kind: kindPod, Before: pod("forced"), After: going(pod("forced"))}, history.ByKerf, "delete"},
		"a pod that its node ended": {history.Write{Kind: kindPod, Before: going(pod("a"))}, "somebody", "delete"},
	} {
		t.Run(name, func(t *testing.T) {
			o := newObserver(nil, &recorder{}, func(name string) bool { return name == "forced" })
			o.disown(machine(other))
			o.attribute(&tc.write)
			if tc.write.By != tc.by || tc.write.Verb != tc.verb {
				t.Errorf("%s %ss it, want %s, %s", tc.write.By, tc.write.Verb, tc.by, tc.verb)
			}
		})
	}
}

func TestWorldsInARowHaveEveryClassOfTrouble(t *testing.T) {
	drawn := map[Class]bool{}
	for seed := range uint64(len(Classes())) {
		plan := Draw(seed)
		for _, trouble := range plan.Troubles {
			drawn[trouble.Class] = true
		}
		if diff := cmp.Diff(plan, Draw(seed)); diff != "" {
			t.Errorf("seed %d is drawn in two ways (-one +other):\n%s", seed, diff)
		}
	}
	for _, class := range Classes() {
		if !drawn[class] {
			t.Errorf("%s is never drawn", class)
		}
	}
}
