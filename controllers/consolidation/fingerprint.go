package consolidation

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"

	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
)

// fingerprint returns a number that is another one when something has changed that a decision depends on, but for time and prices: the
// candidates and what is allowed of them, nodes as they are to pods, pods, and provisioners. A heartbeat of a node changes nothing.
func fingerprint(facts problem.Facts, in *disruption.Input) uint64 {
	sum := fnv.New64a()
	write := func(format string, arguments ...any) { _, _ = fmt.Fprintf(sum, format, arguments...) } // a hash takes everything
	for i := range in.Candidates {
		c := in.Candidates[i]
		write("%v|", c)
	}
	for _, quota := range slices.SortedFunc(maps.Keys(in.Allowed), quotasInOrder) {
		write("%v=%d|", quota, in.Allowed[quota])
	}
	pods := uint64(0)
	for i := range facts.Snapshot.Entries {
		entry := &facts.Snapshot.Entries[i]
		write("%s %t %t|", entry.Name(), entry.Deleting(), entry.Initialized())
		if node := entry.Node; node != nil {
			write("%v %v %v %t %t|", node.Labels, node.Spec.Taints, node.Status.Allocatable, node.Spec.Unschedulable, machines.NodeIsReady(node))
		}
		for _, pod := range entry.Pods { // in any order
			pods += version(string(pod.UID), pod.ResourceVersion)
		}
	}
	for _, pod := range facts.Snapshot.Pending {
		pods += version(string(pod.UID), pod.ResourceVersion)
	}
	write("%d", pods)
	for _, name := range slices.Sorted(maps.Keys(facts.Offers)) {
		write("%s %d|", name, facts.Offers[name].Provisioner.Generation)
	}
	return sum.Sum64()
}

func quotasInOrder(a, b disruption.Quota) int {
	return slices.Compare([]string{a.Provisioner, a.Reason}, []string{b.Provisioner, b.Reason})
}

func version(uid, of string) uint64 {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(uid)) // a hash takes everything
	_, _ = sum.Write([]byte(of))
	return sum.Sum64()
}
