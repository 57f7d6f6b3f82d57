package main

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestHistogramsAddUpSeriesOfTheSameLabels(t *testing.T) {
	series := map[string]float64{
		`d_bucket{name="a",type="admit",le="0.01"}`:        10,
		`d_bucket{name="b",type="admit",le="0.01"}`:        20,
		`d_bucket{name="a",type="admit",le="+Inf"}`:        40,
		`d_bucket{name="a",type="admit",le="0.005"}`:       1,
		`d_bucket{name="type=\"admit",type="x",le="0.01"}`: 1000,
		`d_sum{name="a",type="admit"}`:                     7,
		`other_bucket{type="admit",le="0.01"}`:             1000,
	}
	want := histogram{{0.005, 1}, {0.01, 30}, {math.Inf(1), 40}}
	if diff := cmp.Diff(want, histogramOf(series, "d", map[string]string{"type": "admit"}), cmp.AllowUnexported(bucket{})); diff != "" {
		t.Errorf("histogram (-want +got):\n%s", diff)
	}
}

func TestQuantilesLieBetweenTheBoundsOfTheirBucket(t *testing.T) {
	h := histogram{{0.001, 50}, {0.002, 50}, {0.003, 90}, {math.Inf(1), 100}}
	for name, tc := range map[string]struct {
		histogram histogram
		part      float64
		want      time.Duration
	}{
		"in the first bucket":     {h, 0.25, 500 * time.Microsecond},
		"at a bound":              {h, 0.5, time.Millisecond},
		"past an empty bucket":    {h, 0.7, 2500 * time.Microsecond},
		"at the last known bound": {h, 0.9, 3 * time.Millisecond},
		"beyond what is known":    {h, 0.99, math.MaxInt64},
		"of nothing":              {nil, 0.99, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.histogram.quantile(tc.part); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}
