package consolidation

import (
	"testing"
	"time"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// Which of many machines a budget falls upon changes with each decision: that is no reason to write to all of them each time.
func TestReasonsThatTakeTurnsAreSaidSeldom(t *testing.T) {
	for name, tc := range map[string]struct {
		said, now string
		after     time.Duration
		want      bool
	}{
		"nothing, then a budget":            {"", disruption.ReasonBudget, 0, true},
		"needed, then a budget":             {disruption.ReasonNeeded, disruption.ReasonBudget, time.Minute, false},
		"needed, then a budget for long":    {disruption.ReasonNeeded, disruption.ReasonBudget, takesTurns, true},
		"needed, then there was no time":    {disruption.ReasonNeeded, disruption.ReasonUntried, time.Minute, false},
		"a budget, then needed":             {disruption.ReasonBudget, disruption.ReasonNeeded, time.Minute, true},
		"needed, then not worth it":         {disruption.ReasonNeeded, disruption.ReasonNotWorthIt, time.Minute, true},
		"needed, then about to change":      {disruption.ReasonNeeded, disruption.ReasonUnsettled, takesTurns, false},
		"all were held, then there is time": {disruption.ReasonAllHeld, disruption.ReasonUntried, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			machine := builders.Machine("m", "p")
			p := &pass{said: map[string]time.Time{"m": noon()}}
			if tc.said != "" {
				machines.Conditions(machine).False(v1alpha5.ConditionDisruptable, tc.said, "")
			}
			if got := p.isNews(machine, disruption.Refusal{Machine: "m", Reason: tc.now}, noon().Add(tc.after)); got != tc.want {
				t.Errorf("it is news: %t, want %t", got, tc.want)
			}
		})
	}
}
