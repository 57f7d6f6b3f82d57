package main

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelpers "k8s.io/component-helpers/resource"
	schedulinghelpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"

	"github.com/kerf-autoscaler/kerf/pkg/resources"
)

// demand is what a pod asks of its node whatever else is placed, read as the scheduler reads it.
type demand struct {
	pod      *corev1.Pod
	affinity nodeaffinity.RequiredNodeAffinity // the node selector is part of it
	requests corev1.ResourceList               // the slot for a pod included
	ports    []corev1.ContainerPort            // that are taken of the host
}

func demandOf(pod *corev1.Pod) demand {
	d := demand{pod: pod, affinity: nodeaffinity.GetRequiredNodeAffinity(pod)}
	d.requests = resources.Sum(resourcehelpers.PodRequests(pod, resourcehelpers.PodResourcesOptions{}),
		corev1.ResourceList{corev1.ResourcePods: *resource.NewQuantity(1, resource.DecimalSI)})
	for _, c := range pod.Spec.InitContainers {
		if ptr.Deref(c.RestartPolicy, "") == corev1.ContainerRestartPolicyAlways { // it runs beside the others
			d.takePorts(c)
		}
	}
	for _, c := range pod.Spec.Containers {
		d.takePorts(c)
	}
	return d
}

func (d *demand) takePorts(c corev1.Container) {
	for _, port := range c.Ports {
		if port.HostPort > 0 {
			port.Protocol = corev1.Protocol(orElse(string(port.Protocol), string(corev1.ProtocolTCP)))
			port.HostIP = orElse(port.HostIP, anyIP)
			d.ports = append(d.ports, port)
		}
	}
}

// anyIP is the address of a host port that is taken on all addresses.
const anyIP = "0.0.0.0"

func orElse(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}

// selects reports whether the labels of a node are what the pod asks for. A pod whose affinity cannot be read goes nowhere.
func (d demand) selects(node *corev1.Node) bool {
	match, err := d.affinity.Match(node)
	return err == nil && match
}

// untolerated returns the first taint that keeps the pod off the node.
func (d demand) untolerated(node *corev1.Node) (corev1.Taint, bool) {
	return schedulinghelpers.FindMatchingUntoleratedTaint(klog.Background(), node.Spec.Taints, d.pod.Spec.Tolerations, binding, false)
}

// binding reports whether a taint keeps pods off; PreferNoSchedule does not.
func binding(t *corev1.Taint) bool {
	return t.Effect == corev1.TaintEffectNoSchedule || t.Effect == corev1.TaintEffectNoExecute
}

// admitted reports whether the node takes the pod if there is room.
func (d demand) admitted(node *corev1.Node) bool {
	_, kept := d.untolerated(node)
	return !kept && d.selects(node)
}

// crew returns the DaemonSets' pods that will run on the node.
func crew(daemons []demand, node *corev1.Node) []demand {
	var out []demand
	for _, d := range daemons {
		if d.admitted(node) {
			out = append(out, d)
		}
	}
	return out
}

// faults returns what keeps pods off the node: its labels, its taints, or those who are there before them, DaemonSets first.
func (s *site) faults(daemons []demand) []string {
	var faults []string
	load := corev1.ResourceList{}
	there := crew(daemons, s.node)
	for _, d := range there {
		resources.Add(load, d.requests)
	}
	full := false
	for _, d := range s.demands {
		if !d.selects(s.node) {
			faults = append(faults, fmt.Sprintf("pod %s on %s: the labels of the node are not what the pod selects", d.pod.Name, s))
		}
		if taint, kept := d.untolerated(s.node); kept {
			faults = append(faults, fmt.Sprintf("pod %s on %s: taint %s is not tolerated", d.pod.Name, s, taint.ToString()))
		}
		if port, other := clash(d, there); other != nil {
			faults = append(faults, fmt.Sprintf("pod %s on %s: pod %s has host port %d", d.pod.Name, s, other.Name, port))
		}
		there = append(there, d)
		resources.Add(load, d.requests)
		if name := lacking(load, s.node.Status.Allocatable); name != "" && !full {
			full = true // of the pods that do not fit, the first
			have, want := s.node.Status.Allocatable[name], load[name]
			faults = append(faults, fmt.Sprintf("pod %s on %s: it is overfull: %s of %s are asked for, it has %s",
				d.pod.Name, s, &want, name, &have))
		}
	}
	return faults
}

// clash returns a host port of the pod that somebody has already, and who.
func clash(d demand, there []demand) (int32, *corev1.Pod) {
	for _, own := range d.ports {
		for _, other := range there {
			for _, p := range other.ports {
				if p.HostPort == own.HostPort && p.Protocol == own.Protocol && (p.HostIP == own.HostIP || p.HostIP == anyIP || own.HostIP == anyIP) {
					return p.HostPort, other.pod
				}
			}
		}
	}
	return 0, nil
}

// lacking returns the first resource, in order of name, of which more is asked for than there is; "" if there is none.
func lacking(asked, have corev1.ResourceList) corev1.ResourceName {
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		want, has := asked[name], have[name]
		if want.Cmp(has) > 0 {
			return name
		}
	}
	return ""
}
