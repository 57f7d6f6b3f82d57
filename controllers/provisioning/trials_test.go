package provisioning

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/fake"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// wary is a provider whose offerings are on trial.
type wary struct {
	cloudprovider.Provider
	trial func(instanceType, zone, capacityType string) int
}

func (w wary) InstanceTypes(ctx context.Context, p *v1alpha5.Provisioner) (cloudprovider.InstanceTypes, error) {
	list, err := w.Provider.InstanceTypes(ctx, p)
	for _, t := range list { // the fake returns copies
		for i := range t.Offerings {
			t.Offerings[i].Trial = w.trial(t.Name, t.Offerings[i].Zone, t.Offerings[i].CapacityType)
		}
	}
	return list, err
}

// everywhere puts all that is on offer on trial.
func everywhere(n int) func(_, _, _ string) int { return func(_, _, _ string) int { return n } }

// newTrial returns a pass with many pods that each take most of a machine, and at most what is on trial to buy for them.
func newTrial(t *testing.T, trial func(_, _, _ string) int, modifiers ...builders.ProvisionerModifier) *pass {
	t.Helper()
	p := newPass(t, modifiers...)
	p.controller.provider = wary{p.provider, trial}
	for i := range 40 {
		p.cluster.UpdatePod(builders.Pod(builders.Name(fmt.Sprint("pod-", i)), builders.CPU("14")))
	}
	return p
}

// one leaves a provisioner one instance type in one zone on demand.
func one() []builders.ProvisionerModifier {
	return []builders.ProvisionerModifier{
		builders.Requirement(corev1.LabelInstanceTypeStable, corev1.NodeSelectorOpIn, "m5.4xlarge"),
		builders.Requirement(corev1.LabelTopologyZone, corev1.NodeSelectorOpIn, fake.ZoneA),
		builders.Requirement(v1alpha5.CapacityTypeLabel, corev1.NodeSelectorOpIn, v1alpha5.CapacityTypeOnDemand),
	}
}

func (p *pass) wantMachines(t *testing.T, what string, want int) {
	t.Helper()
	if got := len(p.machines(t)); got != want {
		t.Errorf("%s: %d machines, want %d", what, got, want)
	}
}

func TestOneMachineTriesWhereThereLatelyWasNoCapacity(t *testing.T) {
	p := newTrial(t, everywhere(1), one()...)
	p.provision(t)
	p.wantMachines(t, "at first", 1)
	p.provision(t)
	p.wantMachines(t, "while it is on its way", 1)
	p.Clock.Step(answerPatience + time.Minute) // the API server has a clock of its own
	p.provision(t)
	p.wantMachines(t, "when nobody answers it for long", 2)
}

func TestAnAnswerLetsAsManyTryAsHaveShownToBeWorthIt(t *testing.T) {
	trial := 1
	p := newTrial(t, func(_, _, _ string) int { return trial }, one()...)
	p.provision(t)
	trial = 4 // the first had success
	first := p.machines(t)[0]
	first.Status.ProviderID = "fake:///a/i-1"
	p.cluster.UpdateMachine(&first)
	p.provision(t)
	p.wantMachines(t, "after a success", 1+4)
	trial = 0
	p.provision(t)
	if got := len(p.machines(t)); got < 20 {
		t.Errorf("once proven: %d machines for 40 pods", got)
	}
}

func TestPodsTakeWhatIsNotOnTrialInsteadOfWaiting(t *testing.T) {
	spot := func(_, _, capacityType string) int {
		if capacityType == v1alpha5.CapacityTypeSpot {
			return 1
		}
		return 0
	}
	p := newTrial(t, spot, builders.Requirement(v1alpha5.CapacityTypeLabel, corev1.NodeSelectorOpIn, v1alpha5.CapacityTypeSpot, v1alpha5.CapacityTypeOnDemand))
	for range 6 { // each pass knows what those before it have tried
		p.provision(t)
	}
	ways := map[string]int{}
	for _, m := range p.machines(t) {
		ways[m.Labels[v1alpha5.CapacityTypeLabel]]++
	}
	if ways[v1alpha5.CapacityTypeSpot] == 0 || ways[v1alpha5.CapacityTypeSpot] > 10 || ways[v1alpha5.CapacityTypeOnDemand] < 20 {
		t.Errorf("machines by capacity type: %v; want a few on trial and the others elsewhere", ways)
	}
}

func TestNoMoreThanTenFirstTriesAMinute(t *testing.T) {
	p := newTrial(t, everywhere(1), one()...)
	refuse := func() { // the cloud answers each at once, in vain
		for _, m := range p.machines(t) {
			p.cluster.DeleteMachine(m.Name)
			p.cluster.Forget(m.Name)
		}
	}
	most, made := 0, []int{}
	for range 60 {
		p.provision(t)
		refuse()
		made = append(made, len(p.machines(t)))
		if n := len(made); n > 12 {
			most = max(most, made[n-1]-made[n-13])
		}
		p.Clock.Step(5 * time.Second)
	}
	if total := made[len(made)-1]; most > 10 || total < 25 {
		t.Errorf("%d machines in five minutes, up to %d a minute; want at most 10 a minute and hardly fewer", total, most)
	}
}

func TestAMachineThatWasAnsweredIsNotOnItsWay(t *testing.T) {
	now := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	machine := func(modify func(*v1alpha5.Machine)) *v1alpha5.Machine {
		m := &v1alpha5.Machine{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(now.Add(-time.Second))}}
		modify(m)
		return m
	}
	for name, tc := range map[string]struct {
		machine *v1alpha5.Machine
		want    bool
	}{
		"just made":              {machine(func(*v1alpha5.Machine) {}), true},
		"its request is written": {machine(func(m *v1alpha5.Machine) { m.Status.Launch = &v1alpha5.Launch{} }), true},
		"refused":                {machine(func(m *v1alpha5.Machine) { m.Status.Launch = &v1alpha5.Launch{Answered: true} }), false},
		"launched":               {machine(func(m *v1alpha5.Machine) { m.Status.ProviderID = "x" }), false},
		"old":                    {machine(func(m *v1alpha5.Machine) { m.CreationTimestamp = metav1.NewTime(now.Add(-time.Minute)) }), false},
	} {
		if got := onTheWay(tc.machine, now); got != tc.want {
			t.Errorf("%s: on its way = %t, want %t", name, got, tc.want)
		}
	}
}
