package drain_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/drain"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func now() time.Time { return time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC) }

// on returns a running pod of a name.
func on(name string, modifiers ...builders.PodModifier) *corev1.Pod {
	return builders.Pod(append([]builders.PodModifier{builders.Name(name), builders.OnNode("node")}, modifiers...)...)
}

// ending says that the pod's grace period ends at a time.
func ending(at time.Time) builders.PodModifier {
	return func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: at} }
}

func class(name string) builders.PodModifier {
	return func(p *corev1.Pod) { p.Spec.PriorityClassName = name }
}

func phase(phase corev1.PodPhase) builders.PodModifier {
	return func(p *corev1.Pod) { p.Status.Phase = phase }
}

func TestNextStepOfADrain(t *testing.T) {
	node := builders.OwnedBy("v1", "Node", "node")
	daemon := builders.OwnedBy("apps/v1", "DaemonSet", "ds")
	mirror := builders.Annotation(corev1.MirrorPodAnnotationKey, "x")
	tolerates := builders.Toleration(corev1.Toleration{Key: v1alpha5.DisruptedTaintKey, Operator: corev1.TolerationOpExists})
	toleratesAll := builders.Toleration(corev1.Toleration{Operator: corev1.TolerationOpExists})
	toleratesOther := builders.Toleration(corev1.Toleration{Key: "other", Operator: corev1.TolerationOpExists})
	critical := class("system-cluster-critical")
	tests := map[string]struct {
		pods                             []*corev1.Pod
		wantEvict, wantWaiting, wantHeld []string
	}{
		"nothing is there": {},
		"what leaves with the node stays": {
			pods: []*corev1.Pod{
				on("static", node), on("mirror", mirror), on("done", phase(corev1.PodSucceeded)), on("failed", phase(corev1.PodFailed)),
			},
		},
		"a pod that tolerates disruption stays": {pods: []*corev1.Pod{on("a", tolerates), on("b", toleratesAll)}},
		"a pod that tolerates another taint goes": {
			pods: []*corev1.Pod{on("a", toleratesOther)}, wantEvict: []string{"a"},
		},
		"pods without an owner and of a ReplicaSet go": {
			pods: []*corev1.Pod{on("a"), on("b", builders.OwnedBy("apps/v1", "ReplicaSet", "rs"))}, wantEvict: []string{"a", "b"},
		},
		"critical pods wait for the others": {
			pods: []*corev1.Pod{on("dns", critical), on("a"), on("cni", class("system-node-critical"))}, wantEvict: []string{"a"},
		},
		"critical pods wait for the others to end, not only to be told": {
			pods: []*corev1.Pod{on("dns", critical), on("a", ending(now().Add(time.Minute)))}, wantWaiting: []string{"a"},
		},
		"pods of DaemonSets wait for the workload": {
			pods: []*corev1.Pod{on("daemon", daemon), on("a", ending(now()))}, wantWaiting: []string{"a"},
		},
		"pods of DaemonSets go before what is critical": {
			pods: []*corev1.Pod{on("dns", critical), on("daemon", daemon), on("stays", tolerates)}, wantEvict: []string{"daemon"},
		},
		"critical pods go before critical ones of DaemonSets": {
			pods: []*corev1.Pod{on("dns", critical), on("cni", critical, daemon)}, wantEvict: []string{"dns"},
		},
		"critical pods of DaemonSets go last": {pods: []*corev1.Pod{on("cni", critical, daemon)}, wantEvict: []string{"cni"}},
		"a pod that is held holds those after it, and none beside it": {
			pods:      []*corev1.Pod{on("keep", builders.Annotation(v1alpha5.DoNotEvictAnnotation, "true")), on("a"), on("daemon", daemon), on("dns", critical)},
			wantEvict: []string{"a"}, wantHeld: []string{"keep"},
		},
		"a critical pod that is held holds no others": {
			pods:      []*corev1.Pod{on("dns", critical, builders.Annotation(v1alpha5.DoNotEvictAnnotation, "true")), on("a")},
			wantEvict: []string{"a"}, wantHeld: []string{"dns"},
		},
		"some are told and others not": {
			pods: []*corev1.Pod{on("a", ending(now())), on("b")}, wantEvict: []string{"b"}, wantWaiting: []string{"a"},
		},
		"a pod is waited for a minute past its grace period": {
			pods: []*corev1.Pod{on("a", ending(now().Add(-time.Minute+time.Second)))}, wantWaiting: []string{"a"},
		},
		"a pod whose end nobody confirms is given up": {
			pods: []*corev1.Pod{on("a", ending(now().Add(-time.Minute)))},
		},
		"a pod that is given up no longer holds critical ones": {
			pods: []*corev1.Pod{on("a", ending(now().Add(-time.Hour))), on("dns", critical)}, wantEvict: []string{"dns"},
		},
		"a critical pod that is given up ends the drain": {
			pods: []*corev1.Pod{on("dns", critical, ending(now().Add(-time.Hour)))},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := drain.Next(drain.Input{Pods: tc.pods, Now: now(), Started: now()})
			if diff := cmp.Diff(tc.wantEvict, names(got.Evict)); diff != "" {
				t.Errorf("evict (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.wantWaiting, names(got.Waiting)); diff != "" {
				t.Errorf("waiting (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.wantHeld, names(podsOf(got.Held))); diff != "" {
				t.Errorf("held (-want +got):\n%s", diff)
			}
			if want := len(tc.wantEvict)+len(tc.wantWaiting)+len(tc.wantHeld) == 0; got.Done() != want {
				t.Errorf("done is %t, want %t", got.Done(), want)
			}
		})
	}
}

func names(list []*corev1.Pod) []string {
	var out []string
	for _, pod := range list {
		out = append(out, pod.Name)
	}
	slices.Sort(out)
	return out
}

func podsOf(blockers []drain.Blocker) []*corev1.Pod {
	var out []*corev1.Pod
	for _, blocker := range blockers {
		out = append(out, blocker.Pod)
	}
	return out
}

func TestAStepDoesNotHangOnTheOrderOfThePods(t *testing.T) {
	list := []*corev1.Pod{on("a"), on("b", builders.Annotation(v1alpha5.DoNotEvictAnnotation, "true")), on("c"), on("d", ending(now()))}
	want := drain.Next(drain.Input{Pods: list, Now: now(), Started: now()})
	slices.Reverse(list)
	if diff := cmp.Diff(want, drain.Next(drain.Input{Pods: list, Now: now(), Started: now()})); diff != "" {
		t.Errorf("the step of the same pods in another order (-want +got):\n%s", diff)
	}
}
