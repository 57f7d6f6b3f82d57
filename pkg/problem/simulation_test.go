package problem

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/pkg/state"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// cordoned returns the snapshot with a taint on some nodes, which says that they are about to go.
func cordoned(snapshot state.Snapshot, names map[string]bool) state.Snapshot {
	entries := append([]state.Entry(nil), snapshot.Entries...)
	for i, entry := range entries {
		if names[entry.Name()] {
			node := entry.Node.DeepCopy()
			node.Spec.Taints = append(node.Spec.Taints, v1alpha5.DisruptedTaint())
			entries[i].Node = node
		}
	}
	snapshot.Entries = entries
	return snapshot
}

// What a simulation says is what Build says of a cluster in which the nodes are about to go, but that nodes keep their place under limits.
func TestASimulationIsTheProblemOfAClusterInWhichTheNodesGo(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 3)) //nolint:gosec // the same each time
		cluster := state.NewCluster()
		gone := map[string]bool{}
		for i := range 1 + r.IntN(6) {
			name := fmt.Sprint("node-", i)
			cluster.UpdateNode(builders.Node(name))
			gone[name] = r.IntN(3) == 0
			for j := range r.IntN(5) {
				pod := builders.Pod(builders.Name(fmt.Sprintf("pod-%d-%d", i, j)), builders.CPU("100m"), builders.OnNode(name), builders.OwnedBy("apps/v1", "ReplicaSet", "rs"))
				switch r.IntN(5) {
				case 0:
					builders.OwnedBy("apps/v1", "DaemonSet", "agent")(pod)
				case 1:
					pod.Spec.Priority = new(int32(-100))
				case 2:
					builders.Claim("data")(pod)
				}
				cluster.UpdatePod(pod)
			}
		}
		for i := range r.IntN(3) {
			cluster.UpdatePod(builders.Pod(builders.Name(fmt.Sprint("waits-", i)), builders.CPU("1"), func(p *corev1.Pod) {
				p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable}}
			}))
		}
		facts := Facts{Snapshot: cluster.Snapshot(epoch()), ExpendableBelow: DefaultExpendableBelow}
		simulation := Simulate(facts)
		got := simulation.Without(gone)
		facts.Snapshot = cordoned(facts.Snapshot, gone)
		want := Build(facts)
		quantities := cmp.Comparer(func(a, b resource.Quantity) bool { return a.Cmp(b) == 0 })
		sorted := cmpopts.SortSlices(func(a, b *corev1.Pod) bool { return a.UID < b.UID })
		known := cmpopts.IgnoreFields(solver.Node{}, "Plain")
		if diff := cmp.Diff(want, got, quantities, sorted, known, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("seed %d: the problem without %v (-of such a cluster +simulated):\n%s", seed, gone, diff)
		}
		if again := simulation.Without(gone); !cmp.Equal(got, again, quantities) {
			t.Fatalf("seed %d: the same question was answered in two ways", seed)
		}
	}
}

func TestASimulationLeavesLimitsAsTheyAreWhileMachinesAreReplaced(t *testing.T) {
	machine := builders.Machine("m", "p", builders.LaunchedAs("i-1", "4", "16Gi", 58), builders.RegisteredAs("m"))
	node := builders.Node("m", builders.ProviderID("i-1"))
	offers := Offers{"p": NewOffer(builders.Provisioner("p", builders.Limit(corev1.ResourceCPU, "10")), nil)}
	simulation := Simulate(Facts{Snapshot: state.Snapshot{Entries: []state.Entry{{Machine: machine, Node: node}}}, Offers: offers})
	left := func(p solver.Problem) string { return p.Provisioners[0].Remaining.Cpu().String() }
	if got := left(simulation.Without(map[string]bool{"m": true})); got != "6" {
		t.Errorf("%s of 10 CPUs are left while a machine of 4 is replaced, want 6", got)
	}
}
