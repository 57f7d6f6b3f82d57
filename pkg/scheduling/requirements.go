package scheduling

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Requirements maps a label key -> what the label may be. A key that is not there may be anything.
type Requirements map[string]Requirement

// NewRequirements returns the intersection of the given requirements, key by key.
func NewRequirements(requirements ...Requirement) Requirements {
	out := make(Requirements, len(requirements))
	out.Add(requirements...)
	return out
}

// FromNodeSelector returns the requirements that a list of the API's form means.
func FromNodeSelector(list []corev1.NodeSelectorRequirement) Requirements {
	out := make(Requirements, len(list))
	for _, r := range list {
		out.Add(NewRequirement(r.Key, r.Operator, r.Values...))
	}
	return out
}

// FromLabels returns the requirements that are met by exactly these labels.
func FromLabels(labels map[string]string) Requirements {
	out := make(Requirements, len(labels))
	for k, v := range labels {
		out.Add(NewRequirement(k, corev1.NodeSelectorOpIn, v))
	}
	return out
}

// Add narrows r down by further requirements.
func (r Requirements) Add(requirements ...Requirement) {
	for _, q := range requirements {
		if old, ok := r[q.key]; ok {
			q = old.Intersect(q)
		}
		r[q.key] = q
	}
}

// Union returns a copy of r narrowed down by o.
func (r Requirements) Union(o Requirements) Requirements {
	out := maps.Clone(r)
	if out == nil {
		out = make(Requirements, len(o))
	}
	for _, q := range o {
		out.Add(q)
	}
	return out
}

// Get returns the requirement on a key; one that is not there lets the label be anything, or absent.
func (r Requirements) Get(key string) Requirement {
	if q, ok := r[key]; ok {
		return q
	}
	return Requirement{key: key, complement: true, absent: true}
}

// Has reports whether there is a requirement on the key.
func (r Requirements) Has(key string) bool {
	_, ok := r[key]
	return ok
}

// Keys returns the keys in order.
func (r Requirements) Keys() []string { return slices.Sorted(maps.Keys(r)) }

// Conflict returns why no node can meet both r and o, or "" when one can. It looks only at keys that both have.
func (r Requirements) Conflict(o Requirements) string {
	for _, key := range r.Keys() {
		q, ok := o[key]
		if ok && !r[key].Compatible(q) {
			return fmt.Sprintf("%s is asked for where there is %s", q, r[key])
		}
	}
	return ""
}

// Matches returns why a node with exactly these labels does not meet r, or "" when it does.
func (r Requirements) Matches(labels map[string]string) string {
	for _, key := range r.Keys() {
		value, there := labels[key]
		switch {
		case there && !r[key].Has(value):
			return fmt.Sprintf("%s is asked for, the node has %q", r[key], value)
		case !there && !r[key].AllowsAbsent():
			return fmt.Sprintf("%s is asked for, the node has no such label", r[key])
		}
	}
	return ""
}

// Accepts returns why a node with these labels, and with others that possible leaves open, may not meet r, or "" when it does
// whatever becomes of the open ones. A label that neither names is absent.
func (r Requirements) Accepts(labels map[string]string, possible Requirements) string {
	for _, key := range r.Keys() {
		if _, there := labels[key]; !there && possible.Has(key) {
			if !r[key].Covers(possible[key]) {
				return fmt.Sprintf("%s is asked for, the node may become %s", r[key], possible[key])
			}
			continue
		}
		if reason := (Requirements{key: r[key]}).Matches(labels); reason != "" {
			return reason
		}
	}
	return ""
}

// Labels returns the labels that r settles: keys that have exactly one value.
func (r Requirements) Labels() map[string]string {
	out := map[string]string{}
	for key, q := range r {
		if v, ok := q.Single(); ok {
			out[key] = v
		}
	}
	return out
}

// NodeSelectorRequirements returns r in the API's form, ordered by key.
func (r Requirements) NodeSelectorRequirements() []corev1.NodeSelectorRequirement {
	var out []corev1.NodeSelectorRequirement
	for _, key := range r.Keys() {
		out = append(out, r[key].NodeSelectorRequirements()...)
	}
	return out
}

// Equal reports whether r and o say the same of the same keys.
func (r Requirements) Equal(o Requirements) bool { return maps.EqualFunc(r, o, Requirement.Equal) }

// String lists the requirements, ordered by key: text to read, not to compare.
func (r Requirements) String() string {
	parts := make([]string, 0, len(r))
	for _, key := range r.Keys() {
		parts = append(parts, r[key].String())
	}
	return strings.Join(parts, ", ")
}
