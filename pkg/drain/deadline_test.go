package drain_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/drain"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func grace(d time.Duration) builders.PodModifier {
	return func(p *corev1.Pod) { p.Spec.TerminationGracePeriodSeconds = new(int64(d / time.Second)) }
}

func TestPodsAreDeletedSoThatTheyHaveTheirOwnGraceBeforeTheEnd(t *testing.T) {
	no := builders.Annotation(v1alpha5.DoNotEvictAnnotation, "true")
	critical := class("system-node-critical")
	const margin = 5 * time.Second
	tests := map[string]struct {
		left        time.Duration // until the deadline
		pod         *corev1.Pod
		want        time.Duration // the grace that it is deleted with, 0 when it is not
		again       time.Duration // from now on
		wantHeld    bool
		wantEvict   bool
		wantNothing bool
	}{
		"there is time":                        {left: time.Hour, pod: on("p", no, grace(time.Minute)), wantHeld: true, again: time.Hour - time.Minute - margin},
		"there is a second more than it needs": {left: time.Minute + margin + time.Second, pod: on("p", no, grace(time.Minute)), wantHeld: true, again: time.Second},
		"there is what it needs":               {left: time.Minute + margin, pod: on("p", no, grace(time.Minute)), want: time.Minute},
		"there is less than it needs":          {left: 30 * time.Second, pod: on("p", no, grace(time.Minute)), want: 25 * time.Second},
		"there is next to nothing":             {left: time.Second, pod: on("p", no, grace(time.Minute)), want: time.Second},
		"it needs no time":                     {left: margin + time.Second, pod: on("p", no, grace(0)), want: time.Second},
		"it says nothing, which is 30 seconds": {left: 30*time.Second + margin, pod: on("p", no), want: 30 * time.Second},
		"a budget refuses":                     {left: 30*time.Second + margin, pod: on("p", app("a"), ready), want: 30 * time.Second},
		"a budget refuses, and there is time":  {left: time.Hour, pod: on("p", app("a"), ready), wantEvict: true, again: 30 * time.Second},
		"it runs to its end":                   {left: 30 * time.Second, pod: on("p", builders.Annotation(safeToEvict, "on-completion")), want: 25 * time.Second},
		"it is critical":                       {left: 30 * time.Second, pod: on("p", critical), want: 25 * time.Second},
		"it goes in time":                      {left: time.Minute, pod: on("p", ending(now().Add(time.Minute))), again: 2 * time.Minute},
		"it goes too late":                     {left: time.Minute, pod: on("p", ending(now().Add(61*time.Second))), want: 55 * time.Second},
		"it goes with the node": {
			left: time.Second, pod: on("p", builders.Annotation(corev1.MirrorPodAnnotationKey, "x")), wantNothing: true},
		"it has asked to stay": {
			left: time.Second, pod: on("p", builders.Toleration(corev1.Toleration{Operator: corev1.TolerationOpExists})), wantNothing: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			step := drain.Next(drain.Input{
				Pods: []*corev1.Pod{tc.pod}, Budgets: []policyv1.PodDisruptionBudget{budget("default", "b", 0)},
				Now: now(), Started: now(), Deadline: now().Add(tc.left),
			})
			var want []drain.Deletion
			if tc.want > 0 {
				want = []drain.Deletion{{Pod: tc.pod, Grace: tc.want}}
			}
			if diff := cmp.Diff(want, step.Delete); diff != "" {
				t.Errorf("deletions (-want +got):\n%s", diff)
			}
			if again := step.Again; !again.IsZero() && again.Sub(now()) != tc.again || again.IsZero() && tc.again != 0 {
				t.Errorf("looked at again at %s, want in %s", again, tc.again)
			}
			if len(step.Held) == 1 != tc.wantHeld || len(step.Evict) == 1 != tc.wantEvict || step.Done() != tc.wantNothing || step.Over {
				t.Errorf("step is %+v", step)
			}
		})
	}
}

func TestNothingIsWaitedForAfterTheDeadline(t *testing.T) {
	list := []*corev1.Pod{on("a", builders.Annotation(v1alpha5.DoNotEvictAnnotation, "true")), on("b", ending(now().Add(time.Hour))), on("c")}
	step := drain.Next(drain.Input{Pods: list, Now: now(), Started: now().Add(-time.Hour), Deadline: now()})
	if diff := cmp.Diff(drain.Step{Over: true}, step); diff != "" || !step.Done() {
		t.Errorf("done %t, step (-want +got):\n%s", step.Done(), diff)
	}
}

func TestEveryClassIsDeletedWhenItsTimeIsUp(t *testing.T) {
	list := []*corev1.Pod{on("a", grace(time.Minute)), on("dns", class("system-cluster-critical"), grace(time.Minute)), on("short", grace(time.Second))}
	step := drain.Next(drain.Input{Pods: list, Now: now(), Started: now(), Deadline: now().Add(time.Minute)})
	var deleted []*corev1.Pod
	for _, deletion := range step.Delete {
		deleted = append(deleted, deletion.Pod)
	}
	if diff := cmp.Diff([]string{"a", "dns"}, names(deleted)); diff != "" {
		t.Errorf("deleted (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"short"}, names(step.Evict)); diff != "" {
		t.Errorf("evicted (-want +got):\n%s", diff)
	}
}
