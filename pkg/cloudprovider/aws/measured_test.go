package aws_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/instancetype"
)

func TestAMachineSaysWhichImageItHasBooted(t *testing.T) {
	s := startSim(t)
	template := s.makeTemplate()
	created, err := s.provider.Create(t.Context(), machine("one", 1, 0))
	if err != nil {
		t.Fatal(err)
	}
	booted := s.Instances()[0].ImageID
	if got := created.Labels[awsv1alpha1.LabelInstanceAMIID]; got == "" || got != booted {
		t.Errorf("the machine is labelled with image %q, its instance has booted %q", got, booted)
	}
	listed, err := s.provider.Get(t.Context(), created.Status.ProviderID)
	if err != nil || listed.Labels[awsv1alpha1.LabelInstanceAMIID] != booted {
		t.Errorf("looked up, it is labelled %q: %v", listed.Labels[awsv1alpha1.LabelInstanceAMIID], err)
	}
	s.retag(template) // so that the request cannot be repeated
	s.clock.Step(time.Hour)
	adopted, err := s.newProvider(clusterUID).Create(t.Context(), machine("one", 1, 0))
	if err != nil || adopted.Labels[awsv1alpha1.LabelInstanceAMIID] != booted {
		t.Errorf("adopted, it is labelled %q: %v", adopted.Labels[awsv1alpha1.LabelInstanceAMIID], err)
	}
}

func TestPlansGoByWhatNodesTurnedOutToHave(t *testing.T) {
	s := startSim(t)
	template := s.makeTemplate()
	const found = 7_900_000_000
	memory := func(name string) int64 {
		list, err := s.provider.InstanceTypes(t.Context(), provisioner("default"))
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range list {
			if i.Name == name {
				return i.Capacity.Memory().Value()
			}
		}
		return 0
	}
	before := memory("m5.large")
	s.provider.Measured().Put("m5.large", instancetype.ImageSet(template.Status.AMIs), found)
	if got := memory("m5.large"); before == found || got != found {
		t.Errorf("planned with %d, before with %d; nodes have %d", got, before, found)
	}
	created, err := s.provider.Create(t.Context(), machine("one", 1, 0, func(m *v1alpha5.Machine) {
		m.Spec.Requirements[0].Values = []string{"m5.large"}
	}))
	if err != nil {
		t.Fatal(err)
	}
	if got := created.Status.Capacity[corev1.ResourceMemory]; got.Value() != found {
		t.Errorf("created with %s", got.String())
	}
}
