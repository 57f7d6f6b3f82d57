package iam

import (
	"slices"
	"strings"
)

// Request is one thing that AWS asks policies about. A call may be several: a launch is asked about for the instance, its volumes, its image and
// so on, and all of it has to be allowed.
type Request struct {
	Action   string `json:"action"`   // e.g. ec2:TerminateInstances
	Resource string `json:"resource"` // ARN, or * where the action knows no resources
	// Context maps condition key -> values.
	Context map[string][]string `json:"context,omitempty"`
}

// Decision is what policies say to a request.
type Decision struct {
	Allowed bool
	// Denied is true where a statement says no, and not just none says yes.
	Denied bool
	// ByResource is true where it is the resource's policy that says no.
	ByResource bool
	// Statements are those that decided: all that deny if one does, else all that allow.
	Statements []Place
}

// Place is where a statement stands: the numbers, from 0, of its document and of itself.
type Place struct{ Document, Statement int }

// Evaluate judges a request by the policies of an identity: one statement has to allow it and none may deny it.
func Evaluate(documents []Document, r Request) Decision {
	var yes, no []Place
	for d, document := range documents {
		for s, statement := range document.Statement {
			switch {
			case !statement.applies(r):
			case statement.Effect == deny:
				no = append(no, Place{d, s})
			default:
				yes = append(yes, Place{d, s})
			}
		}
	}
	if len(no) > 0 {
		return Decision{Denied: true, Statements: no}
	}
	return Decision{Allowed: len(yes) > 0, Statements: yes}
}

// applies says whether a statement is about a request and its conditions hold. Names of actions are the same in capitals; those of resources are not.
func (s Statement) applies(r Request) bool {
	action := func(pattern string) bool { return like(strings.ToLower(pattern), strings.ToLower(r.Action)) }
	resource := func(pattern string) bool { return pattern == "*" || arnLike(pattern, r.Resource) }
	if len(s.Action) > 0 && !slices.ContainsFunc(s.Action, action) || slices.ContainsFunc(s.NotAction, action) {
		return false
	}
	if len(s.Resource) > 0 && !slices.ContainsFunc(s.Resource, resource) || slices.ContainsFunc(s.NotResource, resource) {
		return false
	}
	return !slices.ContainsFunc(s.understood, func(c condition) bool { return !c.holds(r) })
}
