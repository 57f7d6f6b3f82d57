package problem

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/state"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// BenchmarkBuild gathers the problem of a cluster of 2,000 nodes with 25 pods and a DaemonSet's pod each, where 1,000 pods with
// claims wait.
func BenchmarkBuild(b *testing.B) {
	cluster := state.NewCluster()
	cluster.UpdateDaemonSet(daemonSet("agent", "100m", nil))
	cluster.UpdateStorageClass(builders.StorageClass("gp3", builders.MadeIn(corev1.LabelTopologyZone, "a", "b")))
	for i := range 2000 {
		name := fmt.Sprint("node-", i)
		cluster.UpdateNode(builders.Node(name))
		cluster.UpdateCSINode(builders.CSINode(name, builders.EBSDriver, 25))
		cluster.UpdatePod(named(fmt.Sprint("agent-", i), "100m", builders.OnNode(name), builders.OwnedBy("apps/v1", "DaemonSet", "agent")))
		for j := range 25 {
			cluster.UpdatePod(named(fmt.Sprint("pod-", i, "-", j), "100m", builders.Memory("128Mi"), builders.OnNode(name)))
		}
	}
	for i := range 1000 {
		claim := fmt.Sprint("data-", i)
		cluster.UpdateClaim(builders.VolumeClaim(claim))
		cluster.UpdatePod(named(fmt.Sprint("waits-", i), "1", builders.Claim(claim)))
	}
	snapshot := cluster.Snapshot(epoch())
	b.ReportAllocs()
	for b.Loop() {
		if p := build(snapshot, nil); len(p.Volumes) != 1000 {
			b.Fatalf("%d pods ask for volumes", len(p.Volumes))
		}
	}
}
