package metrics

import (
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/resources"
)

// Names of metric labels of what a cluster has.
const (
	LabelNode  = "node_name"
	LabelArch  = "arch"
	LabelOS    = "os"
	LabelPhase = "phase"
)

// mostNodeSeries is how many series there are of nodes at most. In larger clusters nodes that are alike are summed up.
const mostNodeSeries = 3000

// Figures are what a cluster has at one moment.
type Figures struct {
	Nodes []NodeFigures
	// Pods counts pods by the provisioner of their node, "" for none, and by phase.
	Pods map[PodState]int
	// BlockedDrains maps provisioner -> how many of its machines cannot be drained.
	BlockedDrains map[string]int
}

// PodState is what pods are counted by.
type PodState struct{ Provisioner, Phase string }

// Place says which node figures are about. What is empty was summed up over.
type Place struct{ Node, Provisioner, InstanceType, Zone, CapacityType, Arch, OS string }

// NodeFigures are what a node has, and what of it is taken.
type NodeFigures struct {
	Place
	// Allocatable is what pods may have, SystemOverhead what the node keeps for itself.
	Allocatable, SystemOverhead corev1.ResourceList
	// What pods of DaemonSets, and all others, request and are limited to.
	DaemonRequests, DaemonLimits, PodRequests, PodLimits corev1.ResourceList
}

// cluster measures a cluster whenever somebody asks, so that nothing is left of what is gone.
type cluster struct {
	figures func() (Figures, bool)
	nodes   []nodeFamily
	pods    *prometheus.Desc
	blocked *prometheus.Desc
}

type nodeFamily struct {
	desc *prometheus.Desc
	of   func(*NodeFigures) corev1.ResourceList
}

// NewCluster returns a collector of figures, which say false as long as they are not to be told: another replica tells them.
func NewCluster(figures func() (Figures, bool)) prometheus.Collector {
	family := func(name, help string, of func(*NodeFigures) corev1.ResourceList) nodeFamily {
		return nodeFamily{of: of, desc: prometheus.NewDesc(prometheus.BuildFQName(namespace, "nodes", name), help, []string{
			LabelNode, LabelProvisioner, LabelInstanceType, LabelZone, LabelCapacityType, LabelArch, LabelOS, LabelResourceType,
		}, nil)}
	}
	return &cluster{
		figures: figures,
		nodes: []nodeFamily{
			family("allocatable", "What nodes have for pods.", func(n *NodeFigures) corev1.ResourceList { return n.Allocatable }),
			family("system_overhead", "What nodes keep for themselves.", func(n *NodeFigures) corev1.ResourceList { return n.SystemOverhead }),
			family("total_daemon_requests", "What pods of DaemonSets request.", func(n *NodeFigures) corev1.ResourceList { return n.DaemonRequests }),
			family("total_daemon_limits", "What pods of DaemonSets are limited to.", func(n *NodeFigures) corev1.ResourceList { return n.DaemonLimits }),
			family("total_pod_requests", "What other pods request.", func(n *NodeFigures) corev1.ResourceList { return n.PodRequests }),
			family("total_pod_limits", "What other pods are limited to.", func(n *NodeFigures) corev1.ResourceList { return n.PodLimits }),
		},
		pods: prometheus.NewDesc(prometheus.BuildFQName(namespace, "pods", "state"), "Pods, by the provisioner of their node and by phase.",
			[]string{LabelProvisioner, LabelPhase}, nil),
		blocked: prometheus.NewDesc(prometheus.BuildFQName(namespace, "nodes", "drains_blocked"), "Machines that something keeps from being drained.",
			[]string{LabelProvisioner}, nil),
	}
}

// Describe tells which metrics there are.
func (c *cluster) Describe(ch chan<- *prometheus.Desc) {
	for _, family := range c.nodes {
		ch <- family.desc
	}
	ch <- c.pods
	ch <- c.blocked
}

// Collect measures.
func (c *cluster) Collect(ch chan<- prometheus.Metric) {
	figures, tell := c.figures()
	if !tell {
		return
	}
	for _, node := range bounded(figures.Nodes) {
		for _, family := range c.nodes {
			for name, quantity := range family.of(&node) {
				ch <- prometheus.MustNewConstMetric(family.desc, prometheus.GaugeValue, quantity.AsApproximateFloat64(), node.Node, node.Provisioner,
					node.InstanceType, node.Zone, node.CapacityType, node.Arch, node.OS, strings.ReplaceAll(string(name), "-", "_"))
			}
		}
	}
	for state, count := range figures.Pods {
		ch <- prometheus.MustNewConstMetric(c.pods, prometheus.GaugeValue, float64(count), state.Provisioner, state.Phase)
	}
	for provisioner, count := range figures.BlockedDrains {
		ch <- prometheus.MustNewConstMetric(c.blocked, prometheus.GaugeValue, float64(count), provisioner)
	}
}

// bounded sums nodes up that are alike, over less and less of what tells them apart, until there are few enough series. Sums over
// all of them stay the same.
func bounded(nodes []NodeFigures) []NodeFigures {
	for _, wider := range []func(*Place){
		func(*Place) {},
		func(p *Place) { p.Node = "" },
		func(p *Place) { p.InstanceType = "" },
		func(p *Place) { p.Zone, p.CapacityType, p.Arch, p.OS = "", "", "", "" },
		func(p *Place) { p.Provisioner = "" },
	} {
		if series(nodes) <= mostNodeSeries {
			break
		}
		nodes = slices.Clone(nodes)
		for i := range nodes {
			wider(&nodes[i].Place)
		}
		nodes = summed(nodes)
	}
	return nodes
}

func series(nodes []NodeFigures) (n int) {
	for i := range nodes {
		for _, list := range nodes[i].lists() {
			n += len(*list)
		}
	}
	return n
}

func (n *NodeFigures) lists() []*corev1.ResourceList {
	return []*corev1.ResourceList{&n.Allocatable, &n.SystemOverhead, &n.DaemonRequests, &n.DaemonLimits, &n.PodRequests, &n.PodLimits}
}

// summed adds up what is about the same place.
func summed(nodes []NodeFigures) []NodeFigures {
	byPlace := map[Place]*NodeFigures{}
	for i := range nodes {
		sum, ok := byPlace[nodes[i].Place]
		if !ok {
			sum = &NodeFigures{Place: nodes[i].Place}
			byPlace[nodes[i].Place] = sum
		}
		to, from := sum.lists(), nodes[i].lists()
		for k := range to {
			*to[k] = resources.Sum(*to[k], *from[k])
		}
	}
	out := make([]NodeFigures, 0, len(byPlace))
	for sum := range maps.Values(byPlace) {
		out = append(out, *sum)
	}
	return out
}
