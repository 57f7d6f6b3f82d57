// Package awserr says what AWS's error codes mean; no other package compares a code.
package awserr

import (
	"errors"
	"net/http"
	"slices"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Meaning is what a refusal by AWS means to kerf.
type Meaning string

// Meanings. Each code has at most one.
const (
	// Unknown is everything that has no code, or one that is not listed: server faults, broken connections. Retry.
	Unknown Meaning = "Unknown"
	// Capacity: AWS has none of it now. Try something else.
	Capacity Meaning = "Capacity"
	// NoAddresses: the subnet is full. Another one of the zone may do.
	NoAddresses Meaning = "NoAddresses"
	// Quota: a limit of the account that waiting does not lift. Try something else, tell the user.
	Quota Meaning = "Quota"
	// LaunchTemplateQuota: the account has as many launch templates as it may. What is bought without making one is not concerned.
	LaunchTemplateQuota Meaning = "LaunchTemplateQuota"
	// Throttled: too many requests. Retry later.
	Throttled Meaning = "Throttled"
	// Denied: credentials or permissions. The user has to change something.
	Denied Meaning = "Denied"
	// NoSpotRole: the account lacks the role by which EC2 buys spot capacity, and whoever asked may not make it.
	NoSpotRole Meaning = "NoSpotRole"
	// NotFound: what was named does not exist.
	NotFound Meaning = "NotFound"
	// LaunchTemplateNotFound is a NotFound that making the launch template again cures.
	LaunchTemplateNotFound Meaning = "LaunchTemplateNotFound"
	// AlreadyExists: what was to be made is there.
	AlreadyExists Meaning = "AlreadyExists"
	// IdempotencyMismatch: the token served a different request before.
	IdempotencyMismatch Meaning = "IdempotencyMismatch"
	// Protected: it is not to be done to this, as somebody has set, or not in its present state.
	Protected Meaning = "Protected"
	// Invalid: the request itself is wrong; repeating it does not help.
	Invalid Meaning = "Invalid"
)

// codes maps a meaning -> the codes that have it.
func codes() map[Meaning][]string {
	return map[Meaning][]string{
		Capacity: {
			"InsufficientInstanceCapacity", "InsufficientHostCapacity", "InsufficientReservedInstanceCapacity",
			"InsufficientCapacity", "InsufficientCapacityOnHost", "InsufficientVolumeCapacity", "UnfulfillableCapacity", "Unsupported",
			"ReservationCapacityExceeded", "SpotMaxPriceTooLow", "UnsupportedOperation.InstanceTypeNotSupportedInAZ",
		},
		NoAddresses: {
			"InsufficientFreeAddressesInSubnet", "InsufficientCidrBlocks",
		},
		Quota: {
			"VcpuLimitExceeded", "MaxSpotInstanceCountExceeded", "InstanceLimitExceeded", "MaxFleetCountExceeded",
			"SpotInstanceCountLimitExceeded", "VolumeLimitExceeded",
			"NetworkInterfaceLimitExceeded", "ServiceQuotaExceededException", "ResourceCountExceeded", "AddressLimitExceeded",
			"SnapshotLimitExceeded", "VolumeIOPSLimit", "MaxIOPSLimitExceeded", "PrivateIpAddressLimitExceeded",
		},
		LaunchTemplateQuota: {"LaunchTemplateLimitExceeded", "MaxTemplateLimitExceeded"},
		Throttled: {
			"RequestLimitExceeded", "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled",
			"RequestThrottledException", "TooManyRequestsException", "EC2ThrottledException", "PriorRequestNotComplete",
			"SlowDown", "BandwidthLimitExceeded", "KmsThrottled",
		},
		Denied: {
			"UnauthorizedOperation", "AuthFailure", "AccessDenied",
			"AccessDeniedException", "UnauthorizedException", "UnrecognizedClientException", "InvalidClientTokenId",
			"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature",
			"MissingAuthenticationToken", "MissingAuthenticationTokenException", "ExpiredToken", "ExpiredTokenException",
			"RequestExpired", "InvalidIdentityToken", "OptInRequired", "Blocked", "PendingVerification", "NotAuthorized",
		},
		NoSpotRole: {"AuthFailure.ServiceLinkedRoleCreationNotPermitted"},
		NotFound: {
			"InvalidInstanceID.NotFound", "InvalidSubnetID.NotFound", "InvalidGroup.NotFound", "InvalidSecurityGroupID.NotFound",
			"InvalidAMIID.NotFound", "InvalidAMIID.Unavailable", "InvalidSnapshot.NotFound", "InvalidKeyPair.NotFound",
			"InvalidCapacityReservationId.NotFound", "InvalidPlacementGroup.Unknown", "InvalidVpcID.NotFound",
			"InvalidFleetId.NotFound", "ParameterNotFound", "ResourceNotFoundException", "NoSuchEntity", "QueueDoesNotExist",
			"AWS.SimpleQueueService.NonExistentQueue",
		},
		LaunchTemplateNotFound: {
			"InvalidLaunchTemplateName.NotFoundException", "InvalidLaunchTemplateId.NotFound",
			"InvalidLaunchTemplateId.NotFoundException", "InvalidLaunchTemplateId.VersionNotFound",
		},
		AlreadyExists: {
			"InvalidLaunchTemplateName.AlreadyExistsException", "EntityAlreadyExists",
		},
		IdempotencyMismatch: {
			"IdempotentParameterMismatch",
		},
		Protected: {
			"OperationNotPermitted", "IncorrectInstanceState", "IncorrectState", "UnsupportedOperation",
		},
		Invalid: {
			"InvalidParameter", "InvalidParameterValue", "InvalidParameterCombination", "InvalidParameterException", "InvalidParameterDependency",
			"MissingParameter", "ValidationError", "ValidationException", "InvalidFleetConfiguration", "InvalidFleetConfig",
			"InvalidInstanceID.Malformed", "InvalidAMIID.Malformed", "InvalidSubnetID.Malformed", "InvalidGroupId.Malformed",
			"InvalidBlockDeviceMapping", "InvalidUserData.Malformed", "InvalidLaunchTemplateName.MalformedException",
			"InvalidIamInstanceProfileArn.Malformed", "UnknownParameter", "InvalidTagKey.Malformed", "TagLimitExceeded",
			"InvalidInput", "InvalidRequest", "InvalidAction", "InvalidQueryParameter", "MalformedQueryString", "InvalidSubnet.Conflict",
		},
	}
}

// Of returns what a code means.
func Of(code string) Meaning {
	for meaning, list := range codes() {
		if slices.Contains(list, code) {
			return meaning
		}
	}
	return Unknown
}

// Code returns the code that AWS answered with, or "" when err is no answer of AWS.
func Code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

// Classify returns what err means.
func Classify(err error) Meaning { return Of(Code(err)) }

// Passing reports whether err says nothing of what was asked: AWS did not answer, had too many requests, or is not well.
func Passing(err error) bool {
	if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && answer.HTTPStatusCode() >= http.StatusInternalServerError {
		return true
	}
	code := Code(err)
	return code == "" || PassingCode(code)
}

// PassingCode reports whether a code says nothing of what was asked, as Passing does.
func PassingCode(code string) bool {
	return Of(code) == Throttled || slices.Contains([]string{"InternalError", "InternalFailure", "ServiceUnavailable", "Unavailable"}, code)
}

// Is reports whether err has one of the meanings.
func Is(err error, meanings ...Meaning) bool {
	return slices.Contains(meanings, Classify(err))
}

// IsNotFound reports whether err says that something does not exist, launch templates included.
func IsNotFound(err error) bool { return Is(err, NotFound, LaunchTemplateNotFound) }

// Unfulfillable reports whether a code of a fleet answer says that the offering cannot be had for now, whatever the subnet.
func Unfulfillable(code string) bool {
	m := Of(code)
	return m == Capacity || m == Quota
}

// codeDryRun is how EC2 answers a dry run that it would have carried out.
const codeDryRun = "DryRunOperation"

// WouldSucceed reports whether err is EC2's answer to a dry run that it would have carried out.
func WouldSucceed(err error) bool { return Code(err) == codeDryRun }

// NotPermitted reports whether err says that AWS knows who asks and that they may not do this. Other refusals are about the
// credentials themselves.
func NotPermitted(err error) bool {
	return slices.Contains([]string{"UnauthorizedOperation", "AccessDenied", "AccessDeniedException", "UnauthorizedException", "NotAuthorized"}, Code(err))
}
