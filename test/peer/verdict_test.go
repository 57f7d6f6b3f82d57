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
		"as good":                          {func(*contest) {}, nil},
		"cheaper":                          {func(c *contest) { c.karpenter = sideOf(10, 3) }, nil},
		"dearer":                           {func(c *contest) { c.karpenter = sideOf(10, 1.999) }, []string{"costs $2.0000/h, Karpenter $1.9990/h"}},
		"dearer by a rounding":             {func(c *contest) { c.karpenter = sideOf(10, 2-1e-12) }, nil},
		"fewer pods":                       {func(c *contest) { c.karpenter = sideOf(11, 3) }, []string{"places 10 pods, Karpenter 11"}},
		"more pods for more":               {func(c *contest) { c.karpenter = sideOf(9, 1) }, nil},
		"costs that it counted wrong":      {func(c *contest) { c.kerf.claimedUSD = 1.9 }, []string{"says its plan costs $1.900000/h"}},
		"a bound above the true one":       {func(c *contest) { c.kerf.claimedBound = 1.51 }, []string{"claims a lower bound of $1.510000/h"}},
		"a bound above both plans":         {func(c *contest) { c.plain, c.kerf.claimedBound = false, 2.01 }, []string{"$2.010000/h, its own plan costs $2"}},
		"a bound above Karpenter's":        {func(c *contest) { c.plain, c.kerf.claimedBound, c.karpenter = false, 1.91, sideOf(10, 1.9) }, []string{"costs $2", "$1.910000/h, Karpenter's plan costs $1.9"}},
		"a bound that knows more":          {func(c *contest) { c.plain, c.kerf.claimedBound = false, 1.51 }, nil},
		"costs that it does not count":     {func(c *contest) { c.kerf.claimedUSD = math.NaN() }, []string{"says its plan costs $NaN/h"}},
		"a plan with faults, three listed": {func(c *contest) { c.kerf.faults = []string{"a", "b", "c", "d", "e"} }, []string{"kerf's plan: a", "b", "c", "2 faults more"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := contest{name: "w", pods: 10, bound: 1.5, plain: true, kerf: sideOf(10, 2), karpenter: sideOf(10, 2)}
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
