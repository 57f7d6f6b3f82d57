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

func TestOfAQuantileItsBucketIsKnown(t *testing.T) {
	h := histogram{{0.001, 50}, {0.002, 50}, {0.003, 90}, {math.Inf(1), 100}}
	for name, tc := range map[string]struct {
		histogram histogram
		part      float64
		want      string
	}{
		"in the first bucket":     {h, 0.25, "0 to 1 ms"},
		"at a bound":              {h, 0.5, "0 to 1 ms"},
		"past an empty bucket":    {h, 0.7, "2 to 3 ms"},
		"past empty ones":         {histogram{{0.005, 0}, {0.025, 7}, {math.Inf(1), 7}}, 0.01, "5 to 25 ms"},
		"at the last known bound": {h, 0.9, "2 to 3 ms"},
		"beyond what is known":    {h, 0.99, "over 3 ms"},
		"of nothing":              {nil, 0.99, "none"},
		"of none observed":        {histogram{{0.001, 0}, {math.Inf(1), 0}}, 0.99, "none"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.histogram.quantile(tc.part).String(); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestWhatMayHaveTakenLongerIsNotWithinALimit(t *testing.T) {
	for name, tc := range map[string]struct {
		histogram histogram
		want      float64
	}{
		"a bucket that ends there":      {histogram{{0.005, 10}, {0.01, 99}, {0.025, 100}, {math.Inf(1), 100}}, 0.99},
		"a bucket that reaches further": {histogram{{0.005, 10}, {0.025, 100}, {math.Inf(1), 100}}, 0.1},
		"no bound below":                {histogram{{0.025, 100}, {math.Inf(1), 100}}, 0},
		"no observation":                {histogram{{0.005, 0}, {math.Inf(1), 0}}, 0},
		"no series":                     {nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.histogram.within(10 * time.Millisecond); got != tc.want {
				t.Errorf("got %g, want %g", got, tc.want)
			}
		})
	}
}
