package problem

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/fake"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/pkg/state"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// offersOf returns what provisioners may buy from the fake cloud.
func offersOf(provisioners ...*v1alpha5.Provisioner) Offers {
	out := Offers{}
	for _, p := range provisioners {
		out[p.Name] = NewOffer(p, fake.InstanceTypes())
	}
	return out
}

// build returns the problem of a cluster where pods of a priority below -10 are expendable.
func build(snapshot state.Snapshot, offers Offers) solver.Problem {
	return Build(Facts{Snapshot: snapshot, Offers: offers, ExpendableBelow: DefaultExpendableBelow})
}

// types says which instance types a machine may become.
func instanceTypes(names ...string) builders.MachineModifier {
	return builders.MachineRequirement(corev1.LabelInstanceTypeStable, corev1.NodeSelectorOpIn, names...)
}

func running(list ...*corev1.Pod) map[types.UID]*corev1.Pod {
	out := map[types.UID]*corev1.Pod{}
	for _, pod := range list {
		out[pod.UID] = pod
	}
	return out
}

// quantities writes a list as name -> value.
func quantities(list corev1.ResourceList) map[string]string {
	out := map[string]string{}
	for name, q := range list {
		out[string(name)] = q.String()
	}
	return out
}

func daemonSet(name, cpu string, change func(*corev1.PodSpec)) *appsv1.DaemonSet {
	spec := builders.Pod(builders.CPU(cpu)).Spec
	if change != nil {
		change(&spec)
	}
	return &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("DaemonSet/" + name)},
		Spec:       appsv1.DaemonSetSpec{Template: corev1.PodTemplateSpec{Spec: spec}},
	}
}

// translate returns what the solver sees of one node.
func translate(entry state.Entry, daemonSets ...*appsv1.DaemonSet) solver.Node {
	return build(state.Snapshot{Entries: []state.Entry{entry}, DaemonSets: daemonSets}, offersOf(builders.Provisioner("p"))).Nodes[0]
}

func TestWhatIsFreeOnANode(t *testing.T) {
	joined := builders.Machine("m", "p", builders.LaunchedAs("i-1", "4", "16Gi", 58))
	pod := func(name, cpu string, modifiers ...builders.PodModifier) *corev1.Pod {
		return builders.Pod(append([]builders.PodModifier{builders.Name(name), builders.CPU(cpu), builders.OnNode("n")}, modifiers...)...)
	}
	ready := builders.Node("n", builders.Managed("p"))
	tests := map[string]struct {
		entry      state.Entry
		daemonSets []*appsv1.DaemonSet
		want       map[string]string
		wantPods   []string // those that may take a host port
	}{
		"a node of somebody else": {
			entry: state.Entry{Node: builders.Node("n"), Pods: running(pod("a", "500m"), pod("b", "1"))},
			want:  map[string]string{"cpu": "2500m", "memory": "16Gi", "pods": "108"},
		},
		"a machine without instance is the least that it may become": {
			// c5.large has less memory, r5.large as many pods; both have 2 CPUs of which 80m are kept.
			entry: state.Entry{Machine: builders.Machine("m", "p", instanceTypes("c5.large", "r5.large"))},
			want:  map[string]string{"cpu": "1920m", "memory": "3422Mi", "pods": "29", "ephemeral-storage": "20Gi"},
		},
		"a machine of types that nobody offers any more is what was planned for it": {
			entry: state.Entry{Machine: builders.Machine("m", "p", instanceTypes("gone.large"), func(m *v1alpha5.Machine) {
				m.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("700m")}
			})},
			want: map[string]string{"cpu": "700m"},
		},
		"a machine with an instance is what that has": {
			entry: state.Entry{Machine: joined}, want: map[string]string{"cpu": "4", "memory": "16Gi", "pods": "58"},
		},
		"a node that has not reported everything": {
			entry: state.Entry{Machine: joined, Node: builders.Node("n", func(n *corev1.Node) {
				n.Status.Allocatable = corev1.ResourceList{
					corev1.ResourceCPU: resource.MustParse("3800m"), corev1.ResourceMemory: resource.MustParse("0"),
				}
			})},
			want: map[string]string{"cpu": "3800m", "memory": "16Gi", "pods": "58"},
		},
		"an initialized node is what it reports": {
			entry: state.Entry{Machine: joined, Node: builders.Node("n", builders.Managed("p"), builders.Allocatable("2", "1Gi", 5))},
			want:  map[string]string{"cpu": "2", "memory": "1Gi", "pods": "5"},
		},
		"a node with more on it than there is": {
			entry: state.Entry{Node: builders.Node("n"), Pods: running(pod("a", "5"))},
			want:  map[string]string{"cpu": "-1", "memory": "16Gi", "pods": "109"},
		},
		"daemonsets that are not there yet": {
			entry: state.Entry{Machine: joined}, daemonSets: []*appsv1.DaemonSet{daemonSet("a", "100m", nil), daemonSet("b", "200m", nil)},
			want: map[string]string{"cpu": "3700m", "memory": "16Gi", "pods": "56"},
		},
		"host ports of daemonsets that are not there yet": {
			entry: state.Entry{Machine: joined}, daemonSets: []*appsv1.DaemonSet{daemonSet("a", "100m", func(s *corev1.PodSpec) {
				s.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 80, HostPort: 80}}
			})},
			want: map[string]string{"cpu": "3900m", "memory": "16Gi", "pods": "57"}, wantPods: []string{"a"},
		},
		"a daemonset that is there counts once, by its pod": {
			entry:      state.Entry{Machine: joined, Node: ready, Pods: running(pod("d", "150m", builders.OwnedBy("apps/v1", "DaemonSet", "a")))},
			daemonSets: []*appsv1.DaemonSet{daemonSet("a", "100m", nil)},
			want:       map[string]string{"cpu": "3850m", "memory": "16Gi", "pods": "109"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := translate(tc.entry, tc.daemonSets...)
			if diff := cmp.Diff(tc.want, quantities(got.Available)); diff != "" {
				t.Errorf("available (-want +got):\n%s", diff)
			}
			var ported []string
			for _, pod := range got.Pods {
				if len(pod.Spec.Containers[0].Ports) > 0 {
					ported = append(ported, pod.Name)
				}
			}
			if !slices.Equal(tc.wantPods, ported) {
				t.Errorf("pods with host ports: %v, want %v", ported, tc.wantPods)
			}
		})
	}
}

func TestWhichDaemonSetsANodeRuns(t *testing.T) {
	tainted := builders.Machine("m", "p", builders.LaunchedAs("i-1", "4", "16Gi", 58), func(m *v1alpha5.Machine) {
		m.Spec.Taints = []corev1.Taint{{Key: "team", Effect: corev1.TaintEffectNoSchedule}}
		m.Spec.StartupTaints = []corev1.Taint{{Key: "cni", Effect: corev1.TaintEffectNoSchedule}}
		m.Labels[corev1.LabelOSStable] = "linux"
	})
	tolerating := func(s *corev1.PodSpec) { s.Tolerations = []corev1.Toleration{{Key: "team"}} }
	selecting := func(os string) func(*corev1.PodSpec) {
		return func(s *corev1.PodSpec) {
			tolerating(s)
			s.NodeSelector = map[string]string{corev1.LabelOSStable: os}
		}
	}
	pinned := func(s *corev1.PodSpec) {
		tolerating(s)
		s.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
			NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{
				{Key: corev1.LabelOSStable, Operator: corev1.NodeSelectorOpNotIn, Values: []string{"linux"}},
			}}},
		}}}
	}
	tests := map[string]struct {
		spec func(*corev1.PodSpec)
		want bool
	}{
		"one that does not tolerate the taints":   {nil, false},
		"one that tolerates them, startup aside":  {tolerating, true},
		"one that selects the node":               {selecting("linux"), true},
		"one that selects others":                 {selecting("windows"), false},
		"one that has an affinity to others only": {pinned, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			cpu := translate(state.Entry{Machine: tainted}, daemonSet("d", "1", tc.spec)).Available[corev1.ResourceCPU]
			if got := cpu.String() == "3"; got != tc.want {
				t.Errorf("%s of 4 CPUs are free, want the daemonset reserved: %t", cpu.String(), tc.want)
			}
		})
	}
}

func TestTaintsThatPassDoNotKeepPodsOff(t *testing.T) {
	machine := builders.Machine("m", "p", func(m *v1alpha5.Machine) {
		m.Spec.Taints = []corev1.Taint{{Key: "team", Effect: corev1.TaintEffectNoSchedule}}
		m.Spec.StartupTaints = []corev1.Taint{{Key: "cni", Effect: corev1.TaintEffectNoExecute}}
	})
	nodeWith := func(modifiers ...builders.NodeModifier) *corev1.Node {
		return builders.Node("n", append(modifiers,
			builders.Taint("team", "", corev1.TaintEffectNoSchedule),
			builders.Taint("karpenter.sh/consolidation-candidate", "", corev1.TaintEffectPreferNoSchedule),
			builders.Taint("cni", "x", corev1.TaintEffectNoExecute),
			builders.Taint(corev1.TaintNodeNotReady, "", corev1.TaintEffectNoSchedule),
			builders.Taint("node.cloudprovider.kubernetes.io/uninitialized", "true", corev1.TaintEffectNoSchedule),
			builders.Taint("readiness.k8s.io/gpu", "", corev1.TaintEffectNoExecute),
			builders.Taint("cni", "", corev1.TaintEffectNoSchedule))...)
	}
	tests := map[string]struct {
		entry state.Entry
		want  []string
	}{
		"before the node joined": {state.Entry{Machine: machine}, []string{"team:NoSchedule"}},
		"while it starts":        {state.Entry{Machine: machine, Node: nodeWith()}, []string{"team:NoSchedule", "cni:NoSchedule"}},
		"once it is initialized": {
			state.Entry{Machine: machine, Node: nodeWith(builders.Managed("p"))},
			[]string{
				"team:NoSchedule", "cni=x:NoExecute", "node.kubernetes.io/not-ready:NoSchedule",
				"node.cloudprovider.kubernetes.io/uninitialized=true:NoSchedule", "readiness.k8s.io/gpu:NoExecute", "cni:NoSchedule",
			},
		},
		"a node of somebody else": {
			state.Entry{Node: builders.Node("n", builders.Taint(corev1.TaintNodeNotReady, "", corev1.TaintEffectNoSchedule))},
			[]string{"node.kubernetes.io/not-ready:NoSchedule"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, taint := range translate(tc.entry).Taints {
				got = append(got, taint.ToString())
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("taints (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLabelsThatAreSettledAndThoseThatAreOpen(t *testing.T) {
	machine := builders.Machine("m", "p", instanceTypes("c5.large", "m5.large"),
		builders.MachineRequirement(corev1.LabelTopologyZone, corev1.NodeSelectorOpIn, "test-1a", "test-1b"),
		builders.MachineRequirement(corev1.LabelArchStable, corev1.NodeSelectorOpIn, "amd64"),
		func(m *v1alpha5.Machine) { m.Labels[corev1.LabelArchStable] = "amd64" })
	got := translate(state.Entry{Machine: machine})
	wantLabels := map[string]string{
		corev1.LabelArchStable: "amd64", v1alpha5.ProvisionerNameLabel: "p", corev1.LabelHostname: "m",
		// What both types have.
		corev1.LabelOSStable: "linux", corev1.LabelTopologyRegion: "test-1", "karpenter.k8s.aws/instance-size": "large",
		"karpenter.k8s.aws/instance-cpu": "2", "karpenter.k8s.aws/instance-generation": "5", "karpenter.k8s.aws/instance-pods": "29",
	}
	if diff := cmp.Diff(wantLabels, got.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	wantPossible := "karpenter.k8s.aws/instance-category In [c m], karpenter.k8s.aws/instance-family In [c5 m5], " +
		"karpenter.k8s.aws/instance-memory In [4096 8192], karpenter.sh/capacity-type In [on-demand spot], " +
		"node.kubernetes.io/instance-type In [c5.large m5.large], topology.kubernetes.io/zone In [test-1a test-1b]"
	if diff := cmp.Diff(wantPossible, got.Possible.String()); diff != "" {
		t.Errorf("open labels (-want +got):\n%s", diff)
	}
	if got.Initialized || got.Name != "m" {
		t.Errorf("a machine on its way is %q, initialized %t", got.Name, got.Initialized)
	}

	joined := translate(state.Entry{Machine: machine, Node: builders.Node("n", builders.NodeLabels(map[string]string{"extra": "x"}))})
	if joined.Name != "n" || joined.Labels[corev1.LabelHostname] != "n" || joined.Labels["extra"] != "x" || len(joined.Possible) != 0 {
		t.Errorf("a node that joined is %q with %v and open %v", joined.Name, joined.Labels, joined.Possible)
	}
}

func TestALabelThatSomeTypesLackIsOpen(t *testing.T) {
	offers := func(requirements ...scheduling.Requirements) Offers {
		var list cloudprovider.InstanceTypes
		for i, r := range requirements {
			list = append(list, &cloudprovider.InstanceType{Name: []string{"one", "other"}[i], Requirements: r})
		}
		return Offers{"p": NewOffer(builders.Provisioner("p"), list)}
	}
	gpu := func(operator corev1.NodeSelectorOperator, values ...string) scheduling.Requirements {
		return scheduling.NewRequirements(scheduling.NewRequirement("gpu", operator, values...))
	}
	machine := builders.Machine("m", "p", instanceTypes("one", "other"))
	for name, tc := range map[string]struct {
		offers Offers
		wants  map[bool][]scheduling.Requirements // whether it is sure to be met -> what pods may ask for
	}{
		"one has it, of the other it is not known": {offers(gpu(corev1.NodeSelectorOpIn, "a"), nil), map[bool][]scheduling.Requirements{
			false: {gpu(corev1.NodeSelectorOpIn, "a"), gpu(corev1.NodeSelectorOpDoesNotExist)}, true: {gpu(corev1.NodeSelectorOpNotIn, "b")},
		}},
		"one has it, and the other does not": {offers(gpu(corev1.NodeSelectorOpDoesNotExist), gpu(corev1.NodeSelectorOpIn, "a")), map[bool][]scheduling.Requirements{
			false: {gpu(corev1.NodeSelectorOpExists), gpu(corev1.NodeSelectorOpDoesNotExist)},
		}},
		"none has it": {offers(gpu(corev1.NodeSelectorOpDoesNotExist), gpu(corev1.NodeSelectorOpDoesNotExist)), map[bool][]scheduling.Requirements{
			false: {gpu(corev1.NodeSelectorOpExists)}, true: {gpu(corev1.NodeSelectorOpDoesNotExist)},
		}},
		"both have it": {offers(gpu(corev1.NodeSelectorOpIn, "a"), gpu(corev1.NodeSelectorOpIn, "b")), map[bool][]scheduling.Requirements{
			false: {gpu(corev1.NodeSelectorOpIn, "a"), gpu(corev1.NodeSelectorOpDoesNotExist)}, true: {gpu(corev1.NodeSelectorOpIn, "a", "b")},
		}},
	} {
		got := build(state.Snapshot{Entries: []state.Entry{{Machine: machine}}}, tc.offers).Nodes[0]
		for want, list := range tc.wants {
			for _, asked := range list {
				if reason := asked.Accepts(got.Labels, got.Possible); (reason == "") != want {
					t.Errorf("%s: %s is sure to be met: %t (%s)", name, asked, !want, reason)
				}
			}
		}
	}
}

func TestPodsOnANodeAreThereInOrder(t *testing.T) {
	list := running(
		builders.Pod(builders.Name("b"), builders.OnNode("n")), builders.Pod(builders.Name("c"), builders.OnNode("n")),
		builders.Pod(builders.Name("a"), builders.OnNode("n"), builders.HostPort(80)))
	for range 20 {
		var got []string
		for _, pod := range translate(state.Entry{Node: builders.Node("n"), Pods: list}).Pods {
			got = append(got, pod.Name)
		}
		if !slices.Equal(got, []string{"a", "b", "c"}) {
			t.Fatalf("the solver sees the pods %v, want all of them in order of UID", got)
		}
	}
}

func TestAMachineWithoutInstanceHasWhatIsMadeOnRequestOnlyIfItAsks(t *testing.T) {
	const card = corev1.ResourceName("example.com/card")
	with := *fake.InstanceTypes()[0]
	with.Capacity, with.OnRequest = with.Capacity.DeepCopy(), []corev1.ResourceName{card}
	with.Capacity[card] = resource.MustParse("4")
	offers := Offers{"p": NewOffer(builders.Provisioner("p"), cloudprovider.InstanceTypes{&with})}
	for asked, want := range map[string]int64{"": 0, "0": 0, "1": 4} {
		machine := builders.Machine("m", "p", instanceTypes(with.Name), func(m *v1alpha5.Machine) {
			if asked != "" {
				m.Spec.Resources.Requests = corev1.ResourceList{card: resource.MustParse(asked)}
			}
		})
		node := build(state.Snapshot{Entries: []state.Entry{{Machine: machine}}}, offers).Nodes[0]
		if free := node.Available[card]; free.Value() != want {
			t.Errorf("asked for %q: %s are free, want %d", asked, free.String(), want)
		}
	}
}
