package solver_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// twoSizes are an instance type of 4 cores, of which the kubelet keeps 80m, and one of 2, which is the only one as spot.
func twoSizes() cloudprovider.InstanceTypes {
	category := builders.TypeLabel(categoryLabel, "m")
	return cloudprovider.InstanceTypes{
		builders.InstanceType("m5.large", category, builders.Capacity("2", "8Gi", 29), builders.Spot(0.04, "zone-a"), builders.OnDemand(0.1, "zone-a")),
		builders.InstanceType("m5.xlarge", category, builders.Capacity("4", "16Gi", 58), builders.Reserved("80m", "0"), builders.OnDemand(0.2, "zone-a", "zone-b"), builders.SoldOut("zone-b")),
	}
}

func requires(key string, operator corev1.NodeSelectorOperator, values ...string) func(*solver.Provisioner) {
	return func(p *solver.Provisioner) {
		p.Requirements = p.Requirements.Union(scheduling.NewRequirements(scheduling.NewRequirement(key, operator, values...)))
	}
}

func selecting(key, value string) builders.PodModifier {
	return builders.NodeSelector(map[string]string{key: value})
}

func TestReasonsSayWhatIsMissingAndWhatToChange(t *testing.T) {
	for name, tc := range map[string]struct {
		pod         []builders.PodModifier
		provisioner []func(*solver.Provisioner)
		daemon      []builders.PodModifier
		want        string
	}{
		"a taint": {
			provisioner: []func(*solver.Provisioner){func(p *solver.Provisioner) {
				p.Taints = []corev1.Taint{{Key: "dedicated", Value: "db", Effect: corev1.TaintEffectNoSchedule}}
			}},
			want: "taint dedicated=db:NoSchedule of provisioner default is not tolerated; add a toleration to the pod or allow it in another provisioner",
		},
		"a label that the provisioner does not define": {
			pod:  []builders.PodModifier{selecting("example.com/team", "red")},
			want: "example.com/team In [red] is asked for, provisioner default does not define the label; add it to its labels or requirements",
		},
		"a label that the provisioner has otherwise": {
			pod: []builders.PodModifier{selecting("example.com/team", "red")}, provisioner: []func(*solver.Provisioner){requires("example.com/team", "In", "blue")},
			want: "example.com/team In [red] is asked for where there is example.com/team In [blue]; change it in provisioner default or in the pod",
		},
		"a label that nobody gives a value": {
			pod:         []builders.PodModifier{builders.NodeAffinity(corev1.NodeSelectorRequirement{Key: "example.com/team", Operator: "Exists"})},
			provisioner: []func(*solver.Provisioner){requires("example.com/team", "Exists")},
			want:        "example.com/team Exists is asked for, but neither the pod nor provisioner default says which value; name one",
		},
		"labels and requirements that contradict each other": {
			provisioner: []func(*solver.Provisioner){requires("example.com/rack", "In", "r1"), requires("example.com/rack", "In", "r2")},
			want:        "labels and requirements of provisioner default contradict each other on example.com/rack; change one of them",
		},
		"a label that no instance type has": {
			pod:  []builders.PodModifier{selecting(categoryLabel, "c")},
			want: categoryLabel + " In [c] is asked for, no instance type that provisioner default allows has it; no other has it, so change it in the pod",
		},
		"a zone": {
			pod:  []builders.PodModifier{selecting(corev1.LabelTopologyZone, "zone-c")},
			want: "topology.kubernetes.io/zone In [zone-c] is asked for, provisioner default has offerings in [zone-a] only; change it there or in the pod",
		},
		"a capacity type": {
			pod:         []builders.PodModifier{selecting(v1alpha5.CapacityTypeLabel, "spot")},
			provisioner: []func(*solver.Provisioner){requires(corev1.LabelInstanceTypeStable, "In", "m5.xlarge")},
			want:        "karpenter.sh/capacity-type In [spot] is asked for, provisioner default has offerings in [on-demand] only; change it there or in the pod",
		},
		"a hostname": {
			pod:  []builders.PodModifier{selecting(corev1.LabelHostname, "node-1")},
			want: "kubernetes.io/hostname In [node-1] is asked for, a new node has a name of its own; remove it from the pod",
		},
		"cpu of which larger types have enough": {
			pod: []builders.PodModifier{builders.CPU("3")}, provisioner: []func(*solver.Provisioner){requires(corev1.LabelInstanceTypeStable, "In", "m5.large")},
			want: "3 cpu asked, largest allowed type m5.large has 2; allow node.kubernetes.io/instance-type m5.xlarge in provisioner default",
		},
		"cpu of which no type has enough": {
			pod:  []builders.PodModifier{builders.CPU("8")},
			want: "8 cpu asked, largest allowed type m5.xlarge has 3.92; no instance type is that large, so ask for less or split the pod",
		},
		"a label that is misspelt": {
			pod:  []builders.PodModifier{selecting("karpenter.k8s.aws/instance-categry", "m")},
			want: "karpenter.k8s.aws/instance-categry In [m] is asked for, provisioner default does not define the label; did you mean karpenter.k8s.aws/instance-category?",
		},
		"a resource that is misspelt": {
			pod:  []builders.PodModifier{builders.Request("memroy", "1")},
			want: "memroy is asked for, no instance type of provisioner default has any; did you mean memory?",
		},
		"an instance type that there is not": {
			provisioner: []func(*solver.Provisioner){requires(corev1.LabelInstanceTypeStable, "In", "m5.larg")},
			want:        "node.kubernetes.io/instance-type In [m5.larg] of provisioner default leaves no instance type on offer; allow another value, e.g. m5.large",
		},
		"memory": {
			pod:  []builders.PodModifier{builders.Memory("20Gi")},
			want: "20Gi memory asked, largest allowed type m5.xlarge has 16Gi; no instance type is that large, so ask for less or split the pod",
		},
		"a resource that nothing has": {
			pod:  []builders.PodModifier{builders.Request("example.com/widget", "1")},
			want: "example.com/widget is asked for, no instance type of provisioner default has any; remove the request, or correct its name",
		},
		"what is large enough is sold only in another way": {
			pod:  []builders.PodModifier{builders.CPU("3"), selecting(v1alpha5.CapacityTypeLabel, "spot")},
			want: "instance types that are large enough, e.g. m5.xlarge, are not on offer as [spot] in [zone-a]; allow other zones, capacity types or instance types in provisioner default",
		},
		"nothing on offer": {
			provisioner: []func(*solver.Provisioner){requires(v1alpha5.CapacityTypeLabel, "In", "other")},
			want:        "karpenter.sh/capacity-type In [other] of provisioner default leaves no instance type on offer; allow another value, e.g. spot",
		},
		"a limit": {
			pod: []builders.PodModifier{builders.CPU("3")}, provisioner: []func(*solver.Provisioner){func(p *solver.Provisioner) {
				p.Remaining = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("3")}
			}},
			want: "limit cpu of provisioner default is reached: 3 is left, the smallest machine for it takes 4; raise it in spec.limits",
		},
		"a DaemonSet in the way": {
			pod: []builders.PodModifier{builders.HostPort(80)}, daemon: []builders.PodModifier{builders.HostPort(80)},
			want: "a DaemonSet of provisioner default holds a host port of the pod, keeps it away, or leaves no room on any instance type; change the DaemonSet or the pod",
		},
		"too few values": {
			pod: []builders.PodModifier{builders.CPU("3")}, provisioner: []func(*solver.Provisioner){func(p *solver.Provisioner) {
				p.MinValues = map[string]int{corev1.LabelInstanceTypeStable: 2}
			}},
			want: "instance types that host the pod have 1 values of node.kubernetes.io/instance-type, minValues of provisioner default asks for 2; lower it, or allow more",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := solver.Problem{Pods: []*corev1.Pod{builders.Pod(append(tc.pod, builders.Name("pod"))...)}, Provisioners: plain(tc.provisioner...)}
			p.Provisioners[0].InstanceTypes = twoSizes()
			if tc.daemon != nil {
				p.DaemonSets = []*corev1.Pod{builders.Pod(append(tc.daemon, builders.Name("daemon"))...)}
			}
			want := []solver.Unplaced{{Pod: p.Pods[0], Reason: tc.want, Misses: []solver.Miss{{Provisioner: "default", Reason: tc.want}}}}
			if diff := cmp.Diff(want, solver.Solve(t.Context(), p).Unplaced); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// withDevices are twoSizes and a type with a device; nodes of all of them have a disk of 20Gi.
func withDevices() cloudprovider.InstanceTypes {
	device := builders.InstanceType("g4dn.xlarge", builders.TypeLabel(categoryLabel, "g"), builders.Capacity("4", "16Gi", 29),
		builders.Has("nvidia.com/gpu", "1"), builders.OnDemand(0.5, "zone-a"))
	types := append(cloudprovider.InstanceTypes{device}, twoSizes()...)
	for _, it := range types {
		builders.Has(corev1.ResourceEphemeralStorage, "20Gi")(it)
	}
	return types
}

func TestReasonsNameWhatExcludesTheTypeThatWouldDo(t *testing.T) {
	for name, tc := range map[string]struct {
		pod  builders.PodModifier
		want string
	}{
		"another category": {
			pod:  builders.Request("nvidia.com/gpu", "1"),
			want: "1 nvidia.com/gpu asked, no type that is allowed has any; allow karpenter.k8s.aws/instance-category g, e.g. g4dn.xlarge, in provisioner default",
		},
		"the disk of the template": {
			pod:  builders.Request(corev1.ResourceEphemeralStorage, "50Gi"),
			want: "50Gi ephemeral-storage asked, largest allowed type m5.large has 20Gi; raise volumeSize in blockDeviceMappings of the AWSNodeTemplate of provisioner default",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := solver.Problem{Pods: []*corev1.Pod{builders.Pod(tc.pod)}, Provisioners: plain(requires(categoryLabel, "In", "m"))}
			p.Provisioners[0].InstanceTypes = withDevices()
			if got := solver.Solve(t.Context(), p).Unplaced; len(got) != 1 || got[0].Reason != tc.want {
				t.Errorf("unplaced: %v, want %q", got, tc.want)
			}
		})
	}
}

func TestAMissingTolerationIsNearerThanAMissingDevice(t *testing.T) {
	p := solver.Problem{Pods: []*corev1.Pod{builders.Pod(builders.Request("nvidia.com/gpu", "1"))}}
	p.Provisioners = append(plain(requires(categoryLabel, "In", "m")), solver.Provisioner{
		Name: "gpu", InstanceTypes: withDevices(), Taints: []corev1.Taint{{Key: "gpu", Effect: corev1.TaintEffectNoSchedule}},
	})
	p.Provisioners[0].InstanceTypes = withDevices()
	if got := solver.Solve(t.Context(), p).Unplaced; len(got) != 1 || !strings.HasPrefix(got[0].Reason, "taint gpu") {
		t.Errorf("unplaced: %v, want the taint", got)
	}
}

func TestEachProvisionerSaysWhyItBuysNothing(t *testing.T) {
	pod := builders.Pod(builders.CPU("3"))
	p := solver.Problem{Pods: []*corev1.Pod{pod}}
	for name, weight := range map[string]int32{"light": 1, "heavy": 9} {
		p.Provisioners = append(p.Provisioners, solver.Provisioner{Name: name, Weight: weight, InstanceTypes: twoSizes()[:1]})
	}
	p.Provisioners[0].Taints = []corev1.Taint{{Key: p.Provisioners[0].Name, Effect: corev1.TaintEffectNoSchedule}}
	var got []string
	for _, m := range solver.Solve(t.Context(), p).Unplaced[0].Misses {
		got = append(got, m.Provisioner)
		if tainted := strings.Contains(m.Reason, "taint "+m.Provisioner); tainted != (m.Provisioner == p.Provisioners[0].Name) {
			t.Errorf("%s: %s", m.Provisioner, m.Reason)
		}
	}
	if diff := cmp.Diff([]string{"heavy", "light"}, got); diff != "" {
		t.Error(diff)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	p.Pods = shapes(1, 1)
	for _, m := range solver.Solve(ended, p).Unplaced[0].Misses {
		if m.Provisioner != p.Provisioners[0].Name && !strings.Contains(m.Reason, "time") {
			t.Errorf("%s: %s", m.Provisioner, m.Reason)
		}
	}
}

func TestQuantitiesBeyondAllReasonAreToldAsThePodHasThem(t *testing.T) {
	p := solver.Problem{Provisioners: plain(), Pods: []*corev1.Pod{
		builders.Pod(builders.Name("a"), builders.CPU("5E")), builders.Pod(builders.Name("b"), builders.CPU("7E")), builders.Pod(builders.Name("c"), builders.Memory("6Ei")),
	}}
	got := map[string]string{}
	for _, u := range solver.Solve(t.Context(), p).Unplaced {
		got[u.Pod.Name], _, _ = strings.Cut(u.Reason, ",")
	}
	if diff := cmp.Diff(map[string]string{"a": "5E cpu asked", "b": "7E cpu asked", "c": "6Ei memory asked"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestEachProvisionerNamesTheClaimWhoseVolumeItCannotReach(t *testing.T) {
	one, other := builders.Pod(builders.Name("one")), builders.Pod(builders.Name("other"))
	far := [][]scheduling.Requirements{{scheduling.FromLabels(map[string]string{corev1.LabelTopologyZone: "far"})}}
	p := solver.Problem{Pods: []*corev1.Pod{one, other}, Provisioners: plain(), Volumes: map[types.UID]solver.Volumes{
		one.UID: {Topologies: far, Claims: []string{"data-0"}}, other.UID: {Topologies: far, Claims: []string{"data-1"}},
	}}
	for _, u := range solver.Solve(t.Context(), p).Unplaced {
		claim := map[*corev1.Pod]string{one: `"data-0"`, other: `"data-1"`}[u.Pod]
		if len(u.Misses) != 1 || !strings.Contains(u.Misses[0].Reason, claim) || !strings.Contains(u.Reason, claim) {
			t.Errorf("%s: %s, misses %v, want claim %s in both", u.Pod.Name, u.Reason, u.Misses, claim)
		}
	}
}
