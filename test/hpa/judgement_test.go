package hpa

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// at is a moment of a made-up cycle.
func at(minute int) time.Time {
	return time.Unix(1_700_000_000, 0).Add(time.Duration(minute) * time.Minute)
}

// goodCycle is one without faults: two pods where there is room, one more and then two on a machine each, which go after the peak.
func goodCycle() (sights, []launch) {
	s := newSights()
	s.scalings = []scaling{{2, at(0)}, {3, at(12)}, {5, at(16)}, {3, at(22)}, {2, at(27)}}
	for name, minute := range map[string]int{"a": 0, "b": 0, "c": 12, "d": 16, "e": 16} {
		s.created[name], s.ran[name] = at(minute), at(minute+1)
	}
	s.machines["first"], s.machines["second"] = true, true
	s.removed["first"], s.removed["second"] = at(28), at(23)
	return s, []launch{{"i-1", new(at(28))}, {"i-2", new(at(23))}}
}

func TestEveryFaultOfACycleIsFound(t *testing.T) {
	cases := map[string]struct {
		spoil func(*sights, []launch) []launch
		want  []string
	}{
		"none":            {func(_ *sights, l []launch) []launch { return l }, nil},
		"a node remains":  {func(s *sights, l []launch) []launch { delete(s.removed, "first"); l[0].ended = nil; return l }, nil},
		"launched thrice": {func(_ *sights, l []launch) []launch { return append(l, launch{id: "i-3"}) }, []string{"3 instances were launched for 2 machines, at most 2 are enough"}},
		"three machines": {
			func(s *sights, l []launch) []launch { s.machines["third"] = true; return l }, []string{"2 instances were launched for 3 machines, at most 2 are enough"},
		},
		"nothing launched": {func(*sights, []launch) []launch { return nil }, []string{"no instance was launched"}},
		"a machine removed while the load falls": {
			func(s *sights, l []launch) []launch { s.removed["second"] = at(19); return l }, []string{"machine second was removed 3m0s before the peak was over"},
		},
		"an instance terminated between the peaks": {
			func(_ *sights, l []launch) []launch { l[0].ended = new(at(14)); return l }, []string{"instance i-1 was terminated 8m0s before the peak was over"},
		},
		"a pod that never ran": {func(s *sights, l []launch) []launch { delete(s.ran, "e"); return l }, []string{"pod e never ran"}},
		"a pod evicted": {
			func(s *sights, l []launch) []launch { s.created["f"], s.ran["f"] = at(20), at(21); return l }, []string{"there were 6 pods, at most 5 had to be"},
		},
		"one peak only": {
			func(s *sights, l []launch) []launch { s.scalings = s.scalings[:2]; return l }, []string{"the replicas were [2 3], not [2 3 5 3 2]"},
		},
		"an autoscaler that flaps": {
			func(s *sights, l []launch) []launch { s.scalings = append(s.scalings, scaling{3, at(30)}); return l }, []string{"the replicas were [2 3 5 3 2 3], not [2 3 5 3 2]"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s, launches := goodCycle()
			launches = tc.spoil(&s, launches)
			if diff := cmp.Diff(tc.want, s.faults(way{}, launches)); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAPodMayMoveOnlyWhereMovingIsAllowed(t *testing.T) {
	s, launches := goodCycle()
	s.created["f"], s.ran["f"] = at(28), at(28)
	if got := s.faults(way{moving: true}, launches); len(got) != 0 {
		t.Errorf("faults %v, want none", got)
	}
}

func TestWhatIsNeededInTheEnd(t *testing.T) {
	on := func(node string) corev1.Pod { return corev1.Pod{Spec: corev1.PodSpec{NodeName: node}} }
	pods := []corev1.Pod{on("base-1"), on("used")}
	for name, tc := range map[string]struct {
		way  way
		want []string
	}{
		"nodes with pods where pods stay":              {way{}, []string{"used"}},
		"none where pods move to nodes that are there": {way{moving: true}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tc.way.needed([]string{"used", "empty"}, pods)); diff != "" {
				t.Errorf("needed (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadyPodsShareTheLoad(t *testing.T) {
	pod := func(name string, ready corev1.ConditionStatus, going bool) corev1.Pod {
		p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}}
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}
		if going {
			p.DeletionTimestamp = new(metav1.NewTime(at(0)))
		}
		return p
	}
	pods := []corev1.Pod{
		pod("a", corev1.ConditionTrue, false), pod("b", corev1.ConditionTrue, false), pod("starting", corev1.ConditionFalse, false),
		pod("ending", corev1.ConditionTrue, true), {ObjectMeta: metav1.ObjectMeta{Name: "new"}},
	}
	var got []string
	for _, m := range share(pods, 1206, at(0), time.Second).Items {
		got = append(got, fmt.Sprintf("%s %s", m.Name, m.Containers[0].Usage.Cpu()))
	}
	if diff := cmp.Diff([]string{"a 603m", "b 603m"}, got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	if got := share(pods[2:], 1206, at(0), time.Second).Items; got == nil || len(got) != 0 {
		t.Errorf("nobody is ready: items %#v, want none, in a list", got)
	}
}
