package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// bucket counts the observations up to a bound.
type bucket struct {
	bound float64 // seconds
	count float64
}

// histogram is what Prometheus has of one, the lowest bound first.
type histogram []bucket

// histogramOf adds up all series of a metric that have the labels: a series as Prometheus writes it, such as name_bucket{le="1"}
// -> value.
func histogramOf(series map[string]float64, name string, labels map[string]string) histogram {
	counts := map[float64]float64{}
	for s, count := range series {
		has, ok := strings.CutPrefix(s, name+"_bucket{")
		if !ok || !hasAll(has, labels) {
			continue
		}
		if bound, err := strconv.ParseFloat(label(has, "le"), 64); err == nil {
			counts[bound] += count
		}
	}
	var h histogram
	for bound, count := range counts {
		h = append(h, bucket{bound, count})
	}
	slices.SortFunc(h, func(a, b bucket) int {
		if a.bound < b.bound {
			return -1
		}
		return 1
	})
	return h
}

func hasAll(pairs string, labels map[string]string) bool {
	for name, value := range labels {
		if label(pairs, name) != value {
			return false
		}
	}
	return true
}

// label returns the value of a label of a series, given what follows its opening brace.
func label(pairs, name string) string {
	for pair := range strings.SplitSeq(strings.TrimSuffix(pairs, `"}`), `",`) {
		if key, value, _ := strings.Cut(pair, `="`); key == name {
			return value
		}
	}
	return ""
}

// total returns the number of observations.
func (h histogram) total() float64 {
	if len(h) == 0 {
		return 0
	}
	return h[len(h)-1].count
}

// within returns which part of the observations is known to be at most a limit: what is in a bucket that ends beyond it may have
// been on either side. Of no observations nothing is known.
func (h histogram) within(limit time.Duration) float64 {
	if h.total() == 0 {
		return 0
	}
	count := 0.0
	for _, b := range h {
		if b.bound <= limit.Seconds() {
			count = b.count
		}
	}
	return count / h.total()
}

// quantile is what is known of the time that a part of the observations took at the most.
type quantile struct {
	above, atMost float64 // seconds
}

// quantile returns the bucket that a quantile is in: a histogram knows no more of it.
func (h histogram) quantile(part float64) quantile {
	rank, above := part*h.total(), 0.0
	for _, b := range h {
		if b.count >= rank && b.count > 0 {
			return quantile{above, b.bound}
		}
		above = b.bound
	}
	return quantile{}
}

func (q quantile) String() string {
	switch {
	case q == quantile{}:
		return "none"
	case math.IsInf(q.atMost, 1):
		return fmt.Sprintf("over %g ms", milliseconds(q.above))
	default:
		return fmt.Sprintf("%g to %g ms", milliseconds(q.above), milliseconds(q.atMost))
	}
}

// milliseconds returns seconds in milliseconds, without what floating point adds to bounds that people chose.
func milliseconds(seconds float64) float64 { return math.Round(seconds*1e6) / 1e3 }
