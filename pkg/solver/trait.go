package solver

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/kerf-autoscaler/kerf/pkg/pods"
)

// mark is the index of a trait that pods of the Problem care about: being selected by some selector, or holding some port.
type mark int

// trait says which pods carry a mark: those that hold the port, or carry all parts, or else those in the namespaces that the
// selector selects.
type trait struct {
	port     *port
	parts    []mark // lower marks
	scope    scope
	selector labels.Selector
	// living leaves out pods that are being deleted: topology spread does not count them.
	living bool
	// onNode says that rules within one node are about it, strict that some of those are not loose.
	onNode, strict bool
}

// scope is a set of namespaces.
type scope struct {
	names []string // in order
	all   bool
	// selector of further namespaces by their labels; nil for none.
	selector labels.Selector
	// unknown says whether namespaces of which the Problem does not know the labels are in.
	unknown bool
}

// has reports whether the namespace is in, given what is known of all namespaces.
func (s *scope) has(namespace string, known map[string]map[string]string) bool {
	if s.all || slices.Contains(s.names, namespace) {
		return true
	}
	if s.selector == nil {
		return false
	}
	own, ok := known[namespace]
	if !ok {
		return s.unknown
	}
	return s.selector.Matches(labels.Set(own))
}

// port is a host port; the empty address is all addresses.
type port struct {
	protocol corev1.Protocol
	number   int32
	address  string
}

// conflicts reports whether both cannot be held on one node.
func (p port) conflicts(o port) bool {
	return p.protocol == o.protocol && p.number == o.number && (p.address == o.address || p.address == "" || o.address == "")
}

func (p port) String() string {
	return fmt.Sprintf("%s/%s:%d", p.protocol, p.address, p.number)
}

// hostPorts returns the ports of the node that the pod takes. Init containers count only if they keep running.
func hostPorts(pod *corev1.Pod) []port {
	var out []port
	note := func(c *corev1.Container) {
		for i := range c.Ports {
			p := &c.Ports[i]
			number := p.HostPort
			if number == 0 && pod.Spec.HostNetwork {
				number = p.ContainerPort
			}
			if number <= 0 {
				continue
			}
			q := port{protocol: p.Protocol, number: number, address: p.HostIP}
			if q.protocol == "" {
				q.protocol = corev1.ProtocolTCP
			}
			if q.address == "0.0.0.0" || q.address == "::" {
				q.address = ""
			}
			out = append(out, q)
		}
	}
	for i := range pod.Spec.Containers {
		note(&pod.Spec.Containers[i])
	}
	for i := range pod.Spec.InitContainers {
		if c := &pod.Spec.InitContainers[i]; pods.IsSidecar(c) {
			note(c)
		}
	}
	return out
}
