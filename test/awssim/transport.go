package awssim

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
)

// Ensure that a client can do without ports.
var (
	_ http.Handler      = (*Server)(nil)
	_ http.RoundTripper = (*Server)(nil)
)

// RoundTrip answers a request of an AWS client in the caller's own goroutine, without a connection: the transport of an HTTP client for tests whose
// order of events must not depend on a network.
func (s *Server) RoundTrip(r *http.Request) (*http.Response, error) {
	arrived := r.Clone(r.Context())
	if arrived.Body == nil {
		arrived.Body = http.NoBody
	}
	defer arrived.Body.Close() //nolint:errcheck // nothing is left to read
	recorder := httptest.NewRecorder()
	if s.answer(recorder, arrived) {
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
		return nil, io.ErrUnexpectedEOF
	}
	response := recorder.Result()
	response.Request = r
	response.Body = io.NopCloser(bytes.NewReader(recorder.Body.Bytes()))
	return response, nil
}

// AdminHandler serves what the admin port does.
func (s *Server) AdminHandler() http.Handler { return admin.Handler(s) }
