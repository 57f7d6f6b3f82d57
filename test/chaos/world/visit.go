package world

import (
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/chaos/history"
)

// Visit is what comes to a node.
type Visit struct {
	// Who comes: one of Visitors.
	Who string
	// Later is how long after its moment. So late binds a scheduler that has chosen the node long ago, and waits for a volume.
	Later time.Duration
	// Stays is how long it is there, 0 for as long as the race lasts. Finishes says that a pod ends by itself then; else it is deleted.
	Stays    time.Duration
	Finishes bool
}

// Who comes to a node.
const (
	// VisitPod is a pod like any other. The next three ask not to be evicted.
	VisitPod       = "pod"
	VisitNoDisrupt = "pod-do-not-disrupt"
	VisitNoEvict   = "pod-do-not-evict"
	VisitNotSafe   = "pod-not-safe-to-evict"
	// VisitDaemon is a pod of a DaemonSet, VisitDaemonHeld one that asks not to be evicted, VisitFinished a pod that has run already.
	VisitDaemon     = "daemon"
	VisitDaemonHeld = "daemon-do-not-evict"
	VisitFinished   = "finished-pod"
	// VisitProtectPod has a pod that is there ask not to be disrupted from now on; the next two do so for the node and its machine.
	VisitProtectPod     = "protect-pod"
	VisitProtectNode    = "protect-node"
	VisitProtectMachine = "protect-machine"
	// VisitDemand is pods that the scheduler has yet to place, and that the node has room for.
	VisitDemand = "pending-pods"
)

// Visitors returns all of them. Pods come more often than all else.
func Visitors() []string {
	return []string{
		VisitPod, VisitPod, VisitPod, VisitPod, VisitNoDisrupt, VisitNoDisrupt, VisitNoEvict, VisitNotSafe,
		VisitDaemon, VisitDaemonHeld, VisitFinished, VisitProtectPod, VisitProtectNode, VisitProtectMachine, VisitDemand, VisitDemand,
	}
}

const (
	// startsIn is how long a kubelet takes at least to run a pod: it makes a sandbox and pulls an image. startSpread is by how much more it
	// may be.
	startsIn, startSpread = time.Second, 3 * time.Second
)

// guest is a visit that is under way: somebody who is to come to a node, or who is there and leaves.
type guest struct {
	at    time.Time
	node  string
	visit Visit
	// leaves is the object that leaves, or is no longer protected; nil while it has yet to come.
	leaves client.Object
}

// visit has somebody come to a node, now or later, and reports whether it will.
func (a *actors) visit(node string, v Visit) bool {
	if v.Later > 0 {
		later := v
		later.Later = 0
		a.guests = append(a.guests, guest{at: time.Now().Add(v.Later), node: node, visit: later})
		a.again(time.Now().Add(v.Later))
		return true
	}
	if v.Who == VisitDemand {
		a.scale(a.w.plan.Pods)
		a.w.hits[ClassVisit+" "+v.Who]++
		a.again(time.Now().Add(time.Nanosecond))
		return true
	}
	object := a.come(node, v)
	if object == nil {
		return false
	}
	a.w.hits[ClassVisit+" "+v.Who]++
	if v.Stays > 0 {
		a.guests = append(a.guests, guest{at: time.Now().Add(v.Stays), node: node, visit: v, leaves: object})
		a.again(time.Now().Add(v.Stays))
	}
	a.again(time.Now().Add(time.Nanosecond))
	return true
}

// come does what a visit is, and returns the object that it is about; nil where nothing is there to come to.
func (a *actors) come(name string, v Visit) client.Object {
	var node *corev1.Node
	each(a, "Node", func(n *corev1.Node) {
		if n.Name == name {
			node = n
		}
	})
	if node == nil {
		return nil
	}
	switch v.Who {
	case VisitProtectNode:
		return a.protect(node)
	case VisitProtectMachine:
		var machine client.Object
		each(a, "Machine", func(m *v1alpha5.Machine) {
			if m.Status.NodeName == name {
				machine = m
			}
		})
		return a.protect(machine)
	case VisitProtectPod:
		var there client.Object
		each(a, "Pod", func(p *corev1.Pod) {
			if p.Spec.NodeName == name && p.DeletionTimestamp.IsZero() {
				there = p
			}
		})
		return a.protect(there)
	}
	return a.bind(name, v)
}

// protect asks that an object be left alone.
func (a *actors) protect(object client.Object) client.Object {
	if object == nil {
		return nil
	}
	change(a, byUser, object, func(o client.Object) {
		annotations := maps.Clone(o.GetAnnotations())
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[v1alpha5.DoNotDisruptAnnotation] = "true"
		o.SetAnnotations(annotations)
	})
	return object
}

// bind makes a pod and binds it to a node, whatever taints that has: the API server asks for none.
func (a *actors) bind(node string, v Visit) client.Object {
	a.made++
	modifiers := []builders.PodModifier{
		builders.Name(fmt.Sprintf("visitor-%d", a.made)), builders.CPU("10m"), builders.Labels(map[string]string{shapeLabel: "visitor"}),
		builders.OwnedBy("apps/v1", "StatefulSet", "visitors"),
	}
	switch v.Who {
	case VisitNoDisrupt:
		modifiers = append(modifiers, builders.Annotation(v1alpha5.DoNotDisruptAnnotation, "true"))
	case VisitNoEvict:
		modifiers = append(modifiers, builders.Annotation(v1alpha5.DoNotEvictAnnotation, "true"))
	case VisitNotSafe:
		modifiers = append(modifiers, builders.Annotation(pods.SafeToEvictAnnotation, "false"))
	case VisitDaemonHeld:
		modifiers = append(modifiers, builders.Annotation(v1alpha5.DoNotEvictAnnotation, "true"))
	}
	pod := builders.Pod(modifiers...)
	if v.Who == VisitDaemon || v.Who == VisitDaemonHeld {
		pod.OwnerReferences = nil
		builders.OwnedBy("apps/v1", "DaemonSet", "agents")(pod)
	}
	pod.Spec.TerminationGracePeriodSeconds = new(int64(5))
	pod.Status.Conditions, pod.UID = nil, ""
	a.create(byOwner, pod)
	change(a, byScheduler, pod, func(p *corev1.Pod) {
		p.Spec.NodeName = node
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}}
		if v.Who == VisitFinished {
			p.Status.Phase = corev1.PodSucceeded
		}
	})
	return pod
}

// host lets guests come and go whose time it is.
func (a *actors) host(now time.Time) {
	due := slices.DeleteFunc(slices.Clone(a.guests), func(g guest) bool { return g.at.After(now) })
	a.guests = slices.DeleteFunc(a.guests, func(g guest) bool { return !g.at.After(now) })
	for _, g := range due {
		if g.leaves == nil {
			a.visit(g.node, g.visit)
			continue
		}
		a.leaveNode(g)
	}
	for _, g := range a.guests {
		a.again(g.at)
	}
}

// leaveNode lets a pod finish or be deleted, or ends a protection.
func (a *actors) leaveNode(g guest) {
	pod, ok := g.leaves.(*corev1.Pod)
	switch {
	case !ok || g.visit.Who == VisitProtectPod:
		a.unprotect(g.leaves)
	case g.visit.Finishes:
		change(a, byKubelet, pod, func(p *corev1.Pod) {
			if p.DeletionTimestamp.IsZero() {
				p.Status.Phase = corev1.PodSucceeded
			}
		})
	default:
		a.remove(byOwner, pod)
	}
}

func (a *actors) unprotect(object client.Object) {
	change(a, byUser, object, func(o client.Object) {
		annotations := maps.Clone(o.GetAnnotations())
		for _, key := range []string{v1alpha5.DoNotDisruptAnnotation, v1alpha5.DoNotEvictAnnotation, pods.SafeToEvictAnnotation} {
			delete(annotations, key)
		}
		o.SetAnnotations(annotations)
	})
}

// release ends all protections: what they keep would be kept for ever.
func (a *actors) release() {
	if a.w.plan.Race == nil {
		return
	}
	a.guests = nil
	for _, kind := range []string{"Pod", "Node", "Machine"} {
		for _, object := range slices.Clone(a.w.store.Objects(kind)) {
			a.unprotect(object)
		}
	}
	a.w.recordWrites(0)
}

// begins returns when a kubelet runs a pod that it has been given.
func (a *actors) begins(pod *corev1.Pod, now time.Time) time.Time {
	if a.w.plan.Race == nil {
		return now
	}
	given, ok := a.given[pod.UID]
	if !ok {
		given = now
		a.given[pod.UID] = now
	}
	return given.Add(startsIn + spread(a.w.plan.Seed, pod.Name, startSpread))
}

// open reports whether the scheduler takes a node to accept a pod that tolerates nothing.
func (a *actors) open(node *corev1.Node, pod *corev1.Pod, now time.Time) bool {
	if len(node.Spec.Taints) == 0 {
		return true
	}
	if a.w.plan.Race == nil || len(node.Spec.Taints) > 1 || !history.Disrupted(node) {
		return false
	}
	late := now.Before(a.closed[node.Name].Add(spread(a.w.plan.Seed, pod.Name, a.w.plan.Race.SchedulerLag)))
	if late {
		a.w.hits[ClassSchedulerLag]++
	}
	return late
}

// close notes since when a node has been tainted.
func (a *actors) close(node *corev1.Node, now time.Time) {
	if _, closed := a.closed[node.Name]; !history.Disrupted(node) {
		delete(a.closed, node.Name)
	} else if !closed {
		a.closed[node.Name] = now
	}
}

// takeVisit has a visit of the plan come to one of the nodes of machines.
func (a *actors) takeVisit(number int) bool {
	var nodes []string
	each(a, "Machine", func(m *v1alpha5.Machine) {
		if m.Status.NodeName != "" {
			nodes = append(nodes, m.Status.NodeName)
		}
	})
	if len(nodes) == 0 {
		return false
	}
	return a.visit(nodes[number%len(nodes)], a.w.plan.Race.Visits[number])
}
