// Package scheduling is the algebra of node selection: requirements on labels, and taints with their tolerations.
package scheduling

import (
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// Requirement is the set of values that one label may have. The label may also have to be absent.
//
// It is a finite set of values, or the complement of one cut by bounds: Exists is the complement of nothing, DoesNotExist
// the empty set, NotIn a complement that also lets the label be absent. Requirements are immutable.
type Requirement struct {
	key string
	// values in order, each once: what is allowed or, if complement is set, what is refused. Requirements share them.
	values     []string
	complement bool
	// greaterThan and lessThan are exclusive bounds on the value as an integer; nil is no bound. They exist only on complements:
	// a finite set is filtered at once.
	greaterThan, lessThan *int64
	// absent says that a node without the label passes.
	absent bool
}

// NewRequirement returns the requirement that key, operator and values mean. Beta label keys become the stable ones.
// Values of Gt and Lt that are not integers allow nothing.
func NewRequirement(key string, operator corev1.NodeSelectorOperator, values ...string) Requirement {
	r := Requirement{key: v1alpha5.NormalizeLabel(key)}
	switch operator {
	case corev1.NodeSelectorOpIn:
		r.values = distinct(values)
	case corev1.NodeSelectorOpNotIn:
		r.complement, r.absent, r.values = true, true, distinct(values)
	case corev1.NodeSelectorOpExists:
		r.complement = true
	case corev1.NodeSelectorOpDoesNotExist:
		r.absent = true
	case corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt:
		r.bound(operator, values)
	}
	return r
}

// distinct returns the values in order, each once.
func distinct(values []string) []string {
	out := slices.Clone(values)
	slices.Sort(out)
	return slices.Compact(out)
}

func (r *Requirement) bound(operator corev1.NodeSelectorOperator, values []string) {
	if len(values) != 1 {
		return
	}
	bound, err := strconv.ParseInt(values[0], 10, 64)
	if err != nil {
		return
	}
	r.complement = true
	if operator == corev1.NodeSelectorOpGt {
		r.greaterThan = &bound
	} else {
		r.lessThan = &bound
	}
	*r = r.collapse()
}

// Key returns the label that the requirement is about.
func (r Requirement) Key() string { return r.key }

// Finite reports whether Values lists all that is allowed.
func (r Requirement) Finite() bool { return !r.complement }

// Bounded reports whether a label has to be an integer within bounds to pass.
func (r Requirement) Bounded() bool { return r.greaterThan != nil || r.lessThan != nil }

// Values returns the allowed values of a finite requirement in order, and the refused ones of any other.
func (r Requirement) Values() []string { return append([]string{}, r.values...) }

// All yields what Values returns, without a copy of it.
func (r Requirement) All() iter.Seq[string] { return slices.Values(r.values) }

// Len returns how many Values there are.
func (r Requirement) Len() int { return len(r.values) }

// Single returns the only allowed value, if there is exactly one and the label may not be absent either.
func (r Requirement) Single() (string, bool) {
	if r.complement || r.absent || len(r.values) != 1 {
		return "", false
	}
	return r.values[0], true
}

// Has reports whether a node whose label has this value passes.
func (r Requirement) Has(value string) bool {
	listed := r.lists(value)
	if !r.complement {
		return listed
	}
	return !listed && r.withinBounds(value)
}

// fewValues is up to how many values looking at each of them is faster than halving their range.
const fewValues = 8

func (r Requirement) lists(value string) bool {
	if len(r.values) <= fewValues {
		return slices.Contains(r.values, value)
	}
	_, found := slices.BinarySearch(r.values, value)
	return found
}

// AllowsAbsent reports whether a node without the label passes.
func (r Requirement) AllowsAbsent() bool { return r.absent }

func (r Requirement) withinBounds(value string) bool {
	if !r.Bounded() {
		return true
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return false
	}
	return (r.greaterThan == nil || n > *r.greaterThan) && (r.lessThan == nil || n < *r.lessThan)
}

// Intersect returns the requirement that only what passes both r and o passes. Both have the same key.
func (r Requirement) Intersect(o Requirement) Requirement {
	out := Requirement{key: r.key, absent: r.absent && o.absent}
	switch {
	case r.complement && o.complement:
		out.complement, out.values = true, merged(r.values, o.values)
		out.greaterThan = tighter(r.greaterThan, o.greaterThan, func(a, b int64) bool { return a > b })
		out.lessThan = tighter(r.lessThan, o.lessThan, func(a, b int64) bool { return a < b })
		return out.collapse()
	case r.complement || !o.complement && len(o.values) < len(r.values):
		r, o = o, r
	}
	out.values = r.passing(o)
	return out
}

// passing returns the values of a finite requirement that o lets pass; if those are all, without a copy.
func (r Requirement) passing(o Requirement) []string {
	for i, v := range r.values {
		if o.Has(v) {
			continue
		}
		var out []string
		for _, w := range r.values[i+1:] {
			if o.Has(w) {
				out = append(out, w)
			}
		}
		return slices.Concat(r.values[:i], out)
	}
	return r.values
}

// merged returns the values of both in order, without a copy if one has them all.
func merged(a, b []string) []string {
	if len(a) < len(b) {
		a, b = b, a
	}
	for i, v := range b {
		if _, found := slices.BinarySearch(a, v); found {
			continue
		}
		return distinct(slices.Concat(a, b[i:]))
	}
	return a
}

// collapse turns a complement whose bounds leave no integer into the empty set.
func (r Requirement) collapse() Requirement {
	if !r.Bounded() {
		return r
	}
	low, high := int64(math.MinInt64), int64(math.MaxInt64) // the least and the greatest integer that is left
	empty := false
	if r.greaterThan != nil {
		empty, low = *r.greaterThan == math.MaxInt64, *r.greaterThan+1
	}
	if r.lessThan != nil {
		empty, high = empty || *r.lessThan == math.MinInt64, *r.lessThan-1
	}
	if empty || low > high {
		return Requirement{key: r.key, absent: r.absent}
	}
	return r
}

// Covers reports whether whatever passes o passes r, too. Both have the same key. It errs on the side of no: a complement
// whose bounds leave but a few integers is not counted out.
func (r Requirement) Covers(o Requirement) bool {
	if o.absent && !r.absent {
		return false
	}
	if !o.complement {
		return !slices.ContainsFunc(o.values, func(v string) bool { return !r.Has(v) })
	}
	if !r.complement {
		return false
	}
	return !slices.ContainsFunc(r.values, o.Has) &&
		within(o.greaterThan, r.greaterThan, func(a, b int64) bool { return a >= b }) &&
		within(o.lessThan, r.lessThan, func(a, b int64) bool { return a <= b })
}

// within reports whether the bound o is as tight as the bound r.
func within(o, r *int64, tight func(o, r int64) bool) bool {
	return r == nil || o != nil && tight(*o, *r)
}

func tighter(a, b *int64, better func(a, b int64) bool) *int64 {
	switch {
	case a == nil:
		return b
	case b == nil || better(*a, *b):
		return a
	default:
		return b
	}
}

// Or returns what passes r or o. Both have the same key. Where one of them has no finite set of values, more may pass.
func (r Requirement) Or(o Requirement) Requirement {
	absent := r.absent || o.absent
	if r.complement || o.complement {
		return Requirement{key: r.key, complement: true, absent: absent}
	}
	return Requirement{key: r.key, values: merged(r.values, o.values), absent: absent}
}

// Exhausts reports whether everything passes r or o, absence included. Both have the same key.
func (r Requirement) Exhausts(o Requirement) bool {
	if !r.complement || r.Bounded() {
		r, o = o, r
	}
	return r.complement && !r.Bounded() && (r.absent || o.absent) && !slices.ContainsFunc(r.values, func(v string) bool { return !o.Has(v) })
}

// Empty reports whether nothing passes, neither a value nor absence.
func (r Requirement) Empty() bool { return !r.complement && len(r.values) == 0 && !r.absent }

// Equal reports whether r and o are about the same key and say the same of it.
func (r Requirement) Equal(o Requirement) bool {
	return r.key == o.key && r.complement == o.complement && r.absent == o.absent && slices.Equal(r.values, o.values) &&
		equalBounds(r.greaterThan, o.greaterThan) && equalBounds(r.lessThan, o.lessThan)
}

func equalBounds(a, b *int64) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// Compatible reports whether some node passes both r and o.
func (r Requirement) Compatible(o Requirement) bool {
	switch {
	case r.absent && o.absent:
		return true
	case !r.complement:
		return slices.ContainsFunc(r.values, o.Has)
	case !o.complement:
		return slices.ContainsFunc(o.values, r.Has)
	default:
		return !r.Intersect(o).Empty()
	}
}

// NodeSelectorRequirements returns the requirement in the API's form; bounds take an entry of their own. What nothing passes
// is In without values, which the API server refuses; what everything passes is an empty list.
func (r Requirement) NodeSelectorRequirements() []corev1.NodeSelectorRequirement {
	entry := func(op corev1.NodeSelectorOperator, values ...string) corev1.NodeSelectorRequirement {
		return corev1.NodeSelectorRequirement{Key: r.key, Operator: op, Values: values}
	}
	var out []corev1.NodeSelectorRequirement
	switch {
	case !r.complement && len(r.values) == 0 && r.absent:
		return append(out, entry(corev1.NodeSelectorOpDoesNotExist))
	case !r.complement:
		return append(out, entry(corev1.NodeSelectorOpIn, r.Values()...))
	case len(r.values) > 0:
		out = append(out, entry(corev1.NodeSelectorOpNotIn, r.Values()...))
	}
	if r.greaterThan != nil {
		out = append(out, entry(corev1.NodeSelectorOpGt, strconv.FormatInt(*r.greaterThan, 10)))
	}
	if r.lessThan != nil {
		out = append(out, entry(corev1.NodeSelectorOpLt, strconv.FormatInt(*r.lessThan, 10)))
	}
	if !r.absent && !r.Bounded() {
		out = append(out, entry(corev1.NodeSelectorOpExists))
	}
	return out
}

// String returns the requirement as a person would write it, with at most five values: text to read, not to compare.
func (r Requirement) String() string {
	values := r.Values()
	if len(values) > 5 {
		values = append(values[:5:5], fmt.Sprintf("and %d others", len(r.values)-5))
	}
	var parts []string
	switch {
	case !r.complement && len(values) == 0 && r.absent:
		parts = append(parts, r.key+" DoesNotExist")
	case !r.complement:
		parts = append(parts, fmt.Sprintf("%s In [%s]", r.key, strings.Join(values, " ")))
	case len(values) > 0:
		parts = append(parts, fmt.Sprintf("%s NotIn [%s]", r.key, strings.Join(values, " ")))
	case !r.Bounded():
		parts = append(parts, r.key+" Exists")
	}
	if r.greaterThan != nil {
		parts = append(parts, fmt.Sprintf("%s > %d", r.key, *r.greaterThan))
	}
	if r.lessThan != nil {
		parts = append(parts, fmt.Sprintf("%s < %d", r.key, *r.lessThan))
	}
	return strings.Join(parts, ", ")
}
