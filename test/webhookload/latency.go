package main

import (
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

// quantile estimates what a part of the observations stays below, as Prometheus does: evenly spread between two bounds.
func (h histogram) quantile(part float64) time.Duration {
	rank := part * h.total()
	below := bucket{}
	for _, b := range h {
		if b.count >= rank && b.count > below.count {
			if math.IsInf(b.bound, 1) {
				return math.MaxInt64 // all that is known is that it is more than the last bound
			}
			return seconds(below.bound + (b.bound-below.bound)*(rank-below.count)/(b.count-below.count))
		}
		below = b
	}
	return 0
}

func seconds(s float64) time.Duration {
	return time.Duration(math.Round(s * float64(time.Second)))
}
