package policy

import (
	"fmt"
	"strings"
)

// Request is one thing that AWS asks policies about. A call may be several: launching an instance is asked about for the
// instance, its volumes, its image and so on.
type Request struct {
	Action   string // e.g. ec2:TerminateInstances
	Resource string // ARN, or * where the action knows no resources
	// Context maps condition key -> value.
	Context map[string]string
}

// Allowed reports whether policies of an identity allow a request: one statement has to allow it and none may deny it.
// An operator that it does not know is an error, as guessing could go either way.
func Allowed(documents []Document, r Request) (bool, error) {
	allowed := false
	for _, d := range documents {
		for _, s := range d.Statement {
			applies, err := s.applies(r)
			if err != nil {
				return false, fmt.Errorf("evaluating statement %q: %w", s.Sid, err)
			}
			if applies && s.Effect == deny {
				return false, nil
			}
			allowed = allowed || applies && s.Effect == allow
		}
	}
	return allowed, nil
}

func (s Statement) applies(r Request) (bool, error) {
	// Names of actions are the same in capitals.
	if !anyLike(s.Action, r.Action, strings.ToLower) || !anyLike(s.Resource, r.Resource, verbatim) {
		return false, nil
	}
	for operator, keys := range s.Condition {
		for key, wanted := range keys {
			holds, err := compare(operator, wanted, r.Context, key)
			if err != nil || !holds {
				return false, err
			}
		}
	}
	return true, nil
}

// compare reports whether one of the wanted values is the context's. A key that the context lacks never compares.
func compare(operator string, wanted List, context map[string]string, key string) (bool, error) {
	value, there := "", false
	for k, v := range context {
		if strings.EqualFold(k, key) {
			value, there = v, true
		}
	}
	switch operator {
	case "StringEquals":
		for _, w := range wanted {
			if there && w == value {
				return true, nil
			}
		}
		return false, nil
	case "StringLike", "ArnEquals":
		return there && anyLike(wanted, value, verbatim), nil
	case "Bool":
		return there && anyLike(wanted, value, strings.ToLower), nil
	default:
		return false, fmt.Errorf("operator %q is not known", operator)
	}
}

func verbatim(s string) string { return s }

// anyLike reports whether one of the patterns matches the whole value. In patterns * is any text and ? any character.
func anyLike(patterns List, value string, normal func(string) string) bool {
	for _, p := range patterns {
		if like(normal(p), normal(value)) {
			return true
		}
	}
	return false
}

// like matches by going back to the last star whenever something does not fit.
func like(pattern, value string) bool {
	star, resume := -1, 0
	p, v := 0, 0
	for v < len(value) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, v
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == value[v]):
			p, v = p+1, v+1
		case star >= 0:
			resume++
			p, v = star+1, resume
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
