package consolidation

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

// steered is a yard with eleven machines that are not worth the move of their pods: the first two have one, the others two.
func steered(t *testing.T) (*yard, []*v1alpha5.Machine) {
	t.Helper()
	y := newYard(t)
	y.settings.Disruption.EvictionCost = 100
	y.restart()
	var all []*v1alpha5.Machine
	for range 2 {
		all = append(all, y.machine("m5.large", "100m"))
	}
	for range 9 {
		all = append(all, y.machine("m5.large", "100m", "100m"))
	}
	y.pass(2 * time.Minute)
	return y, all
}

// candidates returns the places of those of the machines whose Nodes new pods go to last.
func (y *yard) candidates(all []*v1alpha5.Machine) []int {
	y.t.Helper()
	var out []int
	for i, machine := range all {
		node := y.nodeOf(machine)
		if slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Effect != corev1.TaintEffectPreferNoSchedule }) {
			y.t.Errorf("node %s keeps pods away: %v", node.Name, node.Spec.Taints)
		}
		if machines.IsConsolidationCandidate(node) {
			out = append(out, i)
		}
	}
	return out
}

func (y *yard) fresh(machine *v1alpha5.Machine) *v1alpha5.Machine {
	y.t.Helper()
	y.Reload(machine)
	return machine
}

func (y *yard) nodeOf(machine *v1alpha5.Machine) *corev1.Node {
	y.t.Helper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: machine.Status.NodeName}}
	y.Reload(node)
	return node
}

func TestNewPodsGoLastToNodesThatAreTheSoonestEmpty(t *testing.T) {
	y, all := steered(t)
	choice := y.candidates(all)
	if len(choice) < 2 || len(choice) > len(all)/2 || choice[0] != 0 || choice[1] != 1 {
		t.Fatalf("candidates are %v", choice)
	}
	before := y.nodeOf(all[0]).ResourceVersion
	for range 5 {
		y.pass(10 * time.Minute)
	}
	if got := y.candidates(all); !slices.Equal(got, choice) || y.nodeOf(all[0]).ResourceVersion != before {
		t.Errorf("candidates are %v where nothing has changed, and nodes were written to: %t", got, y.nodeOf(all[0]).ResourceVersion != before)
	}
}

func TestNodesTakeNewPodsAsBeforeOnceNobodyAsksForLess(t *testing.T) {
	tests := map[string]func(y *yard){
		"consolidation is disabled": func(y *yard) {
			workbench.Update(y.Bench, y.provisioner, func(p *v1alpha5.Provisioner) { p.Spec.Consolidation = nil })
		},
		"steering is off": func(y *yard) {
			y.settings.SteerNewPods = false
			y.restart()
		},
	}
	for name, happens := range tests {
		t.Run(name, func(t *testing.T) {
			y, all := steered(t)
			happens(y)
			y.pass(time.Minute)
			if got := y.candidates(all); len(got) > 0 {
				t.Errorf("candidates are %v", got)
			}
		})
	}
}

// A pass that finds what is due does not ask which machines are worth their while.
func TestOneMachineThatDriftsChangesNothingForTheOthers(t *testing.T) {
	y, all := steered(t)
	why := func() string { return machines.Conditions(y.fresh(all[1])).Get(v1alpha5.ConditionDisruptable).Message }
	before, choice := why(), y.candidates(all)
	choice = slices.DeleteFunc(choice, func(i int) bool { return i == 10 })
	y.Clock.Step(2 * saidAgain)
	workbench.Update(y.Bench, all[10], func(m *v1alpha5.Machine) {
		machines.Conditions(m).True(v1alpha5.ConditionDrifted, "AMIDrifted", "another image")
	})
	y.pass(time.Minute)
	if y.record(all[10]) == nil {
		t.Fatal("the machine that drifted stays")
	}
	got := y.candidates(all)
	lost := slices.ContainsFunc(choice, func(i int) bool { return !slices.Contains(got, i) })
	if lost || why() != before {
		t.Errorf("candidates are %v; before they were %v; another machine stays because %q, before it was %q", got, choice, why(), before)
	}
}

func TestAnotherTaintOfANodeStays(t *testing.T) {
	y, all := steered(t)
	other := corev1.Taint{Key: "example.com/mine", Effect: corev1.TaintEffectPreferNoSchedule}
	workbench.Update(y.Bench, y.nodeOf(all[0]), func(n *corev1.Node) { n.Spec.Taints = append(n.Spec.Taints, other) })
	y.settings.SteerNewPods = false
	y.restart()
	y.pass(time.Minute)
	if taints := y.nodeOf(all[0]).Spec.Taints; !slices.Contains(taints, other) || slices.Contains(y.candidates(all), 0) {
		t.Errorf("taints are %v", taints)
	}
}
