package fake_test

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/fake"
)

func machine(index int32) *v1alpha5.Machine {
	return &v1alpha5.Machine{
		ObjectMeta: metav1.ObjectMeta{Name: "m"},
		Spec: v1alpha5.MachineSpec{Requirements: []corev1.NodeSelectorRequirement{
			{Key: v1alpha5.CapacityTypeLabel, Operator: corev1.NodeSelectorOpIn, Values: []string{v1alpha5.CapacityTypeSpot}},
			{Key: corev1.LabelInstanceTypeStable, Operator: corev1.NodeSelectorOpIn, Values: []string{"m5.large", "m5.xlarge"}},
		}},
		Status: v1alpha5.MachineStatus{Launch: &v1alpha5.Launch{Group: "g", Attempt: 1, Size: 2, Index: index, Token: "t"}},
	}
}

func TestALostAnswerIsFoundAgain(t *testing.T) {
	p := fake.New(fake.Options{})
	p.LoseAnswers(1)
	if _, err := p.Create(t.Context(), machine(0)); err == nil {
		t.Fatal("the answer was not lost")
	}
	if got := len(p.Instances()); got != 2 {
		t.Fatalf("%d instances after the lost answer, want 2", got)
	}
	if _, err := p.Create(t.Context(), machine(0)); err != nil {
		t.Fatal(err)
	}
	if got := p.Launches(); got != 1 {
		t.Errorf("%d launch requests were served, want 1", got)
	}
}

func TestATokenServesOnlyTheRequestItWasFirstUsedFor(t *testing.T) {
	p := fake.New(fake.Options{})
	if _, err := p.Create(t.Context(), machine(0)); err != nil {
		t.Fatal(err)
	}
	other := machine(1)
	other.Status.Launch.Size = 5
	if _, err := p.Create(t.Context(), other); err == nil {
		t.Error("another request with the same token was accepted")
	}
	if got := len(p.Instances()); got != 2 {
		t.Errorf("%d instances, want 2", got)
	}
}

func TestAVanishedInstanceIsNotFound(t *testing.T) {
	p := fake.New(fake.Options{})
	m, err := p.Create(t.Context(), machine(0))
	if err != nil {
		t.Fatal(err)
	}
	p.Vanish(m.Status.ProviderID)
	if _, err := p.Get(t.Context(), m.Status.ProviderID); !cloudprovider.IsNotFound(err) {
		t.Errorf("error = %v, want not found", err)
	}
}

func TestAFaultHoldsUntilItIsLifted(t *testing.T) {
	p := fake.New(fake.Options{})
	boom := errors.New("boom")
	p.Fail(fake.OperationList, boom)
	if _, err := p.List(t.Context()); !errors.Is(err, boom) {
		t.Errorf("error = %v, want %v", err, boom)
	}
	p.Fail(fake.OperationList, nil)
	if _, err := p.List(t.Context()); err != nil {
		t.Errorf("error = %v after the fault was lifted", err)
	}
	if got := p.Calls(fake.OperationList); got != 2 {
		t.Errorf("%d calls counted, want 2", got)
	}
}

func TestRestoredCapacityIsAvailableAgain(t *testing.T) {
	p := fake.New(fake.Options{})
	available := func() (n int) {
		instanceTypes, err := p.InstanceTypes(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range instanceTypes {
			for _, o := range i.Offerings {
				if o.Available {
					n++
				}
			}
		}
		return n
	}
	before := available()
	p.Exhaust("m5.large")
	if got := available(); got != before-6 {
		t.Errorf("%d offerings are available, want %d", got, before-6)
	}
	p.Exhaust()
	if got := available(); got != 0 {
		t.Errorf("%d offerings are available, want none", got)
	}
	p.Restore()
	if got := available(); got != before {
		t.Errorf("%d offerings are available, want %d", got, before)
	}
}
