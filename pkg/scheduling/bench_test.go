package scheduling_test

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

func BenchmarkIntersect(b *testing.B) {
	var many []string
	for i := range 60 {
		many = append(many, fmt.Sprintf("m%d.large", i))
	}
	in := func(values ...string) scheduling.Requirement {
		return scheduling.NewRequirement(key, corev1.NodeSelectorOpIn, values...)
	}
	for _, bc := range []struct {
		name string
		a, b scheduling.Requirement
	}{
		{"one value of many", in("m7.large"), in(many...)},
		{"many and others", in(many...), in(many[30:]...)},
		{"many and an exception", in(many...), scheduling.NewRequirement(key, corev1.NodeSelectorOpNotIn, "m7.large")},
		{"many and anything", in(many...), scheduling.Requirements{}.Get(key)},
		{"two exceptions", scheduling.NewRequirement(key, corev1.NodeSelectorOpNotIn, "a"), scheduling.NewRequirement(key, corev1.NodeSelectorOpNotIn, "b")},
		{"two bounds", scheduling.NewRequirement(key, corev1.NodeSelectorOpGt, "2"), scheduling.NewRequirement(key, corev1.NodeSelectorOpLt, "9")},
	} {
		b.Run(bc.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if bc.a.Intersect(bc.b).Empty() {
					b.Fatal("nothing is left")
				}
			}
		})
	}
}

func BenchmarkCompatible(b *testing.B) {
	var many []string
	for i := range 60 {
		many = append(many, fmt.Sprintf("m%d.large", i))
	}
	one, all := scheduling.NewRequirement(key, corev1.NodeSelectorOpIn, "m7.large"), scheduling.NewRequirement(key, corev1.NodeSelectorOpIn, many...)
	b.ReportAllocs()
	for b.Loop() {
		if !one.Compatible(all) {
			b.Fatal("nothing is left")
		}
	}
}

func BenchmarkUnion(b *testing.B) {
	labels := map[string]string{}
	for i := range 10 {
		labels[fmt.Sprintf("example.com/%d", i)] = "value"
	}
	a, c := scheduling.FromLabels(labels), scheduling.FromLabels(labels)
	b.ReportAllocs()
	for b.Loop() {
		if len(a.Union(c)) != len(labels) {
			b.Fatal("keys are missing")
		}
	}
}
