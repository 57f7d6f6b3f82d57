package awserr

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"testing"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// told returns err as the SDK tells it: by operation, status and request id.
func told(status int, requestID string, err error) error {
	return &smithy.OperationError{ServiceID: "EC2", OperationName: "CreateFleet", Err: &awshttp.ResponseError{
		RequestID:     requestID,
		ResponseError: &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}}, Err: err},
	}}
}

func api(code, message string) error { return &smithy.GenericAPIError{Code: code, Message: message} }

func TestTheTextOfAnErrorIsTheSameOnEachCall(t *testing.T) {
	connection := func(port int, err error) error {
		return &net.OpError{Op: "read", Net: "tcp", Err: err,
			Source: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: port}, Addr: &net.TCPAddr{IP: net.IPv4(52, 94, 0, 1), Port: 443}}
	}
	for name, tc := range map[string]struct {
		first, second error
		want          string
	}{
		"a request id": {
			told(400, "11111111-aaaa-4444-8888-123456789abc", api("InvalidParameterValue", "the size is wrong")),
			told(400, "22222222-bbbb-4444-8888-123456789abc", api("InvalidParameterValue", "the size is wrong")),
			"calling ec2:CreateFleet: InvalidParameterValue: the size is wrong",
		},
		"an encoded authorization failure": {
			told(403, "1", api("UnauthorizedOperation", "You are not authorized. Encoded authorization failure message: Zm9v-_A=")),
			told(403, "2", api("UnauthorizedOperation", "You are not authorized. Encoded authorization failure message: YmFy-_B=")),
			"credentials refused by ec2:CreateFleet (check the role of kerf's service account and the policy attached to it): " +
				"UnauthorizedOperation: You are not authorized. Encoded authorization failure message: ...",
		},
		"the times of a signature": {
			told(403, "1", api("SignatureDoesNotMatch", "Signature expired: 20260901T120000Z is now earlier than 20260901T120500Z")),
			told(403, "2", api("SignatureDoesNotMatch", "Signature expired: 20260901T120001Z is now earlier than 20260901T120501Z")),
			"credentials refused by ec2:CreateFleet (check the role of kerf's service account and the policy attached to it): " +
				"SignatureDoesNotMatch: Signature expired: ... is now earlier than ...",
		},
		"a request id in the message": {
			api("AccessDenied", "no (Service: Sts, Status Code: 403, Request ID: 11111111-aaaa-4444-8888-123456789abc)"),
			api("AccessDenied", "no (Service: Sts, Status Code: 403, Request ID: 22222222-bbbb-4444-8888-123456789abc)"),
			"credentials refused by ec2:CreateFleet (check the role of kerf's service account and the policy attached to it): " +
				"AccessDenied: no (Service: Sts, Status Code: 403, Request ID: ...)",
		},
		"an answer that is none": {
			told(503, "one", errors.New("unexpected EOF")), told(503, "two", errors.New("unexpected EOF")),
			"calling ec2:CreateFleet: https response error StatusCode: 503, RequestID: ..., unexpected EOF",
		},
		"a connection that breaks": {
			told(0, "", connection(40001, syscall.ECONNRESET)), told(0, "", connection(40002, syscall.ECONNRESET)),
			"calling ec2:CreateFleet: https response error StatusCode: 0, RequestID: ..., read tcp ...: connection reset by peer",
		},
		"a call that takes too long": {
			told(0, "", fmt.Errorf("canceled: %w", context.DeadlineExceeded)), told(0, "", connection(40002, context.DeadlineExceeded)),
			"calling ec2:CreateFleet: no answer in time",
		},
		"retries that ran out": {
			errors.Join(errors.New("boom"), errors.New("retry quota exceeded, 3 available, 5 requested")),
			errors.Join(errors.New("boom"), errors.New("retry quota exceeded, 1 available, 5 requested")),
			"calling ec2:CreateFleet: boom\nretry quota exceeded, ...",
		},
	} {
		t.Run(name, func(t *testing.T) {
			first, second := Explain("ec2:CreateFleet", tc.first), Explain("ec2:CreateFleet", tc.second)
			if first.Error() != tc.want || second.Error() != tc.want {
				t.Errorf("first:  %s\nsecond: %s\nwant:   %s", first, second, tc.want)
			}
			if !errors.Is(first, tc.first) || Code(first) != Code(tc.first) {
				t.Error("the error of the SDK is lost")
			}
		})
	}
}

func TestWhatNamesAThingStaysInTheText(t *testing.T) {
	for _, text := range []string{
		"The subnet ID 'subnet-0123456789abcdef0' does not exist", "arn:aws:sts::123456789012:assumed-role/kerf is not authorized to perform: ec2:CreateFleet",
		"You have requested more vCPU capacity than your current vCPU limit of 32 allows", "range 10.100.0.0/16",
	} {
		if got := Stable(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}
