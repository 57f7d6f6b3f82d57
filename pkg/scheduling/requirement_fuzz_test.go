package scheduling_test

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// expressionsOf reads up to four expressions from bytes: an operator, how many values, and which of the universe those are.
func expressionsOf(data []byte) []corev1.NodeSelectorRequirement {
	operators := []corev1.NodeSelectorOperator{
		corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn, corev1.NodeSelectorOpExists,
		corev1.NodeSelectorOpDoesNotExist, corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt,
	}
	labels := universe()[1:]
	var out []corev1.NodeSelectorRequirement
	for len(data) > 1 && len(out) < 4 {
		e := corev1.NodeSelectorRequirement{Key: key, Operator: operators[int(data[0])%len(operators)]}
		n := int(data[1]) % 12 // more than are looked at one by one
		data = data[2:]
		for ; n > 0 && len(data) > 0; n-- {
			e.Values = append(e.Values, *labels[int(data[0])%len(labels)])
			data = data[1:]
		}
		if bound := e.Operator == corev1.NodeSelectorOpGt || e.Operator == corev1.NodeSelectorOpLt; bound && len(e.Values) > 1 {
			e.Values = e.Values[:1]
		}
		out = append(out, e)
	}
	return out
}

// The model of a requirement is the set of labels of the universe that pass it, found without the algebra.
func FuzzRequirement(f *testing.F) {
	f.Add([]byte{0, 2, 1, 2, 1, 1, 1})
	f.Add([]byte{4, 1, 6, 5, 1, 8, 1, 2, 7, 3})
	f.Add([]byte{0, 11, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1, 10, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Add([]byte{3, 0, 1, 3, 1, 2, 3, 2, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		all := expressionsOf(data)
		met := scheduling.Requirements{}.Get(key)
		for i, e := range all {
			before, one := met, of(e)
			met = met.Intersect(one)
			for _, label := range universe() {
				want := !slices.ContainsFunc(all[:i+1], func(e corev1.NodeSelectorRequirement) bool { return !passes(e, label) })
				if allows(met, label) != want {
					t.Fatalf("%v make %v, which on %s is not %v", all[:i+1], met, quoted(label), want)
				}
			}
			laws(t, before, one, met)
		}
	})
}

// laws checks what holds of any two requirements and what they make together.
func laws(t *testing.T, a, b, both scheduling.Requirement) {
	t.Helper()
	if !same(both, b.Intersect(a)) || !same(both, both.Intersect(a)) || !same(a, a.Intersect(a)) {
		t.Errorf("%v and %v do not commute, or not absorb what they have", a, b)
	}
	if a.Compatible(b) != b.Compatible(a) || a.Compatible(b) == both.Empty() {
		t.Errorf("%v and %v: compatible %v, together %v", a, b, a.Compatible(b), both)
	}
	if !a.Covers(both) || !b.Covers(both) {
		t.Errorf("%v, %v: both do not cover %v", a, b, both)
	}
	if a.Covers(b) && slices.ContainsFunc(universe(), func(label *string) bool { return allows(b, label) && !allows(a, label) }) {
		t.Errorf("%v does not cover %v", a, b)
	}
	if back := scheduling.FromNodeSelector(both.NodeSelectorRequirements()).Get(key); !same(back, both) {
		t.Errorf("%v comes back as %v", both, back)
	}
	if !slices.IsSorted(both.Values()) || both.Len() != len(slices.Compact(both.Values())) || !slices.Equal(both.Values(), slices.Collect(both.All())) {
		t.Errorf("values of %v are out of order, or not the same twice", both)
	}
	if value, ok := both.Single(); ok != (both.Finite() && both.Len() == 1) || ok && !both.Has(value) {
		t.Errorf("%v has one value: %v", both, ok)
	}
}
