package v1alpha5_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

func TestADrainEndsWithTheGracePeriodOrBeforeTheInstanceIsTakenAway(t *testing.T) {
	deleted := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	in := func(d time.Duration) time.Time { return deleted.Add(d) }
	for name, tc := range map[string]struct {
		kept     bool
		grace    time.Duration // less than 0 is none
		deadline string
		want     time.Time
	}{
		"neither":                       {grace: -1},
		"a grace period":                {grace: time.Hour, want: in(time.Hour)},
		"no grace at all":               {grace: 0, want: deleted},
		"a deadline":                    {grace: -1, deadline: "2026-09-01T12:01:50Z", want: in(110 * time.Second)},
		"the deadline is first":         {grace: time.Hour, deadline: "2026-09-01T12:01:50Z", want: in(110 * time.Second)},
		"the grace period is first":     {grace: time.Minute, deadline: "2026-09-01T12:01:50Z", want: in(time.Minute)},
		"a deadline that is none":       {grace: -1, deadline: "soon"},
		"one that is none, and a grace": {grace: time.Hour, deadline: "soon", want: in(time.Hour)},
		"it is not deleted":             {kept: true, grace: time.Hour, deadline: "2026-09-01T12:01:50Z"},
	} {
		t.Run(name, func(t *testing.T) {
			m := &v1alpha5.Machine{}
			if !tc.kept {
				m.DeletionTimestamp = &metav1.Time{Time: deleted}
			}
			if tc.grace >= 0 {
				m.Spec.TerminationGracePeriod = &metav1.Duration{Duration: tc.grace}
			}
			if tc.deadline != "" {
				m.Annotations = map[string]string{v1alpha5.TerminationDeadlineAnnotation: tc.deadline}
			}
			if got := m.TerminationDeadline(); !got.Equal(tc.want) {
				t.Errorf("it ends at %s, want %s", got, tc.want)
			}
		})
	}
}
