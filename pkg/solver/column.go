package solver

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// column says what one label may be on each instance type of a catalogue. Types that agree are of one kind, so that a requirement
// is held against kinds, not against a thousand types.
type column struct {
	// kinds of label; the first is absence.
	kinds []scheduling.Requirement
	of    []int32 // type -> kind
	// settled maps a value -> the kind whose label has that value and can have no other.
	settled map[string]int32
	// open are the kinds whose label is absent or may be several things.
	open []int32
	// holders are the types of a kind, nil before they are asked for.
	holders []bitset
	// sure are the types of settled kinds.
	sure bitset
}

// fewValues is up to how many values the types that have one of them are put together value by value.
const fewValues = 8

// newColumn returns the column of n types none of which has the label.
func newColumn(key string, n int) *column {
	absent := scheduling.NewRequirement(key, corev1.NodeSelectorOpDoesNotExist)
	return &column{
		kinds: []scheduling.Requirement{absent}, of: make([]int32, n), settled: map[string]int32{}, open: []int32{0},
		holders: make([]bitset, 1), sure: newBitset(n),
	}
}

// set says what the label may be on a type.
func (c *column) set(t int, q scheduling.Requirement) {
	value, single := q.Single()
	if !single && q.Finite() && q.Len() == 0 && q.AllowsAbsent() {
		return
	}
	kind, known := c.settled[value]
	if !single || !known {
		kind = int32(len(c.kinds)) //nolint:gosec // a catalogue has thousands of types, not billions
		c.kinds, c.holders = append(c.kinds, q), append(c.holders, nil)
	}
	if single {
		c.settled[value] = kind
		c.sure.add(t)
	} else {
		c.open = append(c.open, kind)
	}
	c.of[t] = kind
}

// label returns what the label may be on a type.
func (c *column) label(t int) scheduling.Requirement { return c.kinds[c.of[t]] }

// holding returns the types of a kind; they are shared and must not be changed.
func (c *column) holding(kind int32) bitset {
	if c.holders[kind] == nil {
		out := newBitset(len(c.of))
		for t, k := range c.of {
			if k == kind {
				out.add(t)
			}
		}
		c.holders[kind] = out
	}
	return c.holders[kind]
}

// accepting returns the types on which every label that own leaves open passes the requirement.
func (c *column) accepting(q, own scheduling.Requirement) bitset {
	return c.matching(q, func(label scheduling.Requirement) bool { return q.Covers(label.Intersect(own)) })
}

// touching returns the types on which some label that own leaves open passes the requirement.
func (c *column) touching(q, own scheduling.Requirement) bitset {
	return c.matching(q, func(label scheduling.Requirement) bool { return q.Compatible(label.Intersect(own)) })
}

// matching returns the types whose settled label passes the requirement, and those of open kinds that pass.
func (c *column) matching(q scheduling.Requirement, pass func(label scheduling.Requirement) bool) bitset {
	var out bitset
	switch few := q.Len() <= fewValues; {
	case few && q.Finite():
		out = newBitset(len(c.of))
		for value := range q.All() {
			if kind, ok := c.settled[value]; ok {
				out.or(c.holding(kind))
			}
		}
	case few && !q.Bounded():
		out = slices.Clone(c.sure)
		for value := range q.All() {
			if kind, ok := c.settled[value]; ok {
				out.remove(c.holding(kind))
			}
		}
	default:
		out = c.scan(q)
	}
	for _, kind := range c.open {
		if pass(c.kinds[kind]) {
			out.or(c.holding(kind))
		}
	}
	return out
}

// scan returns the types whose settled label passes the requirement, whatever that is.
func (c *column) scan(q scheduling.Requirement) bitset {
	passes := make([]bool, len(c.kinds))
	for value, kind := range c.settled {
		passes[kind] = q.Has(value)
	}
	out := newBitset(len(c.of))
	for t, kind := range c.of {
		if passes[kind] {
			out.add(t)
		}
	}
	return out
}
