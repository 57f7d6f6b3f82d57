package solver

import (
	"maps"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
)

// manyPods is the number of pods from which on looking for twins is worth a second goroutine.
const manyPods = 4096

// inOrder returns the pods sorted, and where runs of twins end. It does not change the Problem.
//
// Nothing tells twins apart: most pods of a burst are copies of one template, and to see that two neighbours are takes a fraction
// of what it takes to sort a pod into its group. Pods in different runs may still be in one group.
func (p *Problem) inOrder() ([]*corev1.Pod, []int) {
	if ends, sorted := p.runs(p.Pods); sorted {
		return p.Pods, ends
	}
	list := slices.Clone(p.Pods)
	slices.SortFunc(list, comparePods)
	ends, _ := p.runs(list)
	return list, ends
}

// runs returns where runs of twins end; false if the pods are not in order.
func (p *Problem) runs(list []*corev1.Pod) ([]int, bool) {
	if len(list) < manyPods {
		return p.scan(list, 0, len(list))
	}
	var (
		half  = len(list) / 2
		later []int
		tidy  bool
		other sync.WaitGroup
	)
	other.Go(func() { later, tidy = p.scan(list, half, len(list)) })
	ends, sorted := p.scan(list, 0, half)
	other.Wait()
	return append(ends, later...), sorted && tidy
}

// scan does so for a part of the list. It is one pass, since most of its time goes into waiting for the pods' memory.
func (p *Problem) scan(list []*corev1.Pod, from, to int) ([]int, bool) {
	var ends []int
	m := model{volumes: p.Volumes}
	for i := from; i < to; i++ {
		pod := list[i]
		if i > 0 && comparePods(list[i-1], pod) > 0 {
			return nil, false
		}
		if len(ends) > 0 && m.twin(pod) {
			ends[len(ends)-1]++
			continue
		}
		m.follow(pod)
		ends = append(ends, i+1)
	}
	return ends, true
}

// model is a pod that others are held against.
type model struct {
	volumes map[types.UID]Volumes
	pod     *corev1.Pod
	// plain says that the pod is of the kind that is looked at at all.
	plain bool
	// asks are the requests, then the limits, of each container.
	asks [][2][]ask
}

// ask is an entry of a list of resources.
type ask struct {
	name     corev1.ResourceName
	quantity resource.Quantity
}

// follow makes the pod the model.
func (m *model) follow(pod *corev1.Pod) {
	if m.pod, m.plain = pod, m.regular(pod); !m.plain {
		return
	}
	containers := pod.Spec.Containers
	m.asks = slices.Grow(m.asks[:0], len(containers))[:len(containers)]
	for i := range containers {
		r := &containers[i].Resources
		m.asks[i][0], m.asks[i][1] = asksOf(m.asks[i][0][:0], r.Requests), asksOf(m.asks[i][1][:0], r.Limits)
	}
}

func asksOf(into []ask, list corev1.ResourceList) []ask {
	for name, q := range list {
		into = append(into, ask{name, q})
	}
	return into
}

// twin reports whether nothing tells the pod from the model.
func (m *model) twin(pod *corev1.Pod) bool {
	if !m.plain || !m.regular(pod) {
		return false
	}
	a, b := &m.pod.Spec, &pod.Spec
	if m.pod.Namespace != pod.Namespace || len(a.Containers) != len(b.Containers) ||
		!maps.Equal(m.pod.Labels, pod.Labels) || !maps.Equal(a.NodeSelector, b.NodeSelector) || !slices.EqualFunc(a.Tolerations, b.Tolerations, tolerateSame) {
		return false
	}
	for i := range b.Containers {
		r := &b.Containers[i].Resources
		if !asksSame(m.asks[i][0], r.Requests) || !asksSame(m.asks[i][1], r.Limits) {
			return false
		}
	}
	return true
}

// regular reports whether the pod has nothing but containers, labels, a node selector and tolerations that matters.
func (m *model) regular(pod *corev1.Pod) bool {
	s := &pod.Spec
	if pod.DeletionTimestamp != nil || s.Affinity != nil || s.Resources != nil || s.HostNetwork ||
		len(s.TopologySpreadConstraints)+len(s.InitContainers)+len(s.Overhead)+len(s.ResourceClaims)+len(pod.Status.ContainerStatuses) > 0 {
		return false
	}
	for i := range s.Containers {
		for k := range s.Containers[i].Ports {
			if s.Containers[i].Ports[k].HostPort > 0 {
				return false
			}
		}
	}
	if len(m.volumes) == 0 {
		return true
	}
	_, some := m.volumes[pod.UID]
	return !some
}

// tolerateSame reports whether two tolerations matter alike to where a pod may go; for how long they hold does not.
func tolerateSame(a, b corev1.Toleration) bool {
	return a.Key == b.Key && a.Operator == b.Operator && a.Value == b.Value && a.Effect == b.Effect
}

// asksSame reports whether the list has these entries and no other.
func asksSame(asks []ask, list corev1.ResourceList) bool {
	if len(asks) != len(list) {
		return false
	}
	for i := range asks {
		q, there := list[asks[i].name]
		if !there || q.Cmp(asks[i].quantity) != 0 {
			return false
		}
	}
	return true
}
