package workload

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
)

// Admission is what an API server completes pods by when they are created.
type Admission struct {
	LimitRanges     []*corev1.LimitRange
	RuntimeClasses  []*nodev1.RuntimeClass
	PriorityClasses []*schedulingv1.PriorityClass
}

// Admit completes a pod. One that has been admitted already stays as it is.
func (a Admission) Admit(pod *corev1.Pod) {
	a.prioritize(pod)
	a.run(pod)
	for _, limits := range a.LimitRanges {
		if limits.Namespace != pod.Namespace {
			continue
		}
		for _, item := range limits.Spec.Limits {
			if item.Type == corev1.LimitTypeContainer {
				limit(pod, item)
			}
		}
	}
}

// prioritize gives the pod the priority of its class.
func (a Admission) prioritize(pod *corev1.Pod) {
	if pod.Spec.Priority != nil {
		return
	}
	builtIn := map[string]int32{"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
	if value, ok := builtIn[pod.Spec.PriorityClassName]; ok {
		pod.Spec.Priority = &value
		return
	}
	for _, class := range a.PriorityClasses {
		if class.Name == pod.Spec.PriorityClassName || pod.Spec.PriorityClassName == "" && class.GlobalDefault {
			pod.Spec.Priority = new(class.Value)
			if pod.Spec.PreemptionPolicy == nil {
				pod.Spec.PreemptionPolicy = class.PreemptionPolicy
			}
			return
		}
	}
}

// run adds what the runtime of the pod takes and where there is one.
func (a Admission) run(pod *corev1.Pod) {
	for _, class := range a.RuntimeClasses {
		if pod.Spec.RuntimeClassName == nil || class.Name != *pod.Spec.RuntimeClassName || pod.Spec.Overhead != nil {
			continue
		}
		if class.Overhead != nil {
			pod.Spec.Overhead = maps.Clone(class.Overhead.PodFixed)
		}
		if class.Scheduling != nil {
			selector := maps.Clone(class.Scheduling.NodeSelector)
			if selector == nil {
				selector = map[string]string{}
			}
			maps.Copy(selector, pod.Spec.NodeSelector)
			pod.Spec.NodeSelector = selector
			pod.Spec.Tolerations = append(pod.Spec.Tolerations, class.Scheduling.Tolerations...)
		}
	}
}

// limit gives containers the limits and requests that a LimitRange has for those that state none. What it does not say of
// one follows from the other: the limit is the maximum, the request is the limit, else the minimum.
func limit(pod *corev1.Pod, item corev1.LimitRangeItem) {
	limits := maps.Clone(item.Max)
	if limits == nil {
		limits = corev1.ResourceList{}
	}
	maps.Copy(limits, item.Default)
	requests := maps.Clone(item.Min)
	if requests == nil {
		requests = corev1.ResourceList{}
	}
	maps.Copy(requests, limits)
	maps.Copy(requests, item.DefaultRequest)
	for _, list := range [][]corev1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
		for i := range list {
			r := &list[i].Resources
			r.Requests = merged(r.Requests, r.Limits) // the limit that a container states is its request
			r.Requests = merged(r.Requests, requests)
			r.Limits = merged(r.Limits, limits)
		}
	}
}

// merged returns the list with entries of another where it has none.
func merged(list, others corev1.ResourceList) corev1.ResourceList {
	if len(others) == 0 {
		return list
	}
	out := maps.Clone(others)
	maps.Copy(out, list)
	return out
}
