// Package iam judges requests by IAM policies, as AWS does: what the documents say, what was asked, and which statements decided. It is pure but for
// the Auditor, which counts.
package iam

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// version of the policy language; the older one has no variables and is not in use.
const version = "2012-10-17"

// The effects of statements.
const (
	allow = "Allow"
	deny  = "Deny"
)

// Document is a policy that has been understood in full.
type Document struct {
	Version   string
	ID        string `json:"Id,omitempty"`
	Statement statements
}

// Statement allows or denies. Of Action and NotAction one is set, and of Resource and NotResource, but in policies about who may take a role.
type Statement struct {
	Sid          string                     `json:",omitempty"`
	Effect       string                     // Allow or Deny
	Principal    principals                 `json:",omitempty"` // whom a resource's policy is about
	Action       list                       `json:",omitempty"`
	NotAction    list                       `json:",omitempty"`
	Resource     list                       `json:",omitempty"`
	NotResource  list                       `json:",omitempty"`
	Condition    map[string]map[string]list `json:",omitempty"` // operator -> key -> values
	understood   []condition
	ofAnIdentity bool
}

// list is one or more strings, which JSON may write as one without brackets. Values of conditions may be booleans and numbers.
type list []string

// UnmarshalJSON implements json.Unmarshaler.
func (l *list) UnmarshalJSON(data []byte) error {
	var values []any
	if json.Unmarshal(data, &values) != nil {
		var single any
		if err := json.Unmarshal(data, &single); err != nil {
			return err
		}
		values = []any{single}
	}
	for _, value := range values {
		switch v := value.(type) {
		case string:
			*l = append(*l, v)
		case bool, float64:
			*l = append(*l, fmt.Sprint(v))
		default:
			return fmt.Errorf("%v is neither text, nor a number, nor true or false", value)
		}
	}
	return nil
}

// statements may be a single one without brackets.
type statements []Statement

// UnmarshalJSON implements json.Unmarshaler.
func (s *statements) UnmarshalJSON(data []byte) error {
	if strings.HasPrefix(strings.TrimSpace(string(data)), "{") {
		data = slices.Concat([]byte("["), data, []byte("]"))
	}
	var all []Statement
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&all); err != nil {
		return err
	}
	*s = all
	return nil
}

// Parse reads a policy and refuses whatever it does not understand: to judge by half of a policy would be to guess.
func Parse(text string) (Document, error) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	var d Document
	if err := decoder.Decode(&d); err != nil {
		return Document{}, fmt.Errorf("reading a policy: %w", err)
	}
	if d.Version != version {
		return Document{}, fmt.Errorf("reading a policy: version %q is not %s", d.Version, version)
	}
	for i := range d.Statement {
		if err := d.Statement[i].understand(); err != nil {
			return Document{}, fmt.Errorf("statement %d %q: %w", i+1, d.Statement[i].Sid, err)
		}
	}
	return d, nil
}

// understand checks a statement and works its conditions out.
func (s *Statement) understand() error {
	s.ofAnIdentity = len(s.Principal) == 0
	switch {
	case s.Effect != allow && s.Effect != deny:
		return fmt.Errorf("effect %q is neither Allow nor Deny", s.Effect)
	case (len(s.Action) == 0) == (len(s.NotAction) == 0):
		return errors.New("one of Action and NotAction is needed")
	case len(s.Resource) > 0 && len(s.NotResource) > 0 || s.ofAnIdentity && len(s.Resource)+len(s.NotResource) == 0:
		return errors.New("one of Resource and NotResource is needed")
	}
	if err := s.checkNames(); err != nil {
		return err
	}
	if err := s.Principal.check(); err != nil {
		return err
	}
	for name, keys := range s.Condition {
		op, err := operatorNamed(name)
		if err != nil {
			return err
		}
		for key, values := range keys {
			if err := op.check(values); err != nil {
				return fmt.Errorf("condition %s %s: %w", name, key, err)
			}
			s.understood = append(s.understood, condition{operator: op, key: key, values: values})
		}
	}
	return nil
}

// checkNames checks how actions and resources are written.
func (s *Statement) checkNames() error {
	for _, action := range slices.Concat(s.Action, s.NotAction) {
		if action != "*" && !strings.Contains(action, ":") {
			return fmt.Errorf("action %q names no service", action)
		}
	}
	for _, resource := range slices.Concat(s.Resource, s.NotResource) {
		if strings.Contains(resource, "${") {
			return fmt.Errorf("resource %q has a variable, which nothing here fills in", resource)
		}
	}
	return nil
}
