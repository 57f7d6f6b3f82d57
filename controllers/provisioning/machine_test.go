package provisioning

import (
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/fake"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// offersOf returns what provisioners may buy from the fake cloud.
func offersOf(provisioners ...*v1alpha5.Provisioner) catalogue {
	c := catalogue{offers: problem.Offers{}}
	for _, p := range provisioners {
		c.offers[p.Name] = problem.NewOffer(p, fake.InstanceTypes())
	}
	return c
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

func TestAThousandMachinesThatLaunchAlikeAreAskedForInTenRequests(t *testing.T) {
	list, err := buildMachines(slices.Repeat([]solver.Machine{planned("p", "a", "1", "c5.large")}, 1050), offersOf(builders.Provisioner("p")), v1alpha5.MinValuesStrict)
	if err != nil {
		t.Fatal(err)
	}
	sizes, names := map[string]int32{}, map[string]bool{}
	for _, machine := range list {
		sizes[machine.Spec.LaunchGroup.Name]++
		names[machine.Name] = true
	}
	for _, machine := range list {
		if group := machine.Spec.LaunchGroup; group.Size != sizes[group.Name] || group.Size > groupSize {
			t.Errorf("a machine says that its group of %d has %d machines", sizes[group.Name], group.Size)
		}
	}
	if len(sizes) != 11 || len(names) != len(list) {
		t.Errorf("%d machines have %d groups and %d names", len(list), len(sizes), len(names))
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
	}, offersOf(builders.Provisioner("p"), builders.Provisioner("q")), v1alpha5.MinValuesStrict)
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

// What an extended resource needs of the launch, machines that do without do not get.
func TestMachinesOfDifferentExtendedResourcesAreLaunchedApart(t *testing.T) {
	asking := func(name corev1.ResourceName, quantity string) solver.Machine {
		m := planned("p", "a", "1", "c5.large")
		m.Requests[name] = resource.MustParse(quantity)
		return m
	}
	list, err := buildMachines([]solver.Machine{
		planned("p", "a", "1", "c5.large"), asking("example.com/card", "1"), asking("example.com/card", "2"), asking("example.com/card", "0"), asking("memory", "1Gi"),
	}, offersOf(builders.Provisioner("p")), v1alpha5.MinValuesStrict)
	if err != nil {
		t.Fatal(err)
	}
	groups := map[string]int{}
	for _, machine := range list {
		groups[machine.Spec.LaunchGroup.Name]++
	}
	if len(groups) != 2 || groups[list[0].Spec.LaunchGroup.Name] != 3 || groups[list[1].Spec.LaunchGroup.Name] != 2 {
		t.Errorf("groups %v", groups)
	}
}

func TestAMachineSaysWhatWasDecided(t *testing.T) {
	p := builders.Provisioner("p", builders.MachineLabels(map[string]string{"team": "a"}), builders.MachineTaint("team", "a", corev1.TaintEffectNoSchedule),
		func(p *v1alpha5.Provisioner) {
			p.Spec.Annotations = map[string]string{"note": "x"}
			p.Spec.StartupTaints = []v1alpha5.Taint{{Key: "cni", Effect: corev1.TaintEffectNoExecute}}
			p.Spec.KubeletConfiguration = &v1alpha5.KubeletConfiguration{ClusterDNS: []string{"10.0.0.10"}}
		})
	list, err := buildMachines([]solver.Machine{planned("p", "a", "1", "c5.large", "m5.large")}, offersOf(p), v1alpha5.MinValuesStrict)
	if err != nil {
		t.Fatal(err)
	}
	got := list[0]
	if !regexp.MustCompile(`^p-[0-9a-f]{10}$`).MatchString(got.Name) {
		t.Errorf("the machine's name is %q", got.Name)
	}
	got.Name, got.Spec.LaunchGroup.Name = "", "group"
	controller, block := true, true
	want := &v1alpha5.Machine{
		ObjectMeta: metav1.ObjectMeta{
			Finalizers: []string{v1alpha5.TerminationFinalizer},
			Labels: map[string]string{
				"team": "a", v1alpha5.ProvisionerNameLabel: "p", corev1.LabelTopologyZone: "a", v1alpha5.CapacityTypeLabel: "spot",
			},
			Annotations: map[string]string{"note": "x", v1alpha5.MadeForAnnotation: "/", v1alpha5.PriceAnnotation: "0.0425"},
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
