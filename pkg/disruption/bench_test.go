package disruption_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
	"github.com/kerf-autoscaler/kerf/pkg/state"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/region"
)

// BenchmarkPass decides on a whole cluster of half-empty nodes, all of which may go, from the snapshot to the commands. Real types of a
// region are on offer, spot and on demand.
func BenchmarkPass(b *testing.B) {
	for _, size := range []struct{ nodes, pods int }{{500, 7_500}, {2_000, 30_000}, {5_000, 150_000}} {
		b.Run(fmt.Sprintf("half-empty/nodes=%d/pods=%d", size.nodes, size.pods), func(b *testing.B) {
			measurePass(b, size.nodes, size.pods, disruption.Settings{})
		})
	}
	b.Run("deletion-costs/nodes=2000/pods=30000", func(b *testing.B) { measurePass(b, 2_000, 30_000, disruption.Settings{DeletionCosts: true}) })
}

func measurePass(b *testing.B, nodes, pods int, settings disruption.Settings) {
	types, err := region.InstanceTypes(region.Everything, "on-demand", "spot")
	if err != nil {
		b.Fatal(err)
	}
	provisioner := builders.Provisioner("default")
	offers := problem.Offers{"default": problem.NewOffer(provisioner, types)}
	cluster, candidates := busy(types, nodes, pods)
	snapshot := cluster.Snapshot(now())
	b.ReportAllocs()
	var decision disruption.Decision
	for b.Loop() {
		world := problem.Simulate(problem.Facts{Snapshot: snapshot, Offers: offers, ExpendableBelow: problem.DefaultExpendableBelow})
		decision = disruption.Decide(b.Context(), &disruption.Input{
			Now: now(), Candidates: candidates, World: world, Settings: settings,
			Allowed: map[disruption.Quota]int{{Provisioner: "default", Reason: disruption.ReasonUnderutilized}: nodes / 10},
		}, disruption.Emptiness, disruption.Expiration, disruption.Drift, disruption.Consolidation)
	}
	saved, gone := 0.0, 0
	for i := range decision.Commands {
		saved, gone = saved+decision.Commands[i].SavingPerHour, gone+len(decision.Commands[i].Machines)
	}
	if gone == 0 {
		b.Fatal("nothing goes from a cluster that is half empty")
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(pods), "ns/pod")
	b.ReportMetric(saved, "$/h-saved")
	b.ReportMetric(float64(gone), "machines")
}

// busy returns a cluster whose nodes have as many pods each, and its machines as candidates.
func busy(types cloudprovider.InstanceTypes, nodes, pods int) (*state.Cluster, []disruption.Candidate) {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same cluster each time
	cluster := state.NewCluster()
	var candidates []disruption.Candidate
	byName := map[string]*cloudprovider.InstanceType{}
	for _, t := range types {
		byName[t.Name] = t
	}
	for i := range nodes {
		name := fmt.Sprintf("node-%05d", i)
		t := byName[[]string{"m5.2xlarge", "m5.4xlarge", "c5.4xlarge", "r5.2xlarge"}[r.IntN(4)]]
		offering := t.Offerings[r.IntN(len(t.Offerings))]
		labels := map[string]string{
			v1alpha5.ProvisionerNameLabel: "default", corev1.LabelTopologyZone: offering.Zone, v1alpha5.CapacityTypeLabel: offering.CapacityType,
			corev1.LabelInstanceTypeStable: t.Name, corev1.LabelArchStable: "amd64", corev1.LabelOSStable: "linux",
		}
		machine := builders.Machine(name, "default", builders.RegisteredAs(name))
		machine.Labels, machine.Status.ProviderID, machine.Status.Capacity, machine.Status.Allocatable = labels, "aws:///z/"+name, t.Capacity, t.Allocatable()
		node := builders.Node(name, builders.ProviderID("aws:///z/"+name), builders.NodeLabels(labels), builders.Managed("default"))
		node.Status.Capacity, node.Status.Allocatable = t.Capacity, t.Allocatable()
		cluster.UpdateMachine(machine)
		cluster.UpdateNode(node)
		for j := range pods / nodes {
			app := fmt.Sprintf("app-%d", r.IntN(200))
			cluster.UpdatePod(builders.Pod(builders.Name(fmt.Sprintf("pod-%d-%d", i, j)), builders.Labels(map[string]string{"app": app}),
				builders.OwnedBy("apps/v1", "ReplicaSet", app), builders.OnNode(name), builders.CPU(fmt.Sprintf("%dm", 20+10*r.IntN(5))), builders.Memory("256Mi")))
		}
		candidates = append(candidates, disruption.Candidate{
			Machine: name, Node: name, Provisioner: "default", PricePerHour: offering.Price, InstanceType: t.Name, CapacityType: offering.CapacityType,
			Consolidate: true, SettledAt: now().Add(-7 * 24 * time.Hour),
		})
	}
	return cluster, candidates
}
