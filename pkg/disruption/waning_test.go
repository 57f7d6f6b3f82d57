package disruption_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/kerf-autoscaler/kerf/pkg/disruption"
)

// Machines that are dear for the few pods that they have are left to empty by themselves, while moving those is not worth it.
func TestMachinesOfFewPodsAreLeftToEmpty(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*scene)
		want   []string
	}{
		"few pods":      {func(*scene) {}, []string{"a", "b"}},
		"any saving":    {func(s *scene) { s.in.Settings.Eager = true }, nil},
		"to be kept":    {func(s *scene) { s.in.Candidates[0].Protected = true }, []string{"b", "c"}},
		"not asked for": {func(s *scene) { s.in.Candidates[0].Consolidate = false }, []string{"b"}},
		"held":          {func(s *scene) { s.in.Candidates[0].Held = "a pod" }, []string{"b", "c"}},
		"held for now":  {func(s *scene) { s.in.Candidates[0].Held, s.in.Candidates[0].HeldUntil = "a pod", now().Add(time.Hour) }, []string{"a", "b"}},
		"hardly any": {func(s *scene) {
			for i := range s.in.Candidates[4:] {
				s.in.Candidates[i+4].Consolidate = false
			}
		}, nil},
		"a choice holds": {func(s *scene) { s.in.Candidates[2].Waning = true }, []string{"a", "c"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(market())
			for i, pods := range []int{1, 2, 3, 4, 4, 4, 4, 4, 4, 4} {
				cpu := make([]string, pods)
				for j := range cpu {
					cpu[j] = "1900m"
				}
				s.node(string(rune('a'+i)), "large", "on-demand", cpu[:min(pods, 4)]...)
			}
			s.in.Settings.EvictionCost = 1000
			tc.change(s)
			var got []string
			for _, target := range s.decide(t, disruption.Consolidation).Waning {
				got = append(got, target.Machine)
			}
			if fmt.Sprint(got) != fmt.Sprint(tc.want) {
				t.Errorf("waning are %v, want %v", got, tc.want)
			}
		})
	}
}

// The longer nothing has changed, the longer a saving is taken to last, and the more a move may cost.
func TestASavingLastsLongerWhereNothingChanges(t *testing.T) {
	s := newScene(market())
	s.node("a", "small", "on-demand", "100m", "100m", "100m", "100m", "100m", "100m", "100m")
	s.node("b", "large", "on-demand", "100m")
	s.in.Candidates[1].Consolidate = false
	settled := now()
	s.in.Candidates[0].SettledAt = settled
	// Seven evictions at ten cents each pay back in seven hours of ten cents.
	decision := s.decide(t, disruption.Consolidation)
	if len(decision.Commands) > 0 || decision.Again.Sub(settled).Round(time.Minute) != 14*time.Hour {
		t.Errorf("%v and again at %s, want nothing before it has been quiet for fourteen hours", told(decision), decision.Again)
	}
	s.in.Now = decision.Again
	if decision = s.decide(t, disruption.Consolidation); len(decision.Commands) != 1 {
		t.Errorf("%v, want the machine to go then", told(decision))
	}
}
