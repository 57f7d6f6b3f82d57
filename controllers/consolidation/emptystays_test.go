package consolidation

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

// why is what a machine says of why it stays.
func (h *house) why() string {
	h.Reload(h.machine)
	condition := machines.Conditions(h.machine).Get(v1alpha5.ConditionDisruptable)
	if condition == nil {
		return ""
	}
	return fmt.Sprintf("%s %s: %s", condition.Status, condition.Reason, condition.Message)
}

func TestAnEmptyMachineSaysWhatKeepsItForAsLongAsItDoes(t *testing.T) {
	protect := func(value string) func(*house) {
		return func(h *house) {
			workbench.Update(h.Bench, h.machine, func(m *v1alpha5.Machine) {
				metav1.SetMetaDataAnnotation(&m.ObjectMeta, v1alpha5.DoNotDisruptAnnotation, value)
			})
		}
	}
	budget := func(nodes string) func(*house) {
		return func(h *house) {
			workbench.Update(h.Bench, h.provisioner, func(p *v1alpha5.Provisioner) {
				p.Spec.Disruption = &v1alpha5.Disruption{Budgets: []v1alpha5.Budget{{Nodes: &nodes}}}
			})
		}
	}
	for name, tc := range map[string]struct {
		keep, release func(*house)
		want          string
	}{
		"it is protected":      {protect("true"), protect("false"), "annotated to be left alone"},
		"a budget has no room": {budget("0"), budget("1"), "nodes: 0"},
		"nothing keeps it":     {func(*house) {}, func(*house) {}, ""},
		"pods are expected there": {
			func(h *house) { h.expected[h.node.Name] = h.Clock.Now().Add(time.Hour) }, func(h *house) { delete(h.expected, h.node.Name) }, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, builders.TTLAfterEmpty(30))
			tc.keep(h)
			if h.look(); h.why() != "" {
				t.Errorf("before it has been empty for long enough it says %q", h.why())
			}
			h.Clock.Step(time.Minute)
			h.look()
			if got := h.why(); tc.want == "" && got != "" || tc.want != "" && (!strings.HasPrefix(got, "False "+disruption.ReasonEmptyHeld) || !strings.Contains(got, tc.want)) {
				t.Fatalf("it says %q, want %q", got, tc.want)
			}
			written := h.machine.ResourceVersion
			if h.look(); tc.want != "" && (h.why() == "" || h.machine.ResourceVersion != written || h.Told.Count(events.ReasonDeprovisioningBlocked) != 1) {
				t.Errorf("it says %q, and was told %q", h.why(), h.Told.Lines())
			}
			tc.release(h)
			h.look()
			if got := h.why(); got != "" || !h.decided() {
				t.Errorf("when nothing keeps it any more it says %q; its end is decided: %t", got, h.decided())
			}
		})
	}
}
