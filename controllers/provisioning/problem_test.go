package provisioning

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
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
	problem := buildProblem(state.Snapshot{
		Pending: []*corev1.Pod{
			builders.Pod(builders.Name("p")),
			builders.Pod(builders.Name("not-looked-at-yet"), func(p *corev1.Pod) { p.Status.Conditions = nil }),
			builders.Pod(builders.Name("terminating"), terminating),
			builders.Pod(builders.Name("daemon"), builders.OwnedBy("apps/v1", "DaemonSet", "d")),
		},
		Entries: []state.Entry{
			{Node: going, Pods: running(
				on("r", builders.OwnedBy("apps/v1", "ReplicaSet", "r")), on("bare"), on("going-too", terminating),
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
		"machines of others and nodes of nobody do not count": {
			builders.Provisioner("p", limit),
			[]state.Entry{{Machine: builders.Machine("a", "q", builders.LaunchedAs("i-1", "4", "16Gi", 58))}, {Node: builders.Node("n")}},
			map[string]string{"cpu": "10"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			problem := buildProblem(state.Snapshot{Entries: tc.entries}, offersOf(tc.provisioner))
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
	first := buildProblem(snapshot, offers)
	second := buildProblem(snapshot, offers)
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
	got := provisioner(p, nil, nil)
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

func TestProvisionersComeInOrderOfName(t *testing.T) {
	for range 10 {
		problem := buildProblem(state.Snapshot{}, offersOf(builders.Provisioner("c"), builders.Provisioner("a"), builders.Provisioner("b")))
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
	pod := daemonPod(d)
	if pod.Name != "d" || pod.Namespace != "kube-system" || pod.UID != d.UID || pod.Labels["app"] != "d" {
		t.Errorf("got %s/%s %s %v", pod.Namespace, pod.Name, pod.UID, pod.Labels)
	}
	if d.Spec.Template.Name != "" {
		t.Error("the DaemonSet itself was changed")
	}
}

// planned returns a machine as the solver plans it.
func planned(provisioner, zone, cpu string, types ...string) solver.Machine {
	return solver.Machine{
		Provisioner: provisioner, InstanceTypes: types, PricePerHour: 0.0425,
		Requirements: scheduling.NewRequirements(
			scheduling.NewRequirement(corev1.LabelTopologyZone, corev1.NodeSelectorOpIn, zone),
			scheduling.NewRequirement(v1alpha5.CapacityTypeLabel, corev1.NodeSelectorOpIn, v1alpha5.CapacityTypeSpot),
			scheduling.NewRequirement(corev1.LabelArchStable, corev1.NodeSelectorOpExists)),
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)},
	}
}

func TestMachinesThatLaunchAlikeShareAGroup(t *testing.T) {
	list, err := buildMachines([]solver.Machine{
		planned("p", "a", "1", "c5.large", "m5.large"),
		planned("p", "b", "1", "c5.large", "m5.large"),
		planned("p", "a", "1900m", "c5.large", "m5.large"), // other pods, the same request
		planned("p", "a", "1", "m5.large", "c5.large"),     // another order of preference
		planned("q", "a", "1", "c5.large", "m5.large"),
		planned("p", "b", "1", "c5.large", "m5.large"),
		planned("p", "a", "100m", "c5.large", "m5.large"),
	}, offersOf(builders.Provisioner("p"), builders.Provisioner("q")))
	if err != nil {
		t.Fatal(err)
	}
	groups := map[string][]int{}
	for i, machine := range list {
		groups[machine.Spec.LaunchGroup.Name] = append(groups[machine.Spec.LaunchGroup.Name], i)
	}
	if len(groups) != 4 {
		t.Errorf("there are %d launch groups, want 4", len(groups))
	}
	for _, want := range [][]int{{0, 2, 6}, {1, 5}, {3}, {4}} {
		group := list[want[0]].Spec.LaunchGroup
		if diff := cmp.Diff(want, groups[group.Name]); diff != "" {
			t.Errorf("machines of a group (-want +got):\n%s", diff)
		}
		if int(group.Size) != len(want) {
			t.Errorf("the size of a group of %d is %d", len(want), group.Size)
		}
	}
}

func TestAMachineSaysWhatWasDecided(t *testing.T) {
	p := builders.Provisioner("p", builders.MachineLabels(map[string]string{"team": "a"}), builders.MachineTaint("team", "a", corev1.TaintEffectNoSchedule),
		func(p *v1alpha5.Provisioner) {
			p.Spec.Annotations = map[string]string{"note": "x"}
			p.Spec.StartupTaints = []v1alpha5.Taint{{Key: "cni", Effect: corev1.TaintEffectNoExecute}}
			p.Spec.KubeletConfiguration = &v1alpha5.KubeletConfiguration{ClusterDNS: []string{"10.0.0.10"}}
		})
	list, err := buildMachines([]solver.Machine{planned("p", "a", "1", "c5.large", "m5.large")}, offersOf(p))
	if err != nil {
		t.Fatal(err)
	}
	got := list[0]
	got.Spec.LaunchGroup.Name = "group"
	controller, block := true, true
	want := &v1alpha5.Machine{
		ObjectMeta: metav1.ObjectMeta{
			GenerateName: "p-", Finalizers: []string{v1alpha5.TerminationFinalizer},
			Labels: map[string]string{
				"team": "a", v1alpha5.ProvisionerNameLabel: "p", corev1.LabelTopologyZone: "a", v1alpha5.CapacityTypeLabel: "spot",
			},
			Annotations: map[string]string{"note": "x", v1alpha5.PriceAnnotation: "0.0425"},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "karpenter.sh/v1alpha5", Kind: "Provisioner", Name: "p", UID: p.UID, Controller: &controller, BlockOwnerDeletion: &block,
			}},
		},
		Spec: v1alpha5.MachineSpec{
			Taints: v1alpha5.NodeTaints(p.Spec.Taints), StartupTaints: v1alpha5.NodeTaints(p.Spec.StartupTaints), Kubelet: p.Spec.KubeletConfiguration,
			MachineTemplateRef: p.Spec.ProviderRef, LaunchGroup: &v1alpha5.LaunchGroup{Name: "group", Size: 1},
			Resources: v1alpha5.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}},
			Requirements: []corev1.NodeSelectorRequirement{
				{Key: v1alpha5.CapacityTypeLabel, Operator: corev1.NodeSelectorOpIn, Values: []string{"spot"}},
				{Key: corev1.LabelArchStable, Operator: corev1.NodeSelectorOpExists},
				{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{"a"}},
				{Key: corev1.LabelInstanceTypeStable, Operator: corev1.NodeSelectorOpIn, Values: []string{"c5.large", "m5.large"}},
			},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("machine (-want +got):\n%s", diff)
	}
}
