package iam

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Kinds of callers, as policies of resources name them.
const (
	identity = "AWS"
	service  = "Service"
)

// everyone stands for all callers.
const everyone = "*"

// Caller is who asks: an identity by its ARN, or a service of AWS by its name.
type Caller struct{ kind, name string }

// Identity is a user or a role of an account.
func Identity(arn string) Caller { return Caller{identity, arn} }

// ServiceOf is a service of AWS, such as events.amazonaws.com.
func ServiceOf(name string) Caller { return Caller{service, name} }

// principals maps kind of principal -> who. JSON may have a star for all of them.
type principals map[string]list

// UnmarshalJSON implements json.Unmarshaler.
func (p *principals) UnmarshalJSON(data []byte) error {
	var single string
	if json.Unmarshal(data, &single) == nil {
		*p = principals{identity: {single}}
		return nil
	}
	return json.Unmarshal(data, (*map[string]list)(p))
}

// check refuses what include would not understand: an account stands for all that it lets ask, which nothing here looks up.
func (p principals) check() error {
	for _, name := range p[identity] {
		if name != everyone && !strings.Contains(name, ":user/") && !strings.Contains(name, ":role/") {
			return fmt.Errorf("principal %q is neither a user, nor a role, nor everyone", name)
		}
	}
	return nil
}

// include says whether a caller is meant. The star among identities is services as well.
func (p principals) include(who Caller) bool {
	return slices.Contains(p[identity], everyone) || slices.Contains(p[who.kind], who.name)
}

// Within judges a request anew that the policies of the caller's identity have judged already, and says what comes of it at a resource of
// the same account that has a policy: one side has to allow the request, and none may deny it. A service has no other side.
func (d Decision) Within(resource *Document, who Caller, r Request) Decision {
	if resource == nil || d.Denied {
		return d
	}
	about := Document{Statement: slices.DeleteFunc(slices.Clone(resource.Statement), func(s Statement) bool { return !s.Principal.include(who) })}
	there := Evaluate([]Document{about}, r)
	if there.Denied {
		return Decision{Denied: true, ByResource: true}
	}
	d.Allowed = d.Allowed || there.Allowed
	return d
}
