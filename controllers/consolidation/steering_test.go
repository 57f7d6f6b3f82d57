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

// steered is a yard with four machines that are not worth the move of their pods: one, one, two and three of them.
func steered(t *testing.T) (*yard, []*v1alpha5.Machine) {
	t.Helper()
	y := newYard(t)
	y.settings.Disruption.EvictionCost = 100
	y.restart()
	var all []*v1alpha5.Machine
	for _, cpu := range [][]string{{"100m"}, {"100m"}, {"100m", "100m"}, {"100m", "100m", "100m"}} {
		all = append(all, y.machine("m5.large", cpu...))
	}
	y.pass(2 * time.Minute)
	return y, all
}

// candidates returns which of the machines' Nodes new pods go to last.
func (y *yard) candidates(all []*v1alpha5.Machine) []bool {
	y.t.Helper()
	var out []bool
	for _, machine := range all {
		node := y.nodeOf(machine)
		if slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Effect != corev1.TaintEffectPreferNoSchedule }) {
			y.t.Errorf("node %s keeps pods away: %v", node.Name, node.Spec.Taints)
		}
		out = append(out, machines.IsConsolidationCandidate(node))
	}
	return out
}

func (y *yard) nodeOf(machine *v1alpha5.Machine) *corev1.Node {
	y.t.Helper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: machine.Status.NodeName}}
	y.Reload(node)
	return node
}

func TestNewPodsGoLastToNodesThatAreTheSoonestEmpty(t *testing.T) {
	y, all := steered(t)
	if got := y.candidates(all); !slices.Equal(got, []bool{true, true, false, false}) {
		t.Fatalf("candidates are %v", got)
	}
	before := y.nodeOf(all[0]).ResourceVersion
	for range 5 {
		y.pass(10 * time.Minute)
	}
	if got := y.candidates(all); !slices.Equal(got, []bool{true, true, false, false}) || y.nodeOf(all[0]).ResourceVersion != before {
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
			if got := y.candidates(all); slices.Contains(got, true) {
				t.Errorf("candidates are %v", got)
			}
		})
	}
}

func TestAnotherTaintOfANodeStays(t *testing.T) {
	y, all := steered(t)
	other := corev1.Taint{Key: "example.com/mine", Effect: corev1.TaintEffectPreferNoSchedule}
	workbench.Update(y.Bench, y.nodeOf(all[0]), func(n *corev1.Node) { n.Spec.Taints = append(n.Spec.Taints, other) })
	y.settings.SteerNewPods = false
	y.restart()
	y.pass(time.Minute)
	if taints := y.nodeOf(all[0]).Spec.Taints; !slices.Contains(taints, other) || y.candidates(all)[0] {
		t.Errorf("taints are %v", taints)
	}
}
