// Package transport is the HTTP client that calls AWS.
package transport

import (
	"io"
	"net/http"
)

// Doer is what the SDK sends requests with.
type Doer interface {
	Do(r *http.Request) (*http.Response, error)
}

// Client sends requests through another client, which answers that come at once do not break. It implements the SDK's HTTPClient.
type Client struct{ inner Doer }

// New returns a client that sends through inner.
func New(inner Doer) Client { return Client{inner} }

// Do sends the request with a body that can only be read. The SDK (smithy-go 1.28) closes a request's body as soon as the
// answer's header is there, and its body's WriteTo then fails with io.EOF. net/http may not have looked yet whether the body
// has more bytes than were announced; it takes the error for a failed request and closes the connection under the answer,
// which is lost although AWS has done the work. Read, which is all that is left here, ends as a reader should.
func (c Client) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return c.inner.Do(r)
}
