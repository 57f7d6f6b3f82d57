package iam

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// condition compares the values that a request has under a key with those wanted.
type condition struct {
	operator operator
	key      string
	values   list
}

// operator is how a condition compares.
type operator struct {
	equal    func(pattern, value string) bool
	negated  bool // holds when no wanted value is equal
	ifExists bool // holds when the request lacks the key
	every    bool // ForAllValues: each value of the request has to pass, of which there may be none
	null     bool // asks whether the key is there
}

// comparisons maps operator -> when a wanted value is equal to one of a request.
func comparisons() map[string]func(pattern, value string) bool {
	exact := func(a, b string) bool { return a == b }
	return map[string]func(pattern, value string) bool{
		"StringEquals": exact, "StringEqualsIgnoreCase": strings.EqualFold, "StringLike": like, "ArnEquals": arnLike, "ArnLike": arnLike, "Bool": strings.EqualFold,
	}
}

// operatorNamed finds an operator by its name, with what may stand before and after it.
func operatorNamed(name string) (operator, error) {
	plain, op := name, operator{}
	plain, op.ifExists = strings.CutSuffix(plain, "IfExists")
	qualified := false
	if plain, op.every = strings.CutPrefix(plain, "ForAllValues:"); !op.every {
		plain, qualified = strings.CutPrefix(plain, "ForAnyValue:")
	}
	if plain == "Null" && !op.ifExists && !op.every && !qualified {
		return operator{null: true}, nil
	}
	for _, negation := range []struct{ with, without string }{{"StringNot", "String"}, {"ArnNot", "Arn"}} {
		if rest, ok := strings.CutPrefix(plain, negation.with); ok {
			plain, op.negated = negation.without+rest, true
		}
	}
	equal, ok := comparisons()[plain]
	if !ok {
		return operator{}, fmt.Errorf("operator %q is not known", name)
	}
	op.equal = equal
	return op, nil
}

func (o operator) check(values list) error {
	switch {
	case len(values) == 0:
		return errors.New("there are no values")
	case o.null && (len(values) != 1 || values[0] != "true" && values[0] != "false"):
		return fmt.Errorf("it takes true or false, not %q", values)
	}
	for _, value := range values {
		if strings.Contains(value, "${") {
			return fmt.Errorf("value %q has a variable, which nothing here fills in", value)
		}
	}
	return nil
}

// holds says whether a condition holds for a request.
func (c condition) holds(r Request) bool {
	got, there := r.values(c.key)
	wanted := func(value string) bool {
		return slices.ContainsFunc(c.values, func(pattern string) bool { return c.operator.equal(pattern, value) })
	}
	switch {
	case c.operator.null:
		return there == (c.values[0] == "false")
	case !there:
		return c.operator.ifExists || c.operator.every || c.operator.negated
	case c.operator.every:
		return !slices.ContainsFunc(got, func(value string) bool { return wanted(value) == c.operator.negated })
	case c.operator.negated:
		return !slices.ContainsFunc(got, wanted)
	}
	return slices.ContainsFunc(got, wanted)
}

// values finds what a request has under a key, whose name is the same in capitals.
func (r Request) values(key string) ([]string, bool) {
	for name, values := range r.Context {
		if strings.EqualFold(name, key) && len(values) > 0 {
			return values, true
		}
	}
	return nil, false
}

// arnParts is how many parts an ARN has that a wildcard does not reach across.
const arnParts = 6

// arnLike compares ARNs part by part, so that a star in one does not swallow the next.
func arnLike(pattern, value string) bool {
	patterns, values := strings.SplitN(pattern, ":", arnParts), strings.SplitN(value, ":", arnParts)
	return slices.EqualFunc(patterns, values, like)
}

// like says whether a pattern matches all of a value: * is any text, ? any one character. It goes back to the last star whenever something does
// not fit.
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
