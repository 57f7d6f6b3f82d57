package iam

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// Ask is a request that a call of an API depends on.
type Ask struct {
	Request
	// Late requests are refused in the answer to the call, and not in place of it.
	Late bool
	// Policy is that of the resource; nil where it has none.
	Policy *Document
}

// Key is the same text for the same request.
func (r Request) Key() string {
	text, err := json.Marshal(r)
	if err != nil { // it is strings alone
		return r.Action + " " + r.Resource
	}
	return string(text)
}

// Because words a refusal as AWS does.
func (d Decision) Because(principal string, r Request) string {
	reason := fmt.Sprintf("because no identity-based policy allows the %s action", r.Action)
	switch {
	case d.Denied && d.ByResource:
		reason = "with an explicit deny in a resource-based policy"
	case d.Denied:
		reason = "with an explicit deny in an identity-based policy"
	}
	return fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s %s", principal, r.Action, r.Resource, reason)
}

// encoded is the account of a refusal that EC2 adds to its message. That of AWS can be read with the permission to; this one, by all.
type encoded struct {
	Allowed      bool    `json:"allowed"`
	ExplicitDeny bool    `json:"explicitDeny"`
	Matched      []Place `json:"matchedStatements"`
	Context      Request `json:"context"`
}

// Encode packs the account of a decision up.
func (d Decision) Encode(r Request) string {
	text, err := json.Marshal(encoded{Allowed: d.Allowed, ExplicitDeny: d.Denied, Matched: d.Statements, Context: r})
	if err != nil { // it is strings and numbers alone
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(text)
}
