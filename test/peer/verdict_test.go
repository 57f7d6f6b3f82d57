package main

import (
	"math"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func sideOf(pods int, usd float64) outcome {
	node := plannedNode{pods: make([]*corev1.Pod, pods)}
	return outcome{answer: answer{nodes: []plannedNode{node}, claimedUSD: usd, claimedBound: 1}, invoice: invoice{usd: usd}}
}

func TestKerfAnswersForWhatItDoesWorseOrWrong(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(c *contest)
		want   []string
	}{
		"as good":                      {func(*contest) {}, nil},
		"cheaper":                      {func(c *contest) { c.karpenter = sideOf(10, 3) }, nil},
		"dearer":                       {func(c *contest) { c.karpenter = sideOf(10, 1.999) }, []string{"costs $2.0000/h, Karpenter $1.9990/h"}},
		"dearer by a rounding":         {func(c *contest) { c.karpenter = sideOf(10, 2-1e-12) }, nil},
		"fewer pods":                   {func(c *contest) { c.karpenter = sideOf(11, 3) }, []string{"places 10 pods, Karpenter 11"}},
		"more pods for more":           {func(c *contest) { c.karpenter = sideOf(9, 1) }, nil},
		"costs that it counted wrong":  {func(c *contest) { c.kerf.claimedUSD = 1.9 }, []string{"says its plan costs $1.900000/h"}},
		"a bound above both plans":     {func(c *contest) { c.kerf.claimedBound = 2.01 }, []string{"$2.010000/h, its own plan costs $2"}},
		"a bound above Karpenter's":    {func(c *contest) { c.kerf.claimedBound, c.karpenter = 1.91, sideOf(10, 1.9) }, []string{"costs $2", "$1.910000/h, Karpenter's plan costs $1.9"}},
		"a bound that knows more":      {func(c *contest) { c.kerf.claimedBound = 1.51 }, nil},
		"costs that it does not count": {func(c *contest) { c.kerf.claimedUSD = math.NaN() }, []string{"says its plan costs $NaN/h"}},
		"a plan that is none":          {func(c *contest) { c.kerf.faults = []string{"a"}; c.kerf.usd = math.NaN() }, []string{"kerf's plan cannot be carried out: a"}},
		"many faults":                  {func(c *contest) { c.kerf.faults = strings.Split("abcdefg", "") }, []string{"a", "b", "c", "d", "e", "and 2 faults more"}},
		"faults of Karpenter":          {func(c *contest) { c.karpenter.faults = []string{"a"} }, []string{"Karpenter's plan cannot be carried out: a"}},
		"faults of both":               {func(c *contest) { c.kerf.faults, c.karpenter.faults = []string{"a"}, []string{"b"} }, []string{"kerf's plan cannot be carried out: a", "Karpenter's plan cannot be carried out: b"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := contest{name: "w", pods: 10, bound: 1.5, kerf: sideOf(10, 2), karpenter: sideOf(10, 2)}
			tc.change(&c)
			got := c.verdict()
			if len(got) != len(tc.want) || !slices.EqualFunc(got, tc.want, strings.Contains) {
				t.Errorf("verdict %q, want %q", got, tc.want)
			}
			var out strings.Builder
			if err := judge(&out, []contest{c}); (err != nil) != (len(tc.want) > 0) {
				t.Errorf("judging says %v after %q", err, out.String())
			}
		})
	}
}

func TestAPlanThatCannotBeCarriedOutHasNoRow(t *testing.T) {
	good := contest{name: "good", kerf: sideOf(1, 1), karpenter: sideOf(1, 1)}
	for name, side := range map[string]func(c *contest) *outcome{
		"kerf":      func(c *contest) *outcome { return &c.kerf },
		"Karpenter": func(c *contest) *outcome { return &c.karpenter },
	} {
		bad := good
		bad.name = "bad"
		side(&bad).faults = []string{"pod p is on two nodes"}
		if rows := rowsOf([]contest{bad, good}); len(rows) != 1 || rows[0].Workload != "good" {
			t.Errorf("%s: rows %v, want that of the other contest only", name, rows)
		}
		var out strings.Builder
		if err := judge(&out, []contest{bad, good}); err == nil || !strings.Contains(out.String(), "FAILED bad: "+name) ||
			!strings.Contains(out.String(), "there is no row for it") {
			t.Errorf("%s: judging says %v after %q", name, err, out.String())
		}
	}
}
