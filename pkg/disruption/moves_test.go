package disruption

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/test/builders"
)

func noon() time.Time { return time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC) }

// born returns a pod of a ReplicaSet that was made some time ago.
func born(owner string, ago time.Duration, modifiers ...builders.PodModifier) *corev1.Pod {
	pod := builders.Pod(append(modifiers, builders.Name(fmt.Sprintf("%s-%s", owner, ago)), builders.OwnedBy("apps/v1", "ReplicaSet", owner))...)
	pod.UID = types.UID(pod.Name)
	pod.CreationTimestamp = metav1.NewTime(noon().Add(-ago))
	return pod
}

func ownerOf(pod *corev1.Pod) types.UID { return metav1.GetControllerOf(pod).UID }

func TestOnlyPodsThatCameInThePlaceOfMovedOnesRest(t *testing.T) {
	old, young, youngest := born("a", 10*time.Hour), born("a", 30*time.Minute), born("a", 10*time.Minute)
	other := born("b", 10*time.Minute)
	moves := Moves{Since: noon().Add(-24 * time.Hour)}
	moves.Add([]*corev1.Pod{born("a", 5*time.Hour)}, noon().Add(-11*time.Minute))
	got := moves.resting([]*corev1.Pod{old, young, youngest, other}, noon(), time.Hour)
	if len(got) != 1 || !got[youngest.UID].Equal(noon().Add(50*time.Minute)) {
		t.Errorf("resting are %v, want only the youngest of the controller whose pod was moved, until an hour after it was made", got)
	}
}

func TestPodsFromBeforeTheMemoryRestInCaseTheyWereMoved(t *testing.T) {
	before, since := born("a", 30*time.Minute), born("a", 5*time.Minute)
	moves := Moves{Since: noon().Add(-10 * time.Minute)}
	got := moves.resting([]*corev1.Pod{before, since, born("a", 2*time.Hour)}, noon(), time.Hour)
	if len(got) != 1 || !got[before.UID].Equal(noon().Add(30*time.Minute)) {
		t.Errorf("resting are %v, want the one that is younger than an hour and older than the memory", got)
	}
}

func TestWhatCameForAMovedPodRestsAndNoOtherLike(t *testing.T) {
	moves := Moves{Since: noon().Add(-24 * time.Hour)}
	moves.Add([]*corev1.Pod{born("a", 5*time.Hour)}, noon().Add(-50*time.Minute))
	came, late, later := born("a", 50*time.Minute-time.Second), born("a", 40*time.Minute), born("a", 5*time.Minute)
	tests := map[string]struct {
		pods []*corev1.Pod
		want []*corev1.Pod
	}{
		"the one that came at once": {[]*corev1.Pod{came, late, later}, []*corev1.Pod{came}},
		"one that came late":        {[]*corev1.Pod{late, later}, []*corev1.Pod{late}},
		"it has gone since":         {[]*corev1.Pod{later}, nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := moves.resting(tc.pods, noon(), time.Hour)
			if len(got) != len(tc.want) {
				t.Errorf("%d pods rest, want %d", len(got), len(tc.want))
			}
			for _, pod := range tc.want {
				if !got[pod.UID].Equal(pod.CreationTimestamp.Add(time.Hour)) {
					t.Errorf("%s rests until %s, want an hour from when it was made", pod.Name, got[pod.UID])
				}
			}
		})
	}
}

func TestMovesOfOneLineageOrInVainAreRepeatedEverMoreSeldom(t *testing.T) {
	tests := []struct {
		moved, vain int
		want        time.Duration
	}{{1, 0, time.Hour}, {2, 0, 4 * time.Hour}, {3, 0, 16 * time.Hour}, {1, 1, 24 * time.Hour}, {2, 2, 96 * time.Hour}}
	for _, tc := range tests {
		var moves Moves
		pod := born("a", time.Minute)
		for range tc.moved {
			moves.Add([]*corev1.Pod{pod}, noon().Add(-2*time.Minute))
		}
		for range tc.vain {
			moves.Disappoint([]types.UID{ownerOf(pod)}, noon())
		}
		got := moves.resting([]*corev1.Pod{pod}, noon(), time.Hour)[pod.UID]
		if want := pod.CreationTimestamp.Add(tc.want); !got.Equal(want) {
			t.Errorf("after %d moves, %d of them in vain, it rests until %s, want %s", tc.moved, tc.vain, got, want)
		}
	}
}

func TestAMemoryForgetsWhatIsLongAgoAndSharesNothingWithItsCopy(t *testing.T) {
	var moves Moves
	pod := born("a", time.Minute)
	moves.Add([]*corev1.Pod{pod}, noon().Add(-Memory))
	moves.Add([]*corev1.Pod{pod}, noon().Add(-time.Hour))
	moves.Disappoint([]types.UID{ownerOf(pod)}, noon().Add(-Memory))
	copied := moves.Clone()
	moves.Forget(noon())
	if n := len(moves.ByOwner[ownerOf(pod)]); n != 1 || len(moves.InVain) != 0 {
		t.Errorf("%d moves and %v in vain are left, want 1 and none", n, moves.InVain)
	}
	if n := len(copied.ByOwner[ownerOf(pod)]); n != 2 || len(copied.InVain) != 1 {
		t.Errorf("the copy has %d moves and %v in vain, want what there was", n, copied.InVain)
	}
}

// No controller's pods are moved more often than rest allows, however eager somebody is.
func TestNoPodIsMovedTwiceWithinItsRest(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // the same each time
		moves := Moves{Since: noon().Add(-Memory)}
		at := noon()
		var pods []*corev1.Pod
		made := map[types.UID]time.Time{} // of those that came in the place of a moved one
		for i := range 6 {
			pods = append(pods, born("a", time.Duration(i+2)*time.Hour))
		}
		for range 200 {
			at = at.Add(time.Duration(r.IntN(1200)) * time.Second)
			resting := moves.resting(pods, at, time.Hour)
			i := r.IntN(len(pods))
			if !resting[pods[i].UID].IsZero() {
				continue
			}
			if since, moved := made[pods[i].UID]; moved && at.Sub(since) < time.Hour {
				t.Fatalf("seed %d: a pod that was moved %s ago does not rest", seed, at.Sub(since))
			}
			moves.Add(pods[i:i+1], at)
			pods[i] = born("a", 0)
			pods[i].UID, pods[i].CreationTimestamp = types.UID(fmt.Sprint(at.UnixNano())), metav1.NewTime(at)
			made[pods[i].UID] = at
		}
	}
}

func TestWhatItCostsToMoveAPod(t *testing.T) {
	ready := func(after time.Duration) builders.PodModifier {
		return func(p *corev1.Pod) {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(noon().Add(-10 * time.Hour).Add(after))}}
		}
	}
	priority := func(value int32) builders.PodModifier { return func(p *corev1.Pod) { p.Spec.Priority = &value } }
	job := builders.OwnedBy("batch/v1", "Job", "j")
	tests := map[string]struct {
		pod  *corev1.Pod
		want float64
	}{
		"an ordinary one":                      {born("a", 10*time.Hour, ready(20*time.Second)), 1},
		"one that starts slowly":               {born("a", 10*time.Hour, ready(2*time.Minute)), 4},
		"one that once took an hour":           {born("a", 10*time.Hour, ready(time.Hour)), 20},
		"one of priority":                      {born("a", 10*time.Hour, priority(1<<25)), 2},
		"a critical one":                       {born("a", 10*time.Hour, priority(2_000_000_000)), 10},
		"one that may rather go":               {born("a", 10*time.Hour, builders.Annotation(corev1.PodDeletionCost, "-67108864")), 0.5},
		"one whose word nobody understands":    {born("a", 10*time.Hour, builders.Annotation(corev1.PodDeletionCost, "dear")), 1},
		"one of a job, which begins anew":      {builders.Pod(job, func(p *corev1.Pod) { p.CreationTimestamp = metav1.NewTime(noon().Add(-2 * time.Hour)) }), 1 + 2*0.2/DefaultEvictionCost},
		"one that is no job's, however old":    {born("a", 1000*time.Hour), 1},
		"one that asks for more than is known": {born("a", 10*time.Hour, priority(-2_000_000_000)), 0.1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			settings := Settings{}.withDefaults()
			got := settings.costOf(&Candidate{PricePerHour: 0.2}, []*corev1.Pod{tc.pod}, noon()) / settings.EvictionCost
			if got < tc.want-0.001 || got > tc.want+0.001 {
				t.Errorf("it costs %.3f evictions, want %.3f", got, tc.want)
			}
		})
	}
}
