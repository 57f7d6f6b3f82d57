package pods_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	"github.com/kerf-autoscaler/kerf/pkg/pods"
)

func cpu(quantity string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(quantity)}
}

func container(name, request string) corev1.Container {
	return corev1.Container{Name: name, Resources: corev1.ResourceRequirements{Requests: cpu(request)}}
}

func sidecar(name, request string) corev1.Container {
	c := container(name, request)
	c.RestartPolicy = ptr.To(corev1.ContainerRestartPolicyAlways)
	return c
}

func TestRequestsAreWhatTheSchedulerCounts(t *testing.T) {
	for name, tc := range map[string]struct {
		spec   corev1.PodSpec
		status corev1.PodStatus
		want   string // cpu
	}{
		"containers run together": {spec: corev1.PodSpec{Containers: []corev1.Container{container("a", "1"), container("b", "500m")}}, want: "1500m"},
		"an init container that is larger counts alone": {
			spec: corev1.PodSpec{Containers: []corev1.Container{container("a", "1")}, InitContainers: []corev1.Container{container("i", "3"), container("j", "2")}}, want: "3",
		},
		"sidecars run beside the containers": {
			spec: corev1.PodSpec{Containers: []corev1.Container{container("a", "1")}, InitContainers: []corev1.Container{sidecar("s", "500m"), sidecar("t", "250m")}}, want: "1750m",
		},
		"an init container runs beside the sidecars before it": {
			spec: corev1.PodSpec{Containers: []corev1.Container{container("a", "1")}, InitContainers: []corev1.Container{sidecar("s", "500m"), container("i", "2"), sidecar("t", "4")}}, want: "5500m",
		},
		"an init container does not run beside the sidecars after it": {
			spec: corev1.PodSpec{Containers: []corev1.Container{container("a", "1")}, InitContainers: []corev1.Container{container("i", "7"), sidecar("s", "5")}}, want: "7",
		},
		"overhead comes on top": {
			spec: corev1.PodSpec{Containers: []corev1.Container{container("a", "1")}, InitContainers: []corev1.Container{container("i", "2")}, Overhead: cpu("250m")}, want: "2250m",
		},
		"a limit without a request is the request": {
			spec: corev1.PodSpec{Containers: []corev1.Container{{Resources: corev1.ResourceRequirements{Limits: cpu("2")}}}}, want: "2",
		},
		"a request counts, not its limit": {
			spec: corev1.PodSpec{Containers: []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: cpu("1"), Limits: cpu("2")}}}}, want: "1",
		},
		"the pod's own request replaces the sum": {
			spec: corev1.PodSpec{Containers: []corev1.Container{container("a", "1")}, Resources: &corev1.ResourceRequirements{Requests: cpu("3")}, Overhead: cpu("1")}, want: "4",
		},
		"the pod's own limit replaces no sum": {
			spec: corev1.PodSpec{Containers: []corev1.Container{container("a", "1")}, Resources: &corev1.ResourceRequirements{Limits: cpu("3")}}, want: "1",
		},
		"a resize that grows counts at once": {
			spec:   corev1.PodSpec{Containers: []corev1.Container{container("a", "2")}},
			status: resizing("a", "1", "1"), want: "2",
		},
		"a resize that shrinks counts once it is done": {
			spec:   corev1.PodSpec{Containers: []corev1.Container{container("a", "1")}},
			status: resizing("a", "3", "2"), want: "3",
		},
		"an infeasible resize does not count": {
			spec: corev1.PodSpec{Containers: []corev1.Container{container("a", "9")}},
			status: func() corev1.PodStatus {
				s := resizing("a", "1", "2")
				s.Conditions = []corev1.PodCondition{{Type: corev1.PodResizePending, Status: corev1.ConditionTrue, Reason: corev1.PodReasonInfeasible}}
				return s
			}(), want: "2",
		},
	} {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{Spec: tc.spec, Status: tc.status}
			before := pod.DeepCopy()
			got := pods.Requests(pod)
			if want := resource.MustParse(tc.want); got.Cpu().Cmp(want) != 0 {
				t.Errorf("got %s, want %s", got.Cpu(), tc.want)
			}
			if got.Pods().Value() != 1 {
				t.Errorf("the pod counts as %s pods", got.Pods())
			}
			if diff := cmp.Diff(before, pod); diff != "" {
				t.Errorf("the pod has changed: %s", diff)
			}
		})
	}
}

func resizing(name, actual, allocated string) corev1.PodStatus {
	return corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
		Name: name, Resources: &corev1.ResourceRequirements{Requests: cpu(actual)}, AllocatedResources: cpu(allocated),
	}}}
}
