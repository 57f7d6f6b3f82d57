// Package sts answers the one call of STS that tells a client who it is: GetCallerIdentity.
package sts

import (
	"net/http"

	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
	"github.com/kerf-autoscaler/kerf/test/awssim/iam"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

const (
	apiVersion = "2011-06-15"
	namespace  = "https://sts.amazonaws.com/doc/2011-06-15/"
)

// Service is the STS endpoint.
type Service struct{ world *world.World }

// New makes the endpoint of a world.
func New(w *world.World) *Service { return &Service{world: w} }

type getCallerIdentityOutput struct {
	Result    identity `xml:"GetCallerIdentityResult"`
	RequestID string   `xml:"ResponseMetadata>RequestId"`
}

type identity struct {
	ARN     string `xml:"Arn"`
	UserID  string `xml:"UserId"`
	Account string `xml:"Account"`
}

// Call carries out a request.
func (s *Service) Call(r *wire.Request) (*wire.Response, error) {
	version := r.Form.Get("Version")
	if r.Action != "GetCallerIdentity" || version != apiVersion {
		return nil, apierror.New("InvalidAction", "Could not find operation %s for version %s", r.Action, version)
	}
	account := s.world.AccountID()
	return wire.XML(http.StatusOK, getCallerIdentityOutput{
		Result:    identity{ARN: s.world.Principal(), UserID: r.Credential.AccessKeyID, Account: account},
		RequestID: r.ID,
	}, namespace, "GetCallerIdentityResponse")
}

// Refuse answers a request that could not be carried out.
func (s *Service) Refuse(r *wire.Request, e *apierror.Error) *wire.Response {
	return wire.QueryError(namespace, r.ID, e)
}

// BadCredentials is how STS refuses a key that it does not know, or a request without one.
func (s *Service) BadCredentials(missing bool) *apierror.Error {
	if missing {
		return apierror.New("MissingAuthenticationToken", "Request is missing Authentication Token").WithStatus(http.StatusForbidden)
	}
	return apierror.New("InvalidClientTokenId", "The security token included in the request is invalid.").WithStatus(http.StatusForbidden)
}

// Asks lists what IAM is asked about a call: everybody may know who they are.
func (s *Service) Asks(*wire.Request) []iam.Ask { return nil }

// Denied is how STS refuses what policies do not allow.
func (s *Service) Denied(principal string, r iam.Request, d iam.Decision) *apierror.Error {
	return apierror.New("AccessDenied", "%s", d.Because(principal, r)).WithStatus(http.StatusForbidden)
}
