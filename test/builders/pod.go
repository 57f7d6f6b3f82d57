// Package builders makes the objects that tests are about: a plain one that works, changed by functional modifiers.
package builders

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// PodModifier changes a pod.
type PodModifier func(*corev1.Pod)

// Pod returns a pod named pod in the namespace default that waits for capacity: the scheduler has found no node for it.
func Pod(modifiers ...PodModifier) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "pod", Namespace: metav1.NamespaceDefault},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "example.com/main"}}},
		Status: corev1.PodStatus{
			Phase: corev1.PodPending,
			Conditions: []corev1.PodCondition{{
				Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable,
			}},
		},
	}
	for _, modify := range modifiers {
		modify(pod)
	}
	if pod.UID == "" {
		pod.UID = types.UID(pod.Namespace + "/" + pod.Name)
	}
	return pod
}

// Name names the pod.
func Name(name string) PodModifier { return func(p *corev1.Pod) { p.Name = name } }

// Namespace puts the pod into a namespace.
func Namespace(namespace string) PodModifier { return func(p *corev1.Pod) { p.Namespace = namespace } }

// Labels sets labels of the pod.
func Labels(labels map[string]string) PodModifier {
	return func(p *corev1.Pod) { p.Labels = merge(p.Labels, labels) }
}

// Annotation sets an annotation of the pod.
func Annotation(key, value string) PodModifier {
	return func(p *corev1.Pod) { p.Annotations = merge(p.Annotations, map[string]string{key: value}) }
}

// Request sets what the first container requests of a resource.
func Request(name corev1.ResourceName, quantity string) PodModifier {
	return func(p *corev1.Pod) {
		r := &p.Spec.Containers[0].Resources
		if r.Requests == nil {
			r.Requests = corev1.ResourceList{}
		}
		r.Requests[name] = resource.MustParse(quantity)
	}
}

// CPU sets the requested cpu.
func CPU(quantity string) PodModifier { return Request(corev1.ResourceCPU, quantity) }

// Memory sets the requested memory.
func Memory(quantity string) PodModifier { return Request(corev1.ResourceMemory, quantity) }

// NodeSelector asks for labels of the node.
func NodeSelector(labels map[string]string) PodModifier {
	return func(p *corev1.Pod) { p.Spec.NodeSelector = merge(p.Spec.NodeSelector, labels) }
}

// NodeAffinity adds an alternative to the required node affinity: all expressions of it have to match.
func NodeAffinity(expressions ...corev1.NodeSelectorRequirement) PodModifier {
	return func(p *corev1.Pod) {
		a := affinity(p)
		if a.NodeAffinity == nil {
			a.NodeAffinity = &corev1.NodeAffinity{}
		}
		if a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
			a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution = &corev1.NodeSelector{}
		}
		s := a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution
		s.NodeSelectorTerms = append(s.NodeSelectorTerms, corev1.NodeSelectorTerm{MatchExpressions: expressions})
	}
}

// AntiAffinity keeps the pod apart from those with all the labels, in its namespace, over a topology key.
func AntiAffinity(topologyKey string, labels map[string]string) PodModifier {
	return func(p *corev1.Pod) {
		a := affinity(p)
		if a.PodAntiAffinity == nil {
			a.PodAntiAffinity = &corev1.PodAntiAffinity{}
		}
		terms := &a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution
		*terms = append(*terms, podTerm(topologyKey, labels))
	}
}

// Affinity keeps the pod together with those with all the labels, in its namespace, over a topology key.
func Affinity(topologyKey string, labels map[string]string) PodModifier {
	return func(p *corev1.Pod) {
		a := affinity(p)
		if a.PodAffinity == nil {
			a.PodAffinity = &corev1.PodAffinity{}
		}
		terms := &a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution
		*terms = append(*terms, podTerm(topologyKey, labels))
	}
}

// Spread adds a binding topology spread constraint over the pods with all the labels.
func Spread(topologyKey string, maxSkew int32, labels map[string]string) PodModifier {
	return func(p *corev1.Pod) {
		p.Spec.TopologySpreadConstraints = append(p.Spec.TopologySpreadConstraints, corev1.TopologySpreadConstraint{
			TopologyKey: topologyKey, MaxSkew: maxSkew, WhenUnsatisfiable: corev1.DoNotSchedule,
			LabelSelector: &metav1.LabelSelector{MatchLabels: labels},
		})
	}
}

// Toleration adds a toleration.
func Toleration(t corev1.Toleration) PodModifier {
	return func(p *corev1.Pod) { p.Spec.Tolerations = append(p.Spec.Tolerations, t) }
}

// HostPort takes a TCP port of the node.
func HostPort(port int32) PodModifier {
	return func(p *corev1.Pod) {
		c := &p.Spec.Containers[0]
		c.Ports = append(c.Ports, corev1.ContainerPort{ContainerPort: port, HostPort: port, Protocol: corev1.ProtocolTCP})
	}
}

// Claim mounts a volume from a claim.
func Claim(name string) PodModifier {
	return func(p *corev1.Pod) {
		p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name},
		}})
	}
}

// OwnedBy makes an object of the kind the pod's controller.
func OwnedBy(apiVersion, kind, name string) PodModifier {
	return func(p *corev1.Pod) {
		p.OwnerReferences = append(p.OwnerReferences, metav1.OwnerReference{
			APIVersion: apiVersion, Kind: kind, Name: name, UID: types.UID(kind + "/" + name), Controller: new(true),
		})
	}
}

// OnNode binds the pod to a node, where it runs.
func OnNode(name string) PodModifier {
	return func(p *corev1.Pod) {
		p.Spec.NodeName = name
		p.Status.Phase = corev1.PodRunning
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}}
	}
}

func affinity(p *corev1.Pod) *corev1.Affinity {
	if p.Spec.Affinity == nil {
		p.Spec.Affinity = &corev1.Affinity{}
	}
	return p.Spec.Affinity
}

func podTerm(topologyKey string, labels map[string]string) corev1.PodAffinityTerm {
	return corev1.PodAffinityTerm{TopologyKey: topologyKey, LabelSelector: &metav1.LabelSelector{MatchLabels: labels}}
}

func merge(into, from map[string]string) map[string]string {
	out := make(map[string]string, len(into)+len(from))
	for _, m := range []map[string]string{into, from} {
		maps.Copy(out, m)
	}
	return out
}
