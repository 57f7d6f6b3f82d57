// Package apierror is an answer of "no" in AWS's words: a code, a message and an HTTP status.
package apierror

import (
	"errors"
	"fmt"
	"net/http"
)

// Error is refused or failed work. How it looks on the wire is the protocol's business.
type Error struct {
	Code    string
	Message string
	Status  int // HTTP
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// New makes an error that blames the request (HTTP 400).
func New(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Status: http.StatusBadRequest}
}

// WithStatus is the same error under another HTTP status.
func (e *Error) WithStatus(status int) *Error {
	return &Error{Code: e.Code, Message: e.Message, Status: status}
}

// From finds the API error in a chain; any other error is the simulator's own fault and answers as AWS does for its own.
func From(err error) *Error {
	if apiError, ok := errors.AsType[*Error](err); ok {
		return apiError
	}
	return New("InternalError", "%v", err).WithStatus(http.StatusInternalServerError)
}

// Missing says that a required parameter is absent.
func Missing(parameter string) *Error {
	return New("MissingParameter", "The request must contain the parameter %s", parameter)
}

// InvalidValue says that a parameter has a value outside of what it may hold.
func InvalidValue(parameter string, value any, reason string) *Error {
	return New("InvalidParameterValue", "Value (%v) for parameter %s is invalid. %s", value, parameter, reason)
}

// Combination says that parameters exclude one another.
func Combination(format string, args ...any) *Error {
	return New("InvalidParameterCombination", format, args...)
}

// DryRun is EC2's way to say that the request would have been carried out.
func DryRun() *Error {
	return New("DryRunOperation", "Request would have succeeded, but DryRun flag is set.").WithStatus(http.StatusPreconditionFailed)
}
