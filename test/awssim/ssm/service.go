// Package ssm answers the one call of Systems Manager that finds images: GetParameter.
package ssm

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
	"github.com/kerf-autoscaler/kerf/test/awssim/iam"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

// Service is the SSM endpoint.
type Service struct{ world *world.World }

// New makes the endpoint of a world.
func New(w *world.World) *Service { return &Service{world: w} }

type getParameterInput struct {
	Name           string
	WithDecryption bool // public parameters are not encrypted
}

type getParameterOutput struct{ Parameter parameter }

type parameter struct {
	ARN              string
	DataType         string
	LastModifiedDate float64 // seconds since 1970
	Name             string
	Selector         string `json:",omitempty"`
	Type             string
	Value            string
	Version          int
}

// Call carries out a request.
func (s *Service) Call(r *wire.Request) (*wire.Response, error) {
	if r.Action != "GetParameter" {
		return nil, apierror.New("UnknownOperationException", "%s is not an operation of this simulator", r.Action)
	}
	var in getParameterInput
	if err := wire.DecodeJSON(r, &in); err != nil {
		return nil, err
	}
	if in.Name == "" {
		return nil, apierror.New("ValidationException",
			"1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null")
	}
	name, selector, _ := strings.Cut(in.Name, ":")
	p, ok := s.world.Parameter(name)
	if !ok {
		return nil, apierror.New("ParameterNotFound", "Parameter %s not found.", name)
	}
	if selector != "" && selector != strconv.Itoa(p.Version) {
		return nil, apierror.New("ParameterVersionNotFound", "Systems Manager could not find version %s of %s.", selector, name)
	}
	out := getParameterOutput{parameter{
		ARN:      fmt.Sprintf("arn:aws:ssm:%s::parameter%s", s.world.Region(), name),
		DataType: "text", LastModifiedDate: float64(p.Modified.Unix()), Name: name, Type: "String", Value: p.Value, Version: p.Version,
	}}
	if selector != "" {
		out.Parameter.Selector = ":" + selector
	}
	return wire.JSON11(out)
}

// Refuse answers a request that could not be carried out.
func (s *Service) Refuse(_ *wire.Request, e *apierror.Error) *wire.Response {
	return wire.JSON11Error(e)
}

// BadCredentials is how JSON services refuse a key that they do not know, or a request without one.
func (s *Service) BadCredentials(missing bool) *apierror.Error {
	if missing {
		return apierror.New("MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	return apierror.New("UnrecognizedClientException", "The security token included in the request is invalid.")
}

// Asks lists what IAM is asked about a call.
func (s *Service) Asks(r *wire.Request) []iam.Ask {
	var in getParameterInput
	if r.Action != "GetParameter" || wire.DecodeJSON(r, &in) != nil {
		return nil
	}
	name, _, _ := strings.Cut(in.Name, ":")
	account := s.world.AccountID()
	if strings.HasPrefix(name, "/aws/") { // public ones are nobody's
		account = ""
	}
	arn := fmt.Sprintf("arn:aws:ssm:%s:%s:parameter/%s", s.world.Region(), account, strings.TrimPrefix(name, "/"))
	return []iam.Ask{{Request: iam.Request{Action: "ssm:GetParameter", Resource: arn}}}
}

// Denied is how SSM refuses what policies do not allow.
func (s *Service) Denied(principal string, r iam.Request, d iam.Decision) *apierror.Error {
	return apierror.New("AccessDeniedException", "%s", d.Because(principal, r))
}
