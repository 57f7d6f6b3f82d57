package machines

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// What follows compares as equality.Semantic.DeepEqual does, but goes through maps without reflection, which takes most of the time: it
// is done for each event of a Machine or Node by each controller that looks at them.

func sameMetadata(a, b metav1.ObjectMeta) bool {
	if !maps.Equal(a.Labels, b.Labels) || !maps.Equal(a.Annotations, b.Annotations) {
		return false
	}
	a.Labels, a.Annotations, b.Labels, b.Annotations = nil, nil, nil, nil
	return equality.Semantic.DeepEqual(a, b)
}

func sameStatus(a, b v1alpha5.MachineStatus) bool {
	if !sameResources(a.Capacity, b.Capacity) || !sameResources(a.Allocatable, b.Allocatable) {
		return false
	}
	a.Capacity, a.Allocatable, b.Capacity, b.Allocatable = nil, nil, nil, nil
	return equality.Semantic.DeepEqual(a, b)
}

func sameNodeStatus(a, b corev1.NodeStatus) bool {
	if !sameResources(a.Capacity, b.Capacity) || !sameResources(a.Allocatable, b.Allocatable) {
		return false
	}
	a.Capacity, a.Allocatable, b.Capacity, b.Allocatable = nil, nil, nil, nil
	return equality.Semantic.DeepEqual(a, b)
}

func sameResources(a, b corev1.ResourceList) bool {
	return maps.EqualFunc(a, b, func(x, y resource.Quantity) bool { return x.Cmp(y) == 0 })
}
