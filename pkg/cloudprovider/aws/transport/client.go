// Package transport is the HTTP client that calls AWS.
package transport

import (
	"io"
	"net/http"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// Client is the SDK's own HTTP client, which answers that come at once do not break. It implements the SDK's HTTPClient.
type Client struct{ *awshttp.BuildableClient }

// New returns a client like base, or like the SDK's default where base is nil, that gives up an attempt after timeout.
func New(base *awshttp.BuildableClient, timeout time.Duration) Client {
	if base == nil {
		base = awshttp.NewBuildableClient()
	}
	return Client{base.WithTimeout(timeout)}
}

// Do sends the request with a body that can only be read. The SDK (smithy-go 1.28) closes a request's body as soon as the
// answer's header is there, and its body's WriteTo then fails with io.EOF. net/http may not have looked yet whether the body
// has more bytes than were announced; it takes the error for a failed request and closes the connection under the answer,
// which is lost although AWS has done the work. Read, which is all that is left here, ends as a reader should.
func (c Client) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return c.BuildableClient.Do(r)
}
