package line

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Far is whom a call goes to.
type Far string

// Those that kerf calls.
const (
	API Far = "api"
	AWS Far = "aws"
)

// TryPrefix marks the actions of AWS of which kerf only asks whether it may. They change nothing.
const TryPrefix = "try "

// Call is what a request asks for.
type Call struct {
	Far Far
	// Verb is the HTTP method of a call to the API server, or the action of AWS.
	Verb string
	// Resource, Name and Sub are what a call to the API server is about.
	Resource, Name, Sub string
	// Write says that the call changes something.
	Write bool
	// Watch says that the answer has no end; Since that it begins with a version that the caller has.
	Watch, Since bool
}

// Counts reports whether a process may end at the call: it changes something that others see, or it is one of AWS's that is meant.
// Leases and events are about the process itself.
func (c Call) Counts() bool {
	return c.Far == AWS && !strings.HasPrefix(c.Verb, TryPrefix) || c.Write && c.Resource != "leases" && c.Resource != "events" && !strings.HasSuffix(c.Resource, "reviews")
}

// read tells what a request asks for.
func read(far Far, r *http.Request, body []byte) Call {
	if far == AWS {
		return readAWS(r, body)
	}
	query := r.URL.Query()
	call := Call{
		Far: far, Verb: r.Method, Write: r.Method != http.MethodGet, Watch: query.Get("watch") == "true" || query.Get("watch") == "1",
		Since: query.Get("resourceVersion") != "" && query.Get("sendInitialEvents") != "true",
	}
	segments := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	skip := 2 // api, v1
	if segments[0] == "apis" {
		skip = 3
	}
	if len(segments) <= skip {
		return call // what there is at all is asked for
	}
	segments = segments[skip:]
	if segments[0] == "namespaces" && len(segments) > 2 {
		segments = segments[2:]
	}
	segments = append(segments, "", "")
	call.Resource, call.Name, call.Sub = segments[0], segments[1], segments[2]
	return call
}

func readAWS(r *http.Request, body []byte) Call {
	call := Call{Far: AWS, Verb: r.Method + " " + r.URL.Path}
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		call.Verb = target[strings.LastIndex(target, ".")+1:]
	} else if form, err := url.ParseQuery(string(body)); err == nil && form.Has("Action") {
		call.Verb = form.Get("Action")
		if form.Get("DryRun") == "true" {
			call.Verb = TryPrefix + call.Verb
		}
	}
	reads := []string{"Describe", "Get", "List", "GET ", TryPrefix}
	call.Write = !slices.ContainsFunc(reads, func(prefix string) bool { return strings.HasPrefix(call.Verb, prefix) })
	return call
}
