package requests

import (
	"math/rand/v2"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	schedulers "k8s.io/component-helpers/resource"
	"sigs.k8s.io/yaml"

	"github.com/kerf-autoscaler/kerf/pkg/pods"
)

// draws is how many pods are made up for one comparison.
const draws = 20000

// counted returns what the scheduler counts for a pod, with the features that are on by default.
func counted(pod *corev1.Pod) corev1.ResourceList {
	out := schedulers.PodRequests(pod, schedulers.PodResourcesOptions{UseStatusResources: true, InPlacePodLevelResourcesVerticalScalingEnabled: true})
	out[corev1.ResourcePods] = *resource.NewQuantity(1, resource.DecimalSI)
	return out
}

// equal takes no quantity for 0.
func equal(a, b corev1.ResourceList) bool {
	for _, lists := range [][2]corev1.ResourceList{{a, b}, {b, a}} {
		for name, q := range lists[0] {
			if q.Cmp(lists[1][name]) != 0 {
				return false
			}
		}
	}
	return true
}

func list(r *rand.Rand) corev1.ResourceList {
	out := corev1.ResourceList{}
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, "hugepages-2Mi", "example.com/device"} {
		if r.IntN(2) == 0 {
			out[name] = *resource.NewMilliQuantity(int64(r.IntN(8))*500, resource.DecimalSI)
		}
	}
	return out
}

func containers(r *rand.Rand, prefix string, most int) []corev1.Container {
	var out []corev1.Container
	for i := range r.IntN(most + 1) {
		out = append(out, corev1.Container{Name: prefix + string(rune('a'+i)), Resources: corev1.ResourceRequirements{Requests: list(r)}})
	}
	return out
}

// statuses are what a kubelet says of some of the containers, in the midst of a resize or not.
func statuses(r *rand.Rand, of []corev1.Container) []corev1.ContainerStatus {
	var out []corev1.ContainerStatus
	for i := range of {
		status := corev1.ContainerStatus{Name: of[i].Name}
		if r.IntN(3) > 0 {
			status.Resources = &corev1.ResourceRequirements{Requests: list(r)}
		}
		if r.IntN(3) > 0 {
			status.AllocatedResources = list(r)
		}
		if r.IntN(3) > 0 {
			out = append(out, status)
		}
	}
	return out
}

// draw returns a pod as the API server has it, where each limit has become a request.
func draw(r *rand.Rand) *corev1.Pod {
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: containers(r, "c", 3), InitContainers: containers(r, "i", 4)}}
	for i := range pod.Spec.InitContainers {
		if r.IntN(2) == 0 {
			pod.Spec.InitContainers[i].RestartPolicy = new(corev1.ContainerRestartPolicyAlways)
		}
	}
	if r.IntN(3) == 0 {
		pod.Spec.Overhead = list(r)
	}
	if r.IntN(3) == 0 {
		pod.Spec.Resources = &corev1.ResourceRequirements{Requests: list(r)}
		if r.IntN(2) == 0 {
			pod.Status.Resources = &corev1.ResourceRequirements{Requests: list(r)}
			pod.Status.AllocatedResources = list(r)
		}
	}
	if r.IntN(2) == 0 {
		pod.Status.ContainerStatuses = statuses(r, pod.Spec.Containers)
		pod.Status.InitContainerStatuses = statuses(r, pod.Spec.InitContainers)
	}
	if r.IntN(4) == 0 {
		reason := []string{corev1.PodReasonInfeasible, corev1.PodReasonDeferred}[r.IntN(2)]
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodResizePending, Status: corev1.ConditionTrue, Reason: reason}}
	}
	return pod
}

func TestRequestsAreTheSumsOfTheScheduler(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 1))
	for range draws {
		pod := draw(r)
		if got, want := pods.Requests(pod), counted(pod); !equal(got, want) {
			text, _ := yaml.Marshal(pod)
			t.Fatalf("kerf counts %v, the scheduler %v, for\n%s", got, want, text)
		}
	}
}

// plain is a pod as most are: a container or two, nothing else.
func plain(r *rand.Rand) *corev1.Pod {
	pod := &corev1.Pod{}
	for range 1 + r.IntN(2) {
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "c", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
			corev1.ResourceCPU: *resource.NewMilliQuantity(int64(100+r.IntN(900)), resource.DecimalSI), corev1.ResourceMemory: *resource.NewQuantity(int64(1+r.IntN(8))<<28, resource.BinarySI),
		}}})
	}
	return pod
}

func BenchmarkRequests(b *testing.B) {
	for name, generate := range map[string]func(*rand.Rand) *corev1.Pod{"plain": plain, "any": draw} {
		r := rand.New(rand.NewPCG(4, 2))
		list := make([]*corev1.Pod, 1000)
		for i := range list {
			list[i] = generate(r)
		}
		for who, count := range map[string]func(*corev1.Pod) corev1.ResourceList{"kerf": pods.Requests, "scheduler": counted} {
			b.Run(name+"/"+who, func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					count(list[i%len(list)])
				}
			})
		}
	}
}
