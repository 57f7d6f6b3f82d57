package problem

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/state"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func going(m *v1alpha5.Machine) { m.DeletionTimestamp = new(metav1.Now()) }

func podNames(list []*corev1.Pod) []string {
	var out []string
	for _, pod := range list {
		out = append(out, pod.Name)
	}
	return out
}

func TestPodsThatNeedAPlace(t *testing.T) {
	now := metav1.Now()
	terminating := func(p *corev1.Pod) { p.DeletionTimestamp = &now }
	going := builders.Node("going", builders.Taint(v1alpha5.DisruptedTaintKey, "", corev1.TaintEffectNoSchedule))
	on := func(name string, modifiers ...builders.PodModifier) *corev1.Pod {
		return builders.Pod(append([]builders.PodModifier{builders.Name(name), builders.OnNode("going")}, modifiers...)...)
	}
	problem := build(state.Snapshot{
		Pending: []*corev1.Pod{
			builders.Pod(builders.Name("p")),
			builders.Pod(builders.Name("not-looked-at-yet"), func(p *corev1.Pod) { p.Status.Conditions = nil }),
			builders.Pod(builders.Name("terminating"), terminating),
			builders.Pod(builders.Name("daemon"), builders.OwnedBy("apps/v1", "DaemonSet", "d")),
		},
		Entries: []state.Entry{
			{Node: going, Pods: running(
				on("r", builders.OwnedBy("apps/v1", "ReplicaSet", "r")), on("bare"), on("going-too", terminating),
				on("keeps-the-node", builders.Annotation(v1alpha5.DoNotEvictAnnotation, "true")),
				on("daemon-there", builders.OwnedBy("apps/v1", "DaemonSet", "d")), on("done", func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }),
			)},
			{Node: builders.Node("stays"), Pods: running(builders.Pod(builders.Name("settled"), builders.OnNode("stays")))},
		},
	}, offersOf())
	if diff := cmp.Diff([]string{"p", "bare", "r"}, podNames(problem.Pods)); diff != "" {
		t.Errorf("pods (-want +got):\n%s", diff)
	}
	if len(problem.Nodes) != 1 || problem.Nodes[0].Name != "stays" {
		t.Errorf("%d nodes may be filled, want only the one that stays: %v", len(problem.Nodes), problem.Nodes)
	}
}

func TestAMachineWhoseNodeVanishedHostsNothing(t *testing.T) {
	machine := builders.Machine("m", "default")
	machine.Status.ProviderID, machine.Status.NodeName = "fake:///a/i-1", "was-here"
	cluster := state.NewCluster()
	cluster.UpdateMachine(machine)
	cluster.UpdatePod(builders.Pod(builders.Name("pending"), builders.CPU("1")))
	problem := build(cluster.Snapshot(time.Now()), nil)
	if len(problem.Nodes) != 0 || len(problem.Pods) != 1 {
		t.Errorf("%d pods are offered %d nodes, of which the only one is gone", len(problem.Pods), len(problem.Nodes))
	}
}

// nodeOf returns a node of provisioner p with 3 cpu and no machine.
func nodeOf(name string, deleted *metav1.Time) *corev1.Node {
	node := builders.Node(name)
	node.Labels = map[string]string{v1alpha5.ProvisionerNameLabel: "p"}
	node.Status.Capacity = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("3")}
	node.DeletionTimestamp = deleted
	return node
}

func TestWhatLimitsLeave(t *testing.T) {
	joined := func(name string, modifiers ...builders.MachineModifier) state.Entry {
		return state.Entry{Machine: builders.Machine(name, "p", append([]builders.MachineModifier{builders.LaunchedAs("i-"+name, "4", "16Gi", 58)}, modifiers...)...)}
	}
	limit := builders.Limit(corev1.ResourceCPU, "10")
	tests := map[string]struct {
		provisioner *v1alpha5.Provisioner
		entries     []state.Entry
		want        map[string]string
	}{
		"no limits":           {builders.Provisioner("p"), []state.Entry{joined("a")}, map[string]string{}},
		"nothing is launched": {builders.Provisioner("p", limit), nil, map[string]string{"cpu": "10"}},
		"one is launched":     {builders.Provisioner("p", limit), []state.Entry{joined("a")}, map[string]string{"cpu": "6"}},
		"one is on its way out, and does not count": {builders.Provisioner("p", limit), []state.Entry{joined("a"), joined("b", going)}, map[string]string{"cpu": "6"}},
		"limits are exceeded":                       {builders.Provisioner("p", limit), []state.Entry{joined("a"), joined("b"), joined("c")}, map[string]string{"cpu": "-2"}},
		"one without an instance counts as the most that it may become": {
			builders.Provisioner("p", limit, builders.Limit(corev1.ResourceMemory, "100Gi")),
			[]state.Entry{{Machine: builders.Machine("a", "p", instanceTypes("c5.xlarge", "r5.large", "gone.large"))}},
			map[string]string{"cpu": "6", "memory": "84Gi"},
		},
		"machines are limited like a resource": {
			builders.Provisioner("p", builders.Limit(v1alpha5.ResourceNodes, "3")),
			[]state.Entry{joined("a"), {Machine: builders.Machine("b", "p", instanceTypes("c5.large"))}}, map[string]string{"nodes": "1"},
		},
		"a node whose machine is not there counts while it is capacity": {
			builders.Provisioner("p", limit, builders.Limit(v1alpha5.ResourceNodes, "3")),
			[]state.Entry{{Node: nodeOf("n", nil)}, {Node: nodeOf("going", new(metav1.Now()))}}, map[string]string{"cpu": "7", "nodes": "2"},
		},
		"machines of others and nodes of nobody do not count": {
			builders.Provisioner("p", limit),
			[]state.Entry{{Machine: builders.Machine("a", "q", builders.LaunchedAs("i-1", "4", "16Gi", 58))}, {Node: builders.Node("n")}},
			map[string]string{"cpu": "10"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			problem := build(state.Snapshot{Entries: tc.entries}, offersOf(tc.provisioner))
			if diff := cmp.Diff(tc.want, quantities(problem.Provisioners[0].Remaining)); diff != "" {
				t.Errorf("remaining (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBuildingAProblemChangesNothing(t *testing.T) {
	provisioner := builders.Provisioner("p", builders.Limit(corev1.ResourceCPU, "10"), builders.Limit(corev1.ResourceMemory, "12.5E"))
	machine := builders.Machine("m", "p", builders.LaunchedAs("i-1", "4", "16Gi", 58))
	entry := state.Entry{Machine: machine, Node: builders.Node("n", builders.ProviderID("i-1")), Pods: running(builders.Pod(builders.OnNode("n")))}
	offers := offersOf(provisioner)
	snapshot := state.Snapshot{Entries: []state.Entry{entry}, DaemonSets: []*appsv1.DaemonSet{daemonSet("d", "100m", nil)}}
	wantProvisioner, wantMachine, wantNode := provisioner.DeepCopy(), machine.DeepCopy(), entry.Node.DeepCopy()
	first := build(snapshot, offers)
	second := build(snapshot, offers)
	if diff := cmp.Diff(quantities(first.Provisioners[0].Remaining), quantities(second.Provisioners[0].Remaining)); diff != "" {
		t.Errorf("what limits leave, asked twice (-first +second):\n%s", diff)
	}
	for _, diff := range []string{cmp.Diff(wantProvisioner, provisioner), cmp.Diff(wantMachine, machine), cmp.Diff(wantNode, entry.Node)} {
		if diff != "" {
			t.Errorf("an object that is shared with the cache changed (-then +now):\n%s", diff)
		}
	}
}

func TestAProvisionerIsWhatItsMachinesAre(t *testing.T) {
	p := builders.Provisioner("p", builders.Weight(7), builders.MachineLabels(map[string]string{"team": "a"}),
		builders.Requirement("team", corev1.NodeSelectorOpIn, "a", "b"), builders.MachineTaint("team", "a", corev1.TaintEffectNoSchedule),
		func(p *v1alpha5.Provisioner) { p.Spec.StartupTaints = []v1alpha5.Taint{{Key: "cni"}} })
	got := NewOffer(p, nil).provisioner(nil)
	if got.Name != "p" || got.Weight != 7 || got.Remaining != nil || len(got.Taints) != 1 || got.Taints[0].Key != "team" {
		t.Errorf("got %+v", got)
	}
	if value, ok := got.Requirements.Get("team").Single(); !ok || value != "a" {
		t.Errorf("the label settles its requirement, got %s", got.Requirements)
	}
	if value, ok := got.Requirements.Get(v1alpha5.ProvisionerNameLabel).Single(); !ok || value != "p" {
		t.Errorf("pods may select the provisioner by its name, got %s", got.Requirements)
	}
}

func TestMinValuesReachTheProblem(t *testing.T) {
	p := builders.Provisioner("p", builders.Requirement("karpenter.k8s.aws/instance-family", corev1.NodeSelectorOpExists),
		builders.Requirement("beta.kubernetes.io/instance-type", corev1.NodeSelectorOpExists),
		builders.Requirement(corev1.LabelInstanceTypeStable, corev1.NodeSelectorOpNotIn, "t3.nano"),
		builders.Requirement(v1alpha5.CapacityTypeLabel, corev1.NodeSelectorOpIn, "spot"))
	for i, least := range []int32{3, 5, 4} {
		p.Spec.Requirements[i].MinValues = &least
	}
	got := build(state.Snapshot{}, offersOf(p, builders.Provisioner("q"))).Provisioners
	want := map[string]int{"karpenter.k8s.aws/instance-family": 3, corev1.LabelInstanceTypeStable: 5}
	if diff := cmp.Diff(want, got[0].MinValues); diff != "" {
		t.Errorf("minValues (-want +got):\n%s", diff)
	}
	if got[1].MinValues != nil {
		t.Errorf("a provisioner without minValues has %v", got[1].MinValues)
	}
}

func TestProvisionersComeInOrderOfName(t *testing.T) {
	for range 10 {
		problem := build(state.Snapshot{}, offersOf(builders.Provisioner("c"), builders.Provisioner("a"), builders.Provisioner("b")))
		var got []string
		for _, p := range problem.Provisioners {
			got = append(got, p.Name)
		}
		if diff := cmp.Diff([]string{"a", "b", "c"}, got); diff != "" {
			t.Fatalf("provisioners (-want +got):\n%s", diff)
		}
	}
}

func TestADaemonSetsPodIsNamedAndOwnedByIt(t *testing.T) {
	d := daemonSet("d", "100m", nil)
	d.Namespace = "kube-system"
	d.Spec.Template.Labels = map[string]string{"app": "d"}
	pod := daemonPod(d, nil)
	if pod.Name != "d" || pod.Namespace != "kube-system" || pod.UID != d.UID || pod.Labels["app"] != "d" {
		t.Errorf("got %s/%s %s %v", pod.Namespace, pod.Name, pod.UID, pod.Labels)
	}
	if d.Spec.Template.Name != "" {
		t.Error("the DaemonSet itself was changed")
	}
}
