package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// teller is a side that gives prepared answers, the last of them for ever.
func teller(steady bool, answers ...answer) side {
	return side{name: "teller", steady: steady, ask: func(context.Context, workload) (try, error) {
		now := answers[0]
		answers = answers[min(1, len(answers)-1):]
		return func(context.Context) (func() answer, error) { return func() answer { return now }, nil }, nil
	}}
}

func TestRunsWithPlansThatCannotBeCarriedOutDoNotCount(t *testing.T) {
	w := fromOne(replicas(1, "p", size(100, 1)), cloudprovider.InstanceTypes{
		builders.InstanceType("cheap", builders.Capacity("4", "16Gi", 10), builders.OnDemand(1, "a")),
		builders.InstanceType("dear", builders.Capacity("4", "16Gi", 10), builders.OnDemand(2, "a")),
	})
	cheap, dear := answer{nodes: []plannedNode{planned(w.pods, nil, "cheap")}}, answer{nodes: []plannedNode{planned(w.pods, nil, "dear")}}
	forgetful, refusing := answer{}, answer{unplaced: w.pods}
	for name, tc := range map[string]struct {
		side         side
		runs, spoilt int
		usd          float64
		faulty       bool
	}{
		"the cheapest plan":               {side: teller(false, dear, cheap, dear), runs: 3, usd: 1},
		"the plan that places most":       {side: teller(false, refusing, dear, refusing), runs: 3, usd: 2},
		"asked again":                     {side: teller(false, forgetful, forgetful, forgetful, forgetful, dear), runs: 5, spoilt: 4, usd: 2},
		"one of several":                  {side: teller(false, dear, forgetful, dear), runs: 3, spoilt: 1, usd: 2},
		"the last of several":             {side: teller(false, dear, dear, forgetful), runs: 3, spoilt: 1, usd: 2},
		"never right":                     {side: teller(false, forgetful), runs: mostTries, spoilt: mostTries, faulty: true},
		"a steady side's mistake":         {side: teller(true, forgetful, cheap), runs: 1, spoilt: 1, faulty: true},
		"a mistake after others were not": {side: teller(true, cheap, forgetful), runs: 2, spoilt: 1, faulty: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := settings{repeat: 3, patience: time.Hour, progress: t.Output()}
			got, err := tc.side.run(t.Context(), s, w, newReferee(w))
			if err != nil {
				t.Fatal(err)
			}
			if got.runs != tc.runs || got.spoilt != tc.spoilt || (len(got.faults) > 0) != tc.faulty || (!tc.faulty && got.usd != tc.usd) {
				t.Errorf("%d runs, %d spoilt, $%v/h, faults %q; want %d, %d, $%v/h", got.runs, got.spoilt, got.usd, got.faults, tc.runs, tc.spoilt, tc.usd)
			}
			if (tc.spoilt > 0) != strings.Contains(got.spoiltBy, "forgotten") {
				t.Errorf("spoilt by %q", got.spoiltBy)
			}
		})
	}
}

func TestPlansOfKarpenterThatDidNotCountAreMentioned(t *testing.T) {
	c := contest{name: "w", pods: 10, bound: 1, kerf: sideOf(10, 2), karpenter: sideOf(10, 2)}
	c.karpenter.runs, c.karpenter.spoilt, c.karpenter.spoiltBy = 3, 2, "pod p is lost"
	var out strings.Builder
	if err := judge(&out, []contest{c}); err != nil || !strings.Contains(out.String(), "2 of Karpenter's 3 plans could not be carried out") ||
		!strings.Contains(out.String(), "pod p is lost") {
		t.Errorf("judging says %v after %q", err, out.String())
	}
}
