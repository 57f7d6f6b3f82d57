package main

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// answer is a plan of either side, in the words of one.
type answer struct {
	nodes []plannedNode
	// unplaced are the pods that the side says it has no node for.
	unplaced []*corev1.Pod
	// claimedUSD and claimedBound are what the side says of its plan itself, US dollars per hour; NaN if it says nothing.
	claimedUSD, claimedBound float64
	// refusal is the first reason that a pod is not placed; "" if all are.
	refusal string
}

// plannedNode is a node that is to be bought.
type plannedNode struct {
	provisioner   string
	instanceTypes []string // those that are left for it, in any order
	// requirements on the node's labels that are left.
	requirements scheduling.Requirements
	pods         []*corev1.Pod
}

func (a answer) placed() int {
	n := 0
	for _, node := range a.nodes {
		n += len(node.pods)
	}
	return n
}
