// Package audit compares what an account may ask of the API server with what it does ask: the RBAC objects that it ships with
// against the audit log of a run. It knows no cluster; the log and the objects come as text.
package audit

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
)

// Annotations by which the API server says how it has authorized a request, and why.
const (
	decisionAnnotation = "authorization.k8s.io/decision"
	reasonAnnotation   = "authorization.k8s.io/reason"
)

// maxLine is how long a line of an audit log may be, in bytes; at the level of metadata lines are far shorter.
const maxLine = 1 << 20

// Decision is what the API server's authorizer has made of a request.
type Decision string

// The decisions. A request that was answered before it came to the authorizer has none.
const (
	Undecided Decision = ""
	Allowed   Decision = "allow"
	Forbidden Decision = "forbid"
)

// Request is what the authorizer is asked about a call of the API.
type Request struct {
	Verb string
	// Path is what was asked for if that is no resource, such as /healthz; then all below is empty.
	Path string
	// APIGroup is empty for the core group.
	APIGroup string
	// Resource is in the plural, followed by / and the subresource if there is one.
	Resource string
	// Namespace is empty for resources without one, and for requests about all namespaces.
	Namespace string
	// Name is empty for requests about more than one object, and for the creation of one.
	Name string
}

func (r Request) String() string {
	if r.Path != "" {
		return r.Verb + " " + r.Path
	}
	return r.Verb + " " + place(r.APIGroup, r.Resource, r.Namespace, r.Name)
}

// place describes where a request goes: resource.group/subresource, the object, the namespace.
func place(group, resource, namespace, name string) string {
	resource, subresource, _ := strings.Cut(resource, "/")
	var out strings.Builder
	out.WriteString(resource)
	for _, part := range []struct{ separator, text string }{
		{".", group}, {"/", subresource}, {" ", name}, {" in ", namespace},
	} {
		if part.text != "" {
			out.WriteString(part.separator + part.text)
		}
	}
	return out.String()
}

// Entry is a request as it was recorded.
type Entry struct {
	Request
	User     string
	Decision Decision
	// Streamed says that a watch begins with all objects that there are. It stands for a list, too, which the client falls back to
	// where the server knows no such watch: before Kubernetes 1.34, or while it starts.
	Streamed bool
	// Reason names the binding and the role by which a request was allowed, in the API server's words.
	Reason string
}

// event is the part of an event of audit.k8s.io/v1 that matters here.
type event struct {
	AuditID    string `json:"auditID"`
	RequestURI string `json:"requestURI"`
	Verb       string `json:"verb"`
	User       struct {
		Username string `json:"username"`
	} `json:"user"`
	ImpersonatedUser *struct{} `json:"impersonatedUser"`
	ObjectRef        *struct {
		Resource    string `json:"resource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
		APIGroup    string `json:"apiGroup"`
		Subresource string `json:"subresource"`
	} `json:"objectRef"`
	Annotations map[string]string `json:"annotations"`
}

// ReadLog reads an audit log, one event on each line. A request that has several events, as a watch has, is one entry: that of
// the last event, which knows most.
func ReadLog(log io.Reader) ([]Entry, error) {
	var entries []Entry
	seen := map[string]int{} // audit ID -> index into entries
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, maxLine)
	for number := 1; lines.Scan(); number++ {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("reading line %d of an audit log: %w", number, err)
		}
		entry, err := entryOf(e)
		if err != nil {
			return nil, fmt.Errorf("reading line %d of an audit log: %w", number, err)
		}
		if at, again := seen[e.AuditID]; again {
			entries[at] = entry
			continue
		}
		seen[e.AuditID] = len(entries)
		entries = append(entries, entry)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading an audit log: %w", err)
	}
	return entries, nil
}

func entryOf(e event) (Entry, error) {
	if e.AuditID == "" || e.Verb == "" || e.RequestURI == "" {
		return Entry{}, errors.New("it is no event of audit.k8s.io/v1: auditID, verb or requestURI is missing")
	}
	if e.ImpersonatedUser != nil {
		return Entry{}, fmt.Errorf("%s acts as somebody else, which this package does not understand", e.User.Username)
	}
	entry := Entry{
		Request:  Request{Verb: e.Verb},
		User:     e.User.Username,
		Decision: Decision(e.Annotations[decisionAnnotation]),
		Reason:   e.Annotations[reasonAnnotation],
	}
	uri, err := url.ParseRequestURI(e.RequestURI)
	if err != nil {
		return Entry{}, fmt.Errorf("parsing its requestURI: %w", err)
	}
	if e.ObjectRef == nil {
		entry.Path = uri.Path
		return entry, nil
	}
	entry.Streamed = e.Verb == "watch" && uri.Query().Get("sendInitialEvents") == "true"
	o := e.ObjectRef
	entry.APIGroup, entry.Resource, entry.Namespace, entry.Name = o.APIGroup, o.Resource, o.Namespace, o.Name
	if o.Subresource != "" {
		entry.Resource += "/" + o.Subresource
	}
	switch {
	case e.Verb == "create" && o.Subresource == "":
		entry.Name = "" // the log has it from the object, which the authorizer has not seen
	case entry.Name == "" && (e.Verb == "list" || e.Verb == "watch"):
		if entry.Name, err = selectedName(uri.Query().Get("fieldSelector")); err != nil {
			return Entry{}, err
		}
	}
	return entry, nil
}

// selectedName returns the name of the only object that a field selector can match: the authorizer takes a list or watch with
// such a selector for one of that object.
func selectedName(selector string) (string, error) {
	parsed, err := fields.ParseSelector(selector)
	if err != nil {
		return "", fmt.Errorf("parsing the field selector of its requestURI: %w", err)
	}
	name, _ := parsed.RequiresExactMatch(metav1.ObjectNameField)
	return name, nil
}
