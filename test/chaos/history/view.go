package history

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// View is the truth at one time of a history: what the API server held and which instances lived.
type View struct {
	Now          time.Time
	Machines     map[types.UID]*v1alpha5.Machine
	Nodes        map[string]*corev1.Node // name -> node
	Pods         map[types.UID]*corev1.Pod
	Provisioners map[string]*v1alpha5.Provisioner // name -> provisioner
	// Instances maps the id of an instance -> what it is; ended ones stay.
	Instances map[string]*Life
	// Asked maps launch group and attempt -> the machines that have ever recorded the intent, also those that are gone.
	Asked map[Request]map[types.UID]bool
}

// Request identifies a request for instances by what it tags them with.
type Request struct{ Group, Attempt string }

// Life is an instance from its birth to its end.
type Life struct {
	Instance
	Born time.Time
	// Ended is when it stopped to be pending or running; zero while it lives.
	Ended time.Time
	// Gone is when it was seen to be terminated.
	Gone time.Time
}

// Live reports whether the instance is pending or running.
func (l *Life) Live() bool { return l.Ended.IsZero() }

// Request returns what asked for the instance.
func (l *Life) Request() Request { return Request{l.Group, l.Attempt} }

// Walk goes through a history and shows each event with the truth before and after it. Either function may be nil.
func (h *History) Walk(before, after func(*View, *Event)) {
	v := &View{
		Machines: map[types.UID]*v1alpha5.Machine{}, Nodes: map[string]*corev1.Node{}, Pods: map[types.UID]*corev1.Pod{},
		Provisioners: map[string]*v1alpha5.Provisioner{}, Instances: map[string]*Life{}, Asked: map[Request]map[types.UID]bool{},
	}
	for i := range h.Events {
		e := &h.Events[i]
		v.Now = e.At
		if before != nil {
			before(v, e)
		}
		v.apply(e)
		if after != nil {
			after(v, e)
		}
	}
}

func (v *View) apply(e *Event) {
	if e.Call != nil {
		for _, i := range e.Call.Made {
			v.Instances[i.ID] = &Life{Instance: i, Born: e.At}
		}
		for _, id := range e.Call.Ended {
			if life, ok := v.Instances[id]; ok && life.Live() {
				life.Ended = e.At
			}
		}
		for _, id := range e.Call.Gone {
			if life, ok := v.Instances[id]; ok {
				life.Gone = e.At
			}
		}
	}
	if e.Write == nil {
		return
	}
	gone := e.Write.After == nil
	switch object := e.Write.Object().(type) {
	case *v1alpha5.Machine:
		put(v.Machines, object.UID, object, gone)
		if launch := object.Status.Launch; launch != nil {
			asked := RequestOf(launch)
			if v.Asked[asked] == nil {
				v.Asked[asked] = map[types.UID]bool{}
			}
			v.Asked[asked][object.UID] = true
		}
	case *corev1.Node:
		put(v.Nodes, object.Name, object, gone)
	case *corev1.Pod:
		put(v.Pods, object.UID, object, gone)
	case *v1alpha5.Provisioner:
		put(v.Provisioners, object.Name, object, gone)
	}
}

func put[K comparable, V any](m map[K]V, key K, value V, gone bool) {
	if gone {
		delete(m, key)
		return
	}
	m[key] = value
}

// NodeOf returns the node of an instance, or nil.
func (v *View) NodeOf(id string) *corev1.Node {
	for _, node := range v.Nodes {
		if InstanceID(node.Spec.ProviderID) == id {
			return node
		}
	}
	return nil
}

// OwnerOf returns the machine that has recorded an instance as its own, or nil.
func (v *View) OwnerOf(id string) *v1alpha5.Machine {
	for _, machine := range v.Machines {
		if InstanceID(machine.Status.ProviderID) == id {
			return machine
		}
	}
	return nil
}

// Claimed reports whether there is a machine for the instance: one that has recorded it, or may still come to.
func (v *View) Claimed(life *Life) bool {
	for _, machine := range v.Machines {
		if InstanceID(machine.Status.ProviderID) == life.ID {
			return true
		}
		if launch := machine.Status.Launch; launch != nil && !launch.Answered && machine.Status.ProviderID == "" && RequestOf(launch) == life.Request() {
			return true
		}
	}
	return false
}

// Condition returns a condition of a machine, or nil.
func Condition(machine *v1alpha5.Machine, name string) *metav1.Condition {
	for i := range machine.Status.Conditions {
		if machine.Status.Conditions[i].Type == name {
			return &machine.Status.Conditions[i]
		}
	}
	return nil
}

// True reports whether a condition of a machine is true.
func True(machine *v1alpha5.Machine, name string) bool {
	condition := Condition(machine, name)
	return condition != nil && condition.Status == metav1.ConditionTrue
}

// Ready reports whether the kubelet of a node says that it is ready.
func Ready(node *corev1.Node) bool {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// Disrupted reports whether a node carries kerf's taint.
func Disrupted(node *corev1.Node) bool {
	for _, taint := range node.Spec.Taints {
		if taint.Key == v1alpha5.DisruptedTaintKey {
			return true
		}
	}
	return false
}
