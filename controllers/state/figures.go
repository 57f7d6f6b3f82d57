package state

import (
	"cmp"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/metrics"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/resources"
	"github.com/kerf-autoscaler/kerf/pkg/state"
)

// figuresOf returns what is measured of a cluster. Nodes are measured that kerf has made.
func figuresOf(snapshot state.Snapshot) metrics.Figures {
	out := metrics.Figures{Pods: map[metrics.PodState]int{}, BlockedDrains: map[string]int{}}
	for _, pod := range snapshot.Pending {
		out.Pods[metrics.PodState{Phase: phaseOf(pod)}]++
	}
	for _, entry := range snapshot.Entries {
		if entry.Machine != nil && blocked(entry.Machine) {
			out.BlockedDrains[entry.Machine.ProvisionerName()]++
		}
		if entry.Node == nil {
			continue
		}
		provisioner := entry.Node.Labels[v1alpha5.ProvisionerNameLabel]
		for _, pod := range entry.Pods {
			out.Pods[metrics.PodState{Provisioner: provisioner, Phase: phaseOf(pod)}]++
		}
		if provisioner != "" {
			out.Nodes = append(out.Nodes, figuresOfNode(entry))
		}
	}
	return out
}

func phaseOf(pod *corev1.Pod) string {
	return cmp.Or(string(pod.Status.Phase), string(corev1.PodUnknown))
}

// blocked reports whether something keeps a machine that goes from being drained.
func blocked(machine *v1alpha5.Machine) bool {
	drained := machines.Conditions(machine).Get(v1alpha5.ConditionDrained)
	return drained != nil && drained.Reason == v1alpha5.ReasonDrainBlocked
}

func figuresOfNode(entry state.Entry) metrics.NodeFigures {
	node := entry.Node
	out := metrics.NodeFigures{
		Place: metrics.Place{
			Node: node.Name, Provisioner: node.Labels[v1alpha5.ProvisionerNameLabel], InstanceType: node.Labels[corev1.LabelInstanceTypeStable],
			Zone: node.Labels[corev1.LabelTopologyZone], CapacityType: node.Labels[v1alpha5.CapacityTypeLabel],
			Arch: node.Labels[corev1.LabelArchStable], OS: node.Labels[corev1.LabelOSStable],
		},
		Allocatable: node.Status.Allocatable, SystemOverhead: resources.Sub(node.Status.Capacity, node.Status.Allocatable),
		DaemonRequests: corev1.ResourceList{}, DaemonLimits: corev1.ResourceList{}, PodRequests: corev1.ResourceList{}, PodLimits: corev1.ResourceList{},
	}
	for _, pod := range entry.Pods {
		requests, limits := out.PodRequests, out.PodLimits
		if pods.IsOwnedByDaemonSet(pod) {
			requests, limits = out.DaemonRequests, out.DaemonLimits
		}
		resources.Add(requests, pods.Requests(pod))
		for i := range pod.Spec.Containers {
			resources.Add(limits, pod.Spec.Containers[i].Resources.Limits)
		}
	}
	return out
}
