package disruption_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/kerf-autoscaler/kerf/pkg/disruption"
)

// Machines that are dear for the few pods that they have are left to empty by themselves, while moving those is not worth it, as many as
// the others have room for.
func TestMachinesOfFewPodsAreLeftToEmpty(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*scene)
		cpu    string
		want   []string
	}{
		"few pods":       {func(*scene) {}, "900m", []string{"a", "b"}},
		"little room":    {func(*scene) {}, "1900m", []string{"a"}},
		"any saving":     {func(s *scene) { s.in.Settings.Eager = true }, "900m", nil},
		"to be kept":     {func(s *scene) { s.in.Candidates[0].Protected = true }, "900m", []string{"b", "c"}},
		"not asked for":  {func(s *scene) { s.in.Candidates[0].Consolidate = false }, "900m", []string{"b", "c"}},
		"held":           {func(s *scene) { s.in.Candidates[0].Held = "a pod" }, "900m", []string{"b", "c"}},
		"held for now":   {func(s *scene) { s.in.Candidates[0].Held, s.in.Candidates[0].HeldUntil = "a pod", now().Add(time.Hour) }, "900m", []string{"a", "b"}},
		"a choice holds": {func(s *scene) { s.in.Candidates[2].Waning = true }, "900m", []string{"a", "c"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(market())
			for i, pods := range []int{1, 2, 3, 4} {
				cpu := make([]string, pods)
				for j := range cpu {
					cpu[j] = tc.cpu
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
	// A pod that leaves a node that is left to empty does not unsettle it, and yet the node is not quiet.
	s.in.Candidates[0].QuietSince = settled.Add(time.Hour)
	if decision = s.decide(t, disruption.Consolidation); len(decision.Commands) > 0 || decision.Again.Sub(settled).Round(time.Minute) != 15*time.Hour {
		t.Errorf("%v and again at %s, want nothing for another hour", told(decision), decision.Again)
	}
}
