package solver

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kerf-autoscaler/kerf/pkg/pods"
)

// requests writes what the pod takes from a node to v and returns the first resource, by name, that it asks for and nothing has.
// Most pods are a few containers and nothing else; their requests are added up without a list in between.
func (d dimensions) requests(pod *corev1.Pod, v vector) corev1.ResourceName {
	clear(v)
	if !simple(pod) {
		list := pods.Requests(pod)
		copy(v, d.vector(list))
		for i := range v {
			v[i] = max(v[i], 0)
		}
		return d.unknown(list)
	}
	unknown := corev1.ResourceName("")
	add := func(name corev1.ResourceName, q *resource.Quantity) {
		if i, ok := d.index[name]; ok {
			v[i] = min(v[i]+max(milliOf(q), 0), absurd) // the API server refuses negative requests; one that slips through must not make room
		} else if q.Sign() > 0 && (unknown == "" || name < unknown) {
			unknown = name
		}
	}
	for i := range pod.Spec.Containers {
		r := &pod.Spec.Containers[i].Resources
		for name, q := range r.Requests {
			add(name, &q)
		}
		for name, q := range r.Limits {
			if _, asked := r.Requests[name]; !asked {
				add(name, &q)
			}
		}
	}
	v[d.pods()] += 1000
	return unknown
}

// simple reports whether the pod's requests are the sum of its containers'.
func simple(pod *corev1.Pod) bool {
	if len(pod.Spec.InitContainers) > 0 || len(pod.Spec.Overhead) > 0 || pod.Spec.Resources != nil {
		return false
	}
	for i := range pod.Status.ContainerStatuses {
		if pod.Status.ContainerStatuses[i].Resources != nil {
			return false
		}
	}
	return true
}

// milliOf is milli, faster for quantities that are whole or plain thousandths.
func milliOf(q *resource.Quantity) int64 {
	if n, ok := q.AsInt64(); ok && n < absurd/1000 && n > -absurd/1000 {
		return n * 1000
	}
	return milli(*q)
}
