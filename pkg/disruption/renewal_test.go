package disruption_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kerf-autoscaler/kerf/pkg/disruption"
)

// Machines that are due and that no budget keeps say that it is not their turn, whether the time for a decision is over or others go first.
func TestWhatIsDueAndNotTriedIsNotTheBudgets(t *testing.T) {
	for name, tc := range map[string]struct {
		due, effort int
		allowed     map[disruption.Quota]int
		want        map[string]int
	}{
		"no time":              {3, -1, nil, map[string]int{disruption.ReasonUntried: 3}},
		"no time for a budget": {3, -1, map[disruption.Quota]int{{Provisioner: "default", Reason: disruption.ReasonExpired}: 1}, map[string]int{disruption.ReasonUntried: 1, disruption.ReasonBudget: 2}},
		"more than at a time":  {35, 0, nil, map[string]int{disruption.ReasonUntried: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(market())
			for i := range tc.due {
				s.node(fmt.Sprintf("node-%02d", i), "small", "on-demand", "1500m").ExpiresAt = now().Add(-time.Hour)
			}
			s.in.Allowed, s.in.Settings.Effort = tc.allowed, tc.effort
			got := map[string]int{}
			for _, refusal := range s.decide(t, disruption.Expiration).Refusals {
				got[refusal.Reason]++
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("reasons (-want +got):\n%s", diff)
			}
		})
	}
}
