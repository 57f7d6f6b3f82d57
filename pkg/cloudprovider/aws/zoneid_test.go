package aws_test

import (
	"testing"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

func TestMachinesAreLabelledWithTheIDOfTheirZone(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	got, err := s.provider.Create(t.Context(), machine("one", 1, 0))
	if err != nil {
		t.Fatal(err)
	}
	want := s.World().Instances()[0].Subnet.ZoneID
	if label := got.Labels[awsv1alpha1.LabelZoneID]; label != want || want == "" {
		t.Errorf("the machine says %q, its subnet is in %q", label, want)
	}
	found, err := s.provider.Get(t.Context(), got.Status.ProviderID)
	if err != nil {
		t.Fatal(err)
	}
	if label := found.Labels[awsv1alpha1.LabelZoneID]; label != want {
		t.Errorf("the instance says %q, its subnet is in %q", label, want)
	}
	own, err := s.provider.Create(t.Context(), machine("own", 1, 0, func(m *v1alpha5.Machine) { m.Labels[awsv1alpha1.LabelZoneID] = "mine" }))
	if err != nil || own.Labels[awsv1alpha1.LabelZoneID] != "mine" {
		t.Errorf("a user's own label became %q, %v", own.Labels[awsv1alpha1.LabelZoneID], err)
	}
}
