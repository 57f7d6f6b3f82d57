package pods

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kerf-autoscaler/kerf/pkg/resources"
)

// Requests returns what the pod takes from a node, as the scheduler counts it, with 1 of the resource pods.
//
// Containers and sidecars (init containers that restart) run together; another init container runs beside the sidecars that
// come before it. The larger of the two counts, name by name; then the pod's own requests replace cpu, memory and huge pages,
// and the overhead of its runtime is added. Where only a limit is set, it is the request, as the API server would default it.
func Requests(pod *corev1.Pod) corev1.ResourceList {
	out := corev1.ResourceList{}
	for i := range pod.Spec.Containers {
		resources.Add(out, containerRequests(pod, &pod.Spec.Containers[i], pod.Status.ContainerStatuses))
	}
	if len(pod.Spec.InitContainers) > 0 {
		resources.Raise(out, initRequests(pod, out))
	}
	podLevel(pod, out)
	resources.Add(out, pod.Spec.Overhead)
	out[corev1.ResourcePods] = *resource.NewQuantity(1, resource.DecimalSI)
	return out
}

// initRequests returns the most that is taken while the pod starts, and adds the sidecars to what runs later on.
func initRequests(pod *corev1.Pod, running corev1.ResourceList) corev1.ResourceList {
	sidecars, peak := corev1.ResourceList{}, corev1.ResourceList{}
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		if IsSidecar(c) {
			requests := containerRequests(pod, c, pod.Status.InitContainerStatuses)
			resources.Add(running, requests)
			resources.Add(sidecars, requests)
			resources.Raise(peak, sidecars)
			continue
		}
		for name, q := range withLimits(c.Resources) { // what it does not name is at the sidecars' level already
			beside := q.DeepCopy()
			beside.Add(sidecars[name])
			if old, ok := peak[name]; !ok || beside.Cmp(old) > 0 {
				peak[name] = beside
			}
		}
	}
	return peak
}

// podLevel overrides what the containers add up to by what the pod as a whole requests.
func podLevel(pod *corev1.Pod, out corev1.ResourceList) {
	if pod.Spec.Resources == nil {
		return
	}
	requests := corev1.ResourceList{}
	resources.Add(requests, pod.Spec.Resources.Requests)
	for name, q := range pod.Spec.Resources.Limits {
		_, asked := requests[name]
		if _, summed := out[name]; !asked && !summed { // a limit of the pod is its request only where no container has one
			requests[name] = q.DeepCopy()
		}
	}
	counted := requests
	if pod.Status.Resources != nil {
		counted = resized(pod, requests, pod.Status.Resources.Requests, pod.Status.AllocatedResources)
	}
	for name := range requests { // the status may name more, which the containers say themselves
		if name == corev1.ResourceCPU || name == corev1.ResourceMemory || strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix) {
			out[name] = counted[name]
		}
	}
}

// IsSidecar reports whether an init container keeps running beside the containers.
func IsSidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

func containerRequests(pod *corev1.Pod, c *corev1.Container, statuses []corev1.ContainerStatus) corev1.ResourceList {
	requests := withLimits(c.Resources)
	i := slices.IndexFunc(statuses, func(s corev1.ContainerStatus) bool { return s.Name == c.Name })
	if i < 0 || statuses[i].Resources == nil {
		return requests
	}
	return resized(pod, requests, statuses[i].Resources.Requests, statuses[i].AllocatedResources)
}

// resized returns what counts while a resize in place is under way: the most of what is asked for, given and promised. A
// resize that the kubelet calls infeasible will not come, so what it asks for does not count.
func resized(pod *corev1.Pod, asked, actual, allocated corev1.ResourceList) corev1.ResourceList {
	infeasible := slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodResizePending && c.Reason == corev1.PodReasonInfeasible
	})
	if infeasible {
		return resources.Max(actual, allocated)
	}
	return resources.Max(asked, actual, allocated)
}

// withLimits returns the requests, with limits in place of requests that are not there. It may be r's own map.
func withLimits(r corev1.ResourceRequirements) corev1.ResourceList {
	missing := false
	for name := range r.Limits {
		if _, ok := r.Requests[name]; !ok {
			missing = true
		}
	}
	if !missing {
		return r.Requests
	}
	out := make(corev1.ResourceList, len(r.Limits)+len(r.Requests))
	maps.Copy(out, r.Limits)
	maps.Copy(out, r.Requests)
	return out
}
