package v1alpha5

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// taintIdentity is what two taints of a node may not have in common.
type taintIdentity struct {
	key    string
	effect corev1.TaintEffect
}

// validateTaints judges both lists of taints at the path of the spec: together they are the taints that a node starts with.
func validateTaints(path *field.Path, taints, startupTaints []Taint) field.ErrorList {
	seen := sets.New[taintIdentity]()
	return slices.Concat(
		validateTaintList(path.Child("taints"), taints, seen),
		validateTaintList(path.Child("startupTaints"), startupTaints, seen),
	)
}

func validateTaintList(path *field.Path, taints []Taint, seen sets.Set[taintIdentity]) field.ErrorList {
	var errs field.ErrorList
	for i, taint := range taints {
		at, identity := path.Index(i), taintIdentity{taint.Key, taint.Effect}
		errs = append(errs, taint.validate(at)...)
		if seen.Has(identity) {
			duplicate := field.Duplicate(at, taint.Key+":"+string(taint.Effect))
			duplicate.Detail = "a node has one taint of a key and an effect, startup taints included: remove one of the two"
			errs = append(errs, duplicate)
		}
		seen.Insert(identity)
	}
	return errs
}

// validate judges one taint. An effect may be left empty, for the sake of those that always were: such a taint does nothing.
func (t Taint) validate(path *field.Path) field.ErrorList {
	var errs field.ErrorList
	switch {
	case t.Key == "":
		errs = append(errs, field.Required(path.Child("key"), "name the taint, e.g. example.com/team"))
	case !isQualified(t.Key):
		errs = append(errs, field.Invalid(path.Child("key"), t.Key, qualifiedDetail))
	}
	if t.Value != "" && !isQualified(t.Value) {
		errs = append(errs, field.Invalid(path.Child("value"), t.Value, qualifiedDetail))
	}
	switch t.Effect {
	case corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute, "":
	default:
		errs = append(errs, field.NotSupported(path.Child("effect"), t.Effect, []corev1.TaintEffect{
			corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute,
		}))
	}
	return errs
}
