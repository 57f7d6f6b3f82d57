package workload_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/pkg/workload"
)

func list(cpu, memory string) corev1.ResourceList {
	out := corev1.ResourceList{}
	for name, amount := range map[corev1.ResourceName]string{corev1.ResourceCPU: cpu, corev1.ResourceMemory: memory} {
		if amount != "" {
			out[name] = resource.MustParse(amount)
		}
	}
	return out
}

func TestContainersGetWhatTheLimitRangeOfTheirNamespaceSays(t *testing.T) {
	for name, tc := range map[string]struct {
		item      corev1.LimitRangeItem
		container corev1.ResourceRequirements
		want      corev1.ResourceList // requests
	}{
		"the default request":        {corev1.LimitRangeItem{DefaultRequest: list("1", "")}, corev1.ResourceRequirements{}, list("1", "")},
		"the default limit":          {corev1.LimitRangeItem{Default: list("2", "")}, corev1.ResourceRequirements{}, list("2", "")},
		"the maximum":                {corev1.LimitRangeItem{Max: list("3", ""), Min: list("1", "")}, corev1.ResourceRequirements{}, list("3", "")},
		"the minimum":                {corev1.LimitRangeItem{Min: list("1", "")}, corev1.ResourceRequirements{}, list("1", "")},
		"a request of its own":       {corev1.LimitRangeItem{DefaultRequest: list("1", "1Gi")}, corev1.ResourceRequirements{Requests: list("5", "")}, list("5", "1Gi")},
		"a limit of its own":         {corev1.LimitRangeItem{DefaultRequest: list("1", "")}, corev1.ResourceRequirements{Limits: list("4", "")}, list("4", "")},
		"limits for pods as a whole": {corev1.LimitRangeItem{Type: corev1.LimitTypePod, Max: list("1", "")}, corev1.ResourceRequirements{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.item.Type == "" {
				tc.item.Type = corev1.LimitTypeContainer
			}
			a := workload.Admission{LimitRanges: []*corev1.LimitRange{
				{ObjectMeta: meta("l"), Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{tc.item}}},
				{ObjectMeta: metav1.ObjectMeta{Namespace: "other", Name: "l"}, Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
					Type: corev1.LimitTypeContainer, DefaultRequest: list("99", "99Gi"),
				}}}},
			}}
			pod := &corev1.Pod{ObjectMeta: meta("p"), Spec: corev1.PodSpec{Containers: []corev1.Container{{Resources: tc.container}}}}
			for range 2 { // what is complete stays
				a.Admit(pod)
			}
			if diff := cmp.Diff(tc.want, pod.Spec.Containers[0].Resources.Requests); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPodsGetThePriorityOfTheirClassAndTheRoomOfTheirRuntime(t *testing.T) {
	a := workload.Admission{
		PriorityClasses: []*schedulingv1.PriorityClass{
			{ObjectMeta: metav1.ObjectMeta{Name: "low"}, Value: -20}, {ObjectMeta: metav1.ObjectMeta{Name: "usual"}, Value: 7, GlobalDefault: true},
		},
		RuntimeClasses: []*nodev1.RuntimeClass{{
			ObjectMeta: metav1.ObjectMeta{Name: "vm"}, Overhead: &nodev1.Overhead{PodFixed: list("250m", "")},
			Scheduling: &nodev1.Scheduling{NodeSelector: map[string]string{"vm": "yes"}, Tolerations: []corev1.Toleration{{Key: "vm"}}},
		}},
	}
	for class, want := range map[string]int32{"low": -20, "": 7, "system-node-critical": 2_000_001_000} {
		pod := &corev1.Pod{Spec: corev1.PodSpec{PriorityClassName: class, NodeSelector: map[string]string{"a": "b"}, RuntimeClassName: new("vm")}}
		for range 2 {
			a.Admit(pod)
		}
		if *pod.Spec.Priority != want {
			t.Errorf("class %q has priority %d, want %d", class, *pod.Spec.Priority, want)
		}
		if pod.Spec.Overhead.Cpu().String() != "250m" || len(pod.Spec.Tolerations) != 1 || !cmp.Equal(pod.Spec.NodeSelector, map[string]string{"a": "b", "vm": "yes"}) {
			t.Errorf("class %q: %+v", class, pod.Spec)
		}
	}
}
