package provisioning

import (
	"context"
	"testing"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// newMarket is a pass whose watches have shown all that there is: a node with a pod that fills it.
func newMarket(t *testing.T) (*pass, *v1alpha5.Machine) {
	t.Helper()
	p := newPass(t)
	synced := make(chan struct{})
	close(synced)
	p.controller.synced = synced
	machine := p.Machine(func(m *v1alpha5.Machine) { m.Labels[v1alpha5.ProvisionerNameLabel] = p.provisioner.Name })
	machine.Status.ProviderID, machine.Status.NodeName = "aws:///z/i-1", "old"
	p.cluster.UpdateMachine(machine)
	p.node(false)
	p.cluster.UpdatePod(builders.Pod(builders.Name("moves"), builders.CPU("3"), builders.OnNode("old")))
	return p, machine
}

// node tells the model of the node, closed to new pods or not.
func (p *pass) node(closed bool) {
	node := builders.Node("old", builders.ProviderID("aws:///z/i-1"), builders.Managed(p.provisioner.Name))
	if closed {
		node.Spec.Taints = append(node.Spec.Taints, v1alpha5.DisruptedTaint())
	}
	p.cluster.UpdateNode(node)
}

// order is for one machine, planned as if the node were gone.
func (p *pass) order(t *testing.T, facts problem.Facts, name string) disruption.Order {
	t.Helper()
	plan := solver.Solve(t.Context(), problem.Simulate(facts).Without(map[string]bool{"old": true}))
	if len(plan.Machines) != 1 {
		t.Fatalf("the plan has %d machines", len(plan.Machines))
	}
	return disruption.Order{Machines: plan.Machines, Names: []string{name}, For: "lead"}
}

func TestMachinesAreBoughtInPlaceOfOthers(t *testing.T) {
	p, _ := newMarket(t)
	facts, edition, err := p.controller.Survey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	name := p.Name("replacement")
	if bought, err := p.controller.Buy(t.Context(), edition, p.order(t, facts, name)); err != nil || !bought {
		t.Fatalf("bought: %t, %v", bought, err)
	}
	list := p.machines(t)
	if len(list) != 1 || list[0].Name != name || list[0].Annotations[v1alpha5.ReplacesAnnotation] != "lead" || list[0].Annotations[v1alpha5.MadeForAnnotation] == "" {
		t.Fatalf("there are %v", list)
	}
	// The pod is meant for it: nothing more is bought once its node goes.
	p.node(true)
	if plan, err := p.controller.Foresee(t.Context()); err != nil || len(plan.Machines) != 0 || len(plan.Placements) != 1 || plan.Placements[0].Node != name {
		t.Errorf("foreseen: %v, %v; %v", plan.Machines, plan.Placements, err)
	}
}

func TestNothingIsBoughtByASurveyThatIsOutOfDate(t *testing.T) {
	p, _ := newMarket(t)
	facts, edition, err := p.controller.Survey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.pending("a")
	p.provision(t)
	before := len(p.machines(t))
	if bought, err := p.controller.Buy(t.Context(), edition, p.order(t, facts, p.Name("replacement"))); err != nil || bought {
		t.Errorf("bought: %t, %v", bought, err)
	}
	if got := len(p.machines(t)); got != before {
		t.Errorf("%d machines became %d", before, got)
	}
}

func TestNothingIsBoughtForPodsWhoseNodeMayBeGivenBack(t *testing.T) {
	for name, tc := range map[string]struct {
		record *v1alpha5.DisruptionRecord
		want   int
	}{
		"the decision may be taken back":       {&v1alpha5.DisruptionRecord{Machines: []v1alpha5.RecordedMachine{{}}}, 0},
		"it was, and the node does not say so": {nil, 0},
		"its machines go":                      {&v1alpha5.DisruptionRecord{Machines: []v1alpha5.RecordedMachine{{}}, Committed: true}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p, machine := newMarket(t)
			p.node(true)
			decided := machine.DeepCopy()
			decided.Status.Disruption = tc.record
			p.cluster.UpdateMachine(decided)
			p.provision(t)
			if got := len(p.machines(t)); got != tc.want {
				t.Errorf("%d machines were bought, want %d", got, tc.want)
			}
		})
	}
}

func TestASurveyWaitsForTheWatches(t *testing.T) {
	p := newPass(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := p.controller.Survey(ctx); err == nil {
		t.Error("it answered before it could know anything")
	}
}
