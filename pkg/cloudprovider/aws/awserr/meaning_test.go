package awserr

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

func apiError(code string) error {
	return fmt.Errorf("operation error EC2: X: %w", &smithy.GenericAPIError{Code: code, Message: "no"})
}

func TestErrorsAreClassifiedByTheirCode(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want Meaning
	}{
		"no capacity of a type":              {apiError("InsufficientInstanceCapacity"), Capacity},
		"a subnet that is full":              {apiError("InsufficientFreeAddressesInSubnet"), NoAddresses},
		"a type that a zone does not have":   {apiError("Unsupported"), Capacity},
		"too many virtual CPUs":              {apiError("VcpuLimitExceeded"), Quota},
		"too many spot instances":            {apiError("MaxSpotInstanceCountExceeded"), Quota},
		"EC2's throttle":                     {apiError("RequestLimitExceeded"), Throttled},
		"the throttle of JSON services":      {apiError("ThrottlingException"), Throttled},
		"a missing permission at EC2":        {apiError("UnauthorizedOperation"), Denied},
		"a missing permission elsewhere":     {apiError("AccessDeniedException"), Denied},
		"wrong credentials":                  {apiError("AuthFailure"), Denied},
		"an expired session":                 {apiError("ExpiredToken"), Denied},
		"an instance that is gone":           {apiError("InvalidInstanceID.NotFound"), NotFound},
		"a fleet too many":                   {apiError("MaxFleetCountExceeded"), Quota},
		"a full reservation":                 {apiError("ReservationCapacityExceeded"), Capacity},
		"a pool that nothing can fulfil":     {apiError("UnfulfillableCapacity"), Capacity},
		"spot without its role":              {apiError("AuthFailure.ServiceLinkedRoleCreationNotPermitted"), NoSpotRole},
		"a queue that is gone":               {apiError("QueueDoesNotExist"), NotFound},
		"a reservation that is gone":         {apiError("InvalidCapacityReservationId.NotFound"), NotFound},
		"a profile that is gone":             {apiError("NoSuchEntity"), NotFound},
		"a code that nobody knows":           {apiError("SomethingNew.OfTomorrow"), Unknown},
		"a parameter that is not there":      {apiError("ParameterNotFound"), NotFound},
		"a launch template that is gone":     {apiError("InvalidLaunchTemplateName.NotFoundException"), LaunchTemplateNotFound},
		"a launch template that is there":    {apiError("InvalidLaunchTemplateName.AlreadyExistsException"), AlreadyExists},
		"a token used for something else":    {apiError("IdempotentParameterMismatch"), IdempotencyMismatch},
		"termination protection":             {apiError("OperationNotPermitted"), Protected},
		"a wrong value":                      {apiError("InvalidParameterValue"), Invalid},
		"a fault of the server":              {apiError("InternalError"), Unknown},
		"a broken connection":                {errors.New("connection reset by peer"), Unknown},
		"nothing":                            {nil, Unknown},
		"a code in an error that wraps both": {errors.Join(errors.New("x"), apiError("AuthFailure")), Denied},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Classify(tc.err); got != tc.want {
				t.Errorf("meaning = %s, want %s", got, tc.want)
			}
		})
	}
}

func TestEachCodeHasOneMeaning(t *testing.T) {
	seen := map[string]Meaning{}
	for meaning, list := range codes() {
		for _, code := range list {
			if other, dup := seen[code]; dup {
				t.Errorf("%s means both %s and %s", code, meaning, other)
			}
			seen[code] = meaning
		}
	}
}

func TestAMissingLaunchTemplateIsNotFoundToo(t *testing.T) {
	if !IsNotFound(apiError("InvalidLaunchTemplateName.NotFoundException")) || !IsNotFound(apiError("InvalidInstanceID.NotFound")) {
		t.Error("not found is not recognised")
	}
	if IsNotFound(apiError("AuthFailure")) {
		t.Error("a refusal counts as not found")
	}
}

func TestQuotasCountAsUnfulfillable(t *testing.T) {
	for code, want := range map[string]bool{
		"InsufficientInstanceCapacity": true, "VcpuLimitExceeded": true, "UnauthorizedOperation": false, "InternalError": false,
	} {
		if got := Unfulfillable(code); got != want {
			t.Errorf("Unfulfillable(%s) = %t, want %t", code, got, want)
		}
	}
}

func TestARefusalIsExplained(t *testing.T) {
	got := Explain("ec2:DescribeSubnets", apiError("AuthFailure")).Error()
	for _, want := range []string{"credentials refused by ec2:DescribeSubnets", "service account", "AuthFailure"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q does not name %q", got, want)
		}
	}
	if got := Explain("ec2:DescribeSubnets", errors.New("timeout")).Error(); got != "calling ec2:DescribeSubnets: timeout" {
		t.Errorf("got %q", got)
	}
}

func TestWhatPassesSaysNothingOfWhatWasAsked(t *testing.T) {
	for code, want := range map[string]bool{
		"RequestLimitExceeded": true, "InternalError": true, "ServiceUnavailable": true,
		"InvalidSubnetID.NotFound": false, "UnauthorizedOperation": false, "SomethingNew.OfTomorrow": false, "DryRunOperation": false,
	} {
		if got := Passing(apiError(code)); got != want {
			t.Errorf("%s passes: %t, want %t", code, got, want)
		}
	}
	answered := &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: http.StatusBadGateway}}, Err: apiError("Odd")}
	if !Passing(answered) || !Passing(errors.New("connection reset")) {
		t.Error("that AWS is not well, or does not answer, does not pass")
	}
}
