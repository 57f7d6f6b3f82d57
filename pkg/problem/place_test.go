package problem

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/pkg/state"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// clusterOf returns a snapshot of nodes and pods.
func clusterOf(nodes []*corev1.Node, pods ...*corev1.Pod) state.Snapshot {
	cluster := state.NewCluster()
	for _, node := range nodes {
		cluster.UpdateNode(node)
	}
	for _, pod := range pods {
		cluster.UpdatePod(pod)
	}
	return cluster.Snapshot(epoch())
}

func named(name, cpu string, modifiers ...builders.PodModifier) *corev1.Pod {
	return builders.Pod(append([]builders.PodModifier{builders.Name(name), builders.CPU(cpu)}, modifiers...)...)
}

func nominated(node string) builders.PodModifier {
	return func(p *corev1.Pod) { p.Status.NominatedNodeName = node }
}

func priority(value int32) builders.PodModifier {
	return func(p *corev1.Pod) { p.Spec.Priority = &value }
}

func neverPreempts(p *corev1.Pod) { p.Spec.PreemptionPolicy = new(corev1.PreemptNever) }

// place writes what is on the first node, and what is free there.
func place(p solver.Problem) []string {
	cpu := p.Nodes[0].Available[corev1.ResourceCPU]
	return append(podNames(p.Nodes[0].Pods), cpu.String())
}

func TestWhoHoldsRoomOnANode(t *testing.T) {
	daemon := builders.OwnedBy("apps/v1", "DaemonSet", "d")
	tests := map[string]struct {
		pods      []*corev1.Pod
		wantPods  []string
		wantThere []string // the pods on the node of 4 CPUs, and what they leave
	}{
		"a nominated pod has its place": {
			[]*corev1.Pod{named("b", "1", builders.OnNode("n")), named("a", "2", nominated("n")), named("p", "1")}, []string{"p"}, []string{"a", "b", "1"},
		},
		"a pod that is nominated for another node": {
			[]*corev1.Pod{named("a", "2", nominated("other")), named("p", "1")}, []string{"p"}, []string{"4"},
		},
		"a nominated pod on its way out needs none": {
			[]*corev1.Pod{named("a", "2", nominated("n"), func(p *corev1.Pod) { p.DeletionTimestamp = &p.CreationTimestamp })}, nil, []string{"4"},
		},
		"a pod below the cut-off waits for room that others leave": {
			[]*corev1.Pod{named("low", "1", priority(-11)), named("at", "1", priority(-10)), named("p", "1")}, []string{"at", "p"}, []string{"4"},
		},
		"a running pod below the cut-off gives way": {
			[]*corev1.Pod{named("low", "1", priority(-11), builders.OnNode("n")), named("at", "1", priority(-10), builders.OnNode("n")), named("p", "1")},
			[]string{"p"}, []string{"at", "3"},
		},
		"not to pods that never preempt": {
			[]*corev1.Pod{named("low", "1", priority(-11), builders.OnNode("n")), named("p", "1", neverPreempts)}, []string{"p"}, []string{"low", "3"},
		},
		"nor does one of a daemonset": {
			[]*corev1.Pod{named("low", "1", priority(-11), builders.OnNode("n"), daemon), named("p", "1")}, []string{"p"}, []string{"low", "3"},
		},
		"a nominated pod below the cut-off": {
			[]*corev1.Pod{named("low", "1", priority(-11), nominated("n")), named("p", "1")}, []string{"p"}, []string{"4"},
		},
		"a pod that refuses machines is left to others": {
			[]*corev1.Pod{named("own", "1", builders.NodeAffinity(corev1.NodeSelectorRequirement{
				Key: "karpenter.sh/provisioner-name", Operator: corev1.NodeSelectorOpDoesNotExist,
			}))}, nil, []string{"4"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := build(clusterOf([]*corev1.Node{builders.Node("n")}, tc.pods...), nil)
			if diff := cmp.Diff(tc.wantPods, podNames(got.Pods)); diff != "" {
				t.Errorf("pods to place (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.wantThere, place(got)); diff != "" {
				t.Errorf("on the node, and left (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNothingIsBoughtForExpendablePodsOfANodeThatGoes(t *testing.T) {
	going := builders.Node("n", builders.Taint("karpenter.sh/disrupted", "", corev1.TaintEffectNoSchedule))
	got := build(clusterOf([]*corev1.Node{going}, named("low", "1", priority(-11), builders.OnNode("n")), named("p", "1", builders.OnNode("n"))), nil)
	if diff := cmp.Diff([]string{"p"}, podNames(got.Pods)); diff != "" {
		t.Errorf("pods to place (-want +got):\n%s", diff)
	}
}

func TestAClaimForOnePodAtATimeGoesToOneOfThoseThatWait(t *testing.T) {
	cluster := state.NewCluster()
	cluster.UpdateStorageClass(builders.StorageClass("gp3"))
	cluster.UpdateClaim(builders.VolumeClaim("one", func(c *corev1.PersistentVolumeClaim) {
		c.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOncePod}
	}))
	for _, name := range []string{"c", "a", "b"} {
		cluster.UpdatePod(named(name, "1", builders.Claim("one")))
	}
	got := build(cluster.Snapshot(epoch()), nil).Volumes
	for name, want := range map[types.UID]bool{"default/a": false, "default/b": true, "default/c": true} {
		if trouble := got[name].Trouble; strings.Contains(trouble, `pod "a" is to have it`) != want {
			t.Errorf("trouble of pod %s is %q, want that another is to have the claim: %t", name, trouble, want)
		}
	}
}

func TestVolumesAreAskedForByPodsThatHaveSome(t *testing.T) {
	cluster := state.NewCluster()
	cluster.UpdateNode(builders.Node("n"))
	cluster.UpdateNode(builders.Node("going", builders.Taint("karpenter.sh/disrupted", "", corev1.TaintEffectNoSchedule)))
	cluster.UpdateCSINode(builders.CSINode("n", builders.EBSDriver, 25))
	cluster.UpdateStorageClass(builders.StorageClass("gp3", builders.MadeIn(corev1.LabelTopologyZone, "a")))
	cluster.UpdateVolume(builders.PersistentVolume("v", builders.ClaimedBy("old"), builders.ReachedFrom(corev1.LabelHostname, "going")))
	cluster.UpdateClaim(builders.VolumeClaim("new"))
	cluster.UpdateClaim(builders.VolumeClaim("old", builders.BoundTo("v")))
	for _, pod := range []*corev1.Pod{
		named("plain", "1"), named("asks", "1", builders.Claim("new")), named("missing", "1", builders.Claim("nowhere")),
		named("runs", "1", builders.Claim("new"), builders.OnNode("n")), named("displaced", "1", builders.Claim("old"), builders.OnNode("going")),
	} {
		cluster.UpdatePod(pod)
	}
	got := build(cluster.Snapshot(epoch()), nil)

	if len(got.Volumes) != 3 {
		t.Errorf("%d pods ask for volumes, want 3: %v", len(got.Volumes), got.Volumes)
	}
	asks := got.Volumes["default/asks"]
	if len(asks.Topologies) != 1 || asks.Attachments[builders.EBSDriver] != 1 || asks.Trouble != "" {
		t.Errorf("the pod with a new claim asks for %+v", asks)
	}
	if trouble := got.Volumes["default/missing"].Trouble; trouble == "" {
		t.Error("there is no trouble with a claim that does not exist")
	}
	if trouble := got.Volumes["default/displaced"].Trouble; trouble == "" {
		t.Error("a volume of a node that goes can be reached from nowhere else, and there is no trouble")
	}
	if left := got.Nodes[0].Attachable[builders.EBSDriver]; left != 24 {
		t.Errorf("the node can attach %d more volumes, want 24", left)
	}
}

func TestWhatElseTheSolverIsTold(t *testing.T) {
	cluster := state.NewCluster()
	cluster.UpdateNamespace(&corev1.Namespace{})
	snapshot := cluster.Snapshot(epoch())
	settings := solver.Settings{NodeFee: 0.1, MostDearer: 2, Steps: 3, IgnorePreferences: true}
	got := Build(Facts{Snapshot: snapshot, Settings: settings})
	if got.Settings != settings || len(got.Namespaces) != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestAnAliasOfTheZoneIsTheZone(t *testing.T) {
	pod := builders.Pod(builders.NodeSelector(map[string]string{"topology.ebs.csi.aws.com/zone": "a"}))
	if value, ok := scheduling.PodRequirements(pod)[0].Get(corev1.LabelTopologyZone).Single(); !ok || value != "a" {
		t.Errorf("got %s", scheduling.PodRequirements(pod)[0])
	}
}
