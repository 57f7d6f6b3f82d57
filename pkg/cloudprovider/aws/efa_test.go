package aws_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// onP4d is a machine that can be of one type only, which has four network cards.
func onP4d(m *v1alpha5.Machine) {
	m.Spec.Requirements[0].Values = []string{"p4d.24xlarge"}
	m.Spec.Requirements[2].Values = []string{v1alpha5.CapacityTypeOnDemand}
}

func withEFA(m *v1alpha5.Machine) {
	m.Spec.Resources.Requests = corev1.ResourceList{awsv1alpha1.ResourceAWSEFA: resource.MustParse("1")}
}

func TestAMachineWhosePodsAskForEFAHasItsInterfaces(t *testing.T) {
	s := startSim(t)
	s.allTypes = true
	s.provider = s.newProvider(clusterUID)
	s.makeTemplate()
	list, err := s.provider.InstanceTypes(t.Context(), provisioner("default"))
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range list {
		if efa := i.Capacity[awsv1alpha1.ResourceAWSEFA]; i.Name == "p4d.24xlarge" && efa.Value() != 4 {
			t.Errorf("planned with %s of 4 interfaces", efa.String())
		}
	}
	addresses := func() (free int) {
		for _, subnet := range s.World().Subnets() {
			free += subnet.FreeAddresses
		}
		return free
	}
	before := addresses()
	for group, tc := range map[string]struct {
		modify     []func(*v1alpha5.Machine)
		efas       int
		interfaces int
		addresses  int
	}{
		"plain": {[]func(*v1alpha5.Machine){onP4d}, 0, 1, 1}, // the one that asks for no public address
		"efa":   {[]func(*v1alpha5.Machine){onP4d, withEFA}, 4, 4, 4},
	} {
		got, err := s.provider.Create(t.Context(), machine(group, 1, 0, tc.modify...))
		if err != nil {
			t.Fatal(err)
		}
		if efa := got.Status.Capacity[awsv1alpha1.ResourceAWSEFA]; efa.Value() != int64(tc.efas) {
			t.Errorf("%s: the machine has %s interfaces for EFA, want %d", group, efa.String(), tc.efas)
		}
		instances := s.World().Instances()
		launched := instances[len(instances)-1]
		for _, i := range instances {
			if i.Number > launched.Number {
				launched = i
			}
		}
		after := addresses()
		if launched.EFAInterfaces() != tc.efas || len(launched.Data.NetworkInterfaces) != tc.interfaces || before-after != tc.addresses || len(launched.Groups) == 0 {
			t.Errorf("%s: %d for EFA of %d interfaces, %d addresses, groups %v", group, launched.EFAInterfaces(), len(launched.Data.NetworkInterfaces), before-after, launched.Groups)
		}
		before = after
	}
}
