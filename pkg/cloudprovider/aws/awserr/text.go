package awserr

import (
	"context"
	"errors"
	"net"
	"regexp"

	"github.com/aws/smithy-go"
)

// explained is an error of AWS in words that stay the same from call to call. They end up in conditions and events: a
// request id among them would make each failure look new, be written anew and wake whoever watches.
type explained struct {
	text string
	err  error
}

func (e *explained) Error() string { return e.text }

// Unwrap returns the error as the SDK told it.
func (e *explained) Unwrap() error { return e.err }

// Explain wraps err, returned by the action (e.g. ec2:DescribeSubnets), in words that say what to do where that is known.
// They hold what AWS answered, code and message, without what differs from call to call.
func Explain(action string, err error) error {
	text := "calling " + action + ": " + Text(err)
	if Is(err, Denied) {
		text = "credentials refused by " + action + " (check the role of kerf's service account and the policy attached to it): " + Text(err)
	}
	return &explained{text: text, err: err}
}

// Text returns what err says, without what differs from call to call.
func Text(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return Stable(api.ErrorCode() + ": " + api.ErrorMessage())
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	if operation, ok := errors.AsType[*smithy.OperationError](err); ok {
		err = operation.Unwrap() // the action names it already
	}
	return Stable(err.Error())
}

// volatile matches what differs from call to call: ids of requests, encoded authorization failures, times of signatures, the
// addresses of a connection and what is left of the SDK's retries. Its first group is what stays.
var volatile = regexp.MustCompile(`(?i)((?:request|host) ?id: ?|failure message: ?)[^\s,;)]*` +
	`|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}` +
	`|\d{8}T\d{6}Z|\d{4}-\d{2}-\d{2}[T ][\d:.]+Z?` +
	`|(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:]+\]):\d+(?:->(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:]+\]):\d+)?` +
	`|\d+ available, \d+ requested`)

// Stable returns a text of AWS with dots in place of what differs from call to call.
func Stable(text string) string { return volatile.ReplaceAllString(text, "${1}...") }
