package scheduling_test

import (
	"math"
	"slices"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

const key = "example.com/key"

// universe is all that a label may be in these tests; nil is a node without the label.
func universe() []*string {
	out := []*string{nil}
	for _, v := range []string{"", "a", "b", "c", "0", "1", "2", "3", "-1", "02", "9223372036854775807", "-9223372036854775808", "99999999999999999999"} {
		out = append(out, &v)
	}
	return out
}

// expressions are all of one operator and up to two values of the universe that mean different things.
func expressions() []corev1.NodeSelectorRequirement {
	e := func(op corev1.NodeSelectorOperator, values ...string) corev1.NodeSelectorRequirement {
		return corev1.NodeSelectorRequirement{Key: key, Operator: op, Values: values}
	}
	out := []corev1.NodeSelectorRequirement{e(corev1.NodeSelectorOpExists), e(corev1.NodeSelectorOpDoesNotExist)}
	for _, op := range []corev1.NodeSelectorOperator{corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn} {
		out = append(out, e(op, "a"), e(op, "a", "b"), e(op, "b", "c"), e(op, "1", "2"), e(op, "2", "3", "a"), e(op, "02"))
	}
	for _, op := range []corev1.NodeSelectorOperator{corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt} {
		for _, bound := range []string{"-1", "0", "1", "2", "9223372036854775807", "-9223372036854775808"} {
			out = append(out, e(op, bound))
		}
	}
	return out
}

// passes evaluates an expression as Kubernetes defines it, without the algebra.
func passes(e corev1.NodeSelectorRequirement, label *string) bool {
	switch e.Operator {
	case corev1.NodeSelectorOpIn:
		return label != nil && slices.Contains(e.Values, *label)
	case corev1.NodeSelectorOpNotIn:
		return label == nil || !slices.Contains(e.Values, *label)
	case corev1.NodeSelectorOpExists:
		return label != nil
	case corev1.NodeSelectorOpDoesNotExist:
		return label == nil
	case corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt:
		if label == nil || len(e.Values) != 1 {
			return false
		}
		have, err := strconv.ParseInt(*label, 10, 64)
		bound, boundErr := strconv.ParseInt(e.Values[0], 10, 64)
		if err != nil || boundErr != nil {
			return false
		}
		return e.Operator == corev1.NodeSelectorOpGt && have > bound || e.Operator == corev1.NodeSelectorOpLt && have < bound
	}
	return false
}

func of(e corev1.NodeSelectorRequirement) scheduling.Requirement {
	return scheduling.NewRequirement(e.Key, e.Operator, e.Values...)
}

func allows(r scheduling.Requirement, label *string) bool {
	if label == nil {
		return r.AllowsAbsent()
	}
	return r.Has(*label)
}

// same reports whether two requirements allow the same of the universe.
func same(a, b scheduling.Requirement) bool {
	return !slices.ContainsFunc(universe(), func(label *string) bool { return allows(a, label) != allows(b, label) })
}

func TestRequirementsMeanWhatKubernetesMeans(t *testing.T) {
	for _, e := range expressions() {
		for _, label := range universe() {
			if got, want := allows(of(e), label), passes(e, label); got != want {
				t.Errorf("%v on %s: %v, want %v", of(e), quoted(label), got, want)
			}
		}
	}
}

func TestAnIntersectionAllowsWhatBothSidesAllow(t *testing.T) {
	for _, a := range expressions() {
		for _, b := range expressions() {
			both := of(a).Intersect(of(b))
			for _, label := range universe() {
				if got, want := allows(both, label), passes(a, label) && passes(b, label); got != want {
					t.Errorf("%v and %v make %v, which on %s is %v, want %v", of(a), of(b), both, quoted(label), got, want)
				}
			}
			if !same(both, of(b).Intersect(of(a))) {
				t.Errorf("%v and %v do not commute", of(a), of(b))
			}
		}
		if !same(of(a).Intersect(of(a)), of(a)) {
			t.Errorf("%v and itself is something else", of(a))
		}
	}
}

func TestEitherAllowsWhatOneSideAllows(t *testing.T) {
	for _, a := range expressions() {
		for _, b := range expressions() {
			either := of(a).Or(of(b))
			exact := of(a).Finite() && of(b).Finite()
			for _, label := range universe() {
				want := allows(of(a), label) || allows(of(b), label)
				if got := allows(either, label); got != want && (want || exact) {
					t.Errorf("%v or %v: %v allows %v: %t", a, b, either, label, got)
				}
			}
		}
	}
}

func TestTwoExhaustALabelThatBetweenThemMayBeAnything(t *testing.T) {
	exhausting := 0
	for _, a := range expressions() {
		for _, b := range expressions() {
			got := of(a).Exhausts(of(b))
			exhausting += map[bool]int{true: 1}[got]
			want := !slices.ContainsFunc(universe(), func(label *string) bool { return !passes(a, label) && !passes(b, label) })
			if exact := !of(a).Bounded() && !of(b).Bounded(); got != want && (got || exact) {
				t.Errorf("%v and %v exhaust the label: %t, want %t", of(a), of(b), got, want)
			}
		}
	}
	if exhausting == 0 {
		t.Error("no two exhaust it")
	}
}

func TestIntersectionsAssociate(t *testing.T) {
	for _, a := range expressions() {
		for _, b := range expressions() {
			for _, c := range expressions() {
				left, right := of(a).Intersect(of(b)).Intersect(of(c)), of(a).Intersect(of(b).Intersect(of(c)))
				if !same(left, right) || left.Empty() != right.Empty() {
					t.Fatalf("%v, %v and %v make %v or %v", of(a), of(b), of(c), left, right)
				}
			}
		}
	}
}

func TestWhatIsEmptyAllowsNothing(t *testing.T) {
	for _, a := range expressions() {
		for _, b := range expressions() {
			both := of(a).Intersect(of(b))
			some := slices.ContainsFunc(universe(), func(label *string) bool { return allows(both, label) })
			if some && both.Empty() || both.Compatible(both) == both.Empty() {
				t.Errorf("%v allows something: %v, is empty: %v, is compatible with itself: %v", both, some, both.Empty(), both.Compatible(both))
			}
		}
	}
}

func TestWhatCoversAllowsAtLeastAsMuch(t *testing.T) {
	covering := 0
	for _, a := range expressions() {
		for _, b := range expressions() {
			if !of(a).Covers(of(b)) {
				continue
			}
			covering++
			for _, label := range universe() {
				if allows(of(b), label) && !allows(of(a), label) {
					t.Errorf("%v covers %v, but not %s", of(a), of(b), quoted(label))
				}
			}
		}
		if !of(a).Covers(of(a)) {
			t.Errorf("%v does not cover itself", of(a))
		}
	}
	if covering < 2*len(expressions()) {
		t.Errorf("only %d pairs cover each other", covering)
	}
}

func TestRequirementsSurviveTheAPIsForm(t *testing.T) {
	for _, a := range expressions() {
		for _, b := range expressions() {
			both := of(a).Intersect(of(b))
			back := scheduling.FromNodeSelector(both.NodeSelectorRequirements()).Get(key)
			if !same(both, back) {
				t.Errorf("%v comes back as %v", both, back)
			}
			for _, label := range universe() {
				want := !slices.ContainsFunc(both.NodeSelectorRequirements(), func(e corev1.NodeSelectorRequirement) bool { return !passes(e, label) })
				if allows(both, label) != want {
					t.Errorf("%v on %s: the API's form says %v", both, quoted(label), want)
				}
			}
		}
	}
}

func quoted(label *string) string {
	if label == nil {
		return "a node without the label"
	}
	return strconv.Quote(*label)
}

func FuzzIntersectionsAgreeWithBothSides(f *testing.F) {
	operators := []corev1.NodeSelectorOperator{
		corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn, corev1.NodeSelectorOpExists,
		corev1.NodeSelectorOpDoesNotExist, corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt,
	}
	f.Add(uint8(0), "a", "b", uint8(1), "b", "c", "a")
	f.Add(uint8(4), "1", "", uint8(5), "3", "", "2")
	f.Add(uint8(4), strconv.Itoa(math.MaxInt64), "", uint8(2), "", "", "5")
	f.Add(uint8(5), "+7", "", uint8(1), "3", "4", "03")
	f.Fuzz(func(t *testing.T, opA uint8, a1, a2 string, opB uint8, b1, b2, label string) {
		make := func(op uint8, values ...string) corev1.NodeSelectorRequirement {
			e := corev1.NodeSelectorRequirement{Key: key, Operator: operators[int(op)%len(operators)], Values: values}
			if e.Operator == corev1.NodeSelectorOpGt || e.Operator == corev1.NodeSelectorOpLt {
				e.Values = values[:1]
			}
			return e
		}
		a, b := make(opA, a1, a2), make(opB, b1, b2)
		both := of(a).Intersect(of(b))
		for _, l := range []*string{nil, &label, &a1, &b2} {
			if got, want := allows(both, l), passes(a, l) && passes(b, l); got != want {
				t.Errorf("%v and %v on %s: %v, want %v", of(a), of(b), quoted(l), got, want)
			}
		}
		if back := scheduling.FromNodeSelector(both.NodeSelectorRequirements()).Get(key); allows(back, &label) != allows(both, &label) {
			t.Errorf("%v comes back as %v", both, back)
		}
	})
}
