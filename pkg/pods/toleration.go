package pods

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"
)

// tolerates follows the scheduler: an empty key with Exists matches every taint, an empty effect every effect, an empty
// operator is Equal. Lt and Gt compare decimal integers; the toleration's value is the bound.
func tolerates(t corev1.Toleration, taint corev1.Taint) bool {
	if t.Effect != "" && t.Effect != taint.Effect || t.Key != "" && t.Key != taint.Key {
		return false
	}
	switch t.Operator {
	case "", corev1.TolerationOpEqual:
		return t.Value == taint.Value
	case corev1.TolerationOpExists:
		return true
	case corev1.TolerationOpLt, corev1.TolerationOpGt:
		bound, value, ok := integers(t.Value, taint.Value)
		return ok && (t.Operator == corev1.TolerationOpLt && value < bound || t.Operator == corev1.TolerationOpGt && value > bound)
	default:
		return false
	}
}

func integers(a, b string) (int64, int64, bool) {
	x, okX := integer(a)
	y, okY := integer(b)
	return x, y, okX && okY
}

// integer parses a decimal integer in its only spelling: no plus sign, no leading zero.
func integer(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && strconv.FormatInt(n, 10) == s
}
