// Package ec2 answers the calls of the EC2 API (Query protocol, version 2016-11-15) from a simulated world.
package ec2

import (
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
	"github.com/kerf-autoscaler/kerf/test/awssim/iam"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

// APIVersion is the one version of the API that is spoken.
const APIVersion = "2016-11-15"

// Service is the EC2 endpoint.
type Service struct {
	world   *world.World
	actions map[string]action // name -> implementation
}

// action carries out one call.
type action func(*wire.Request) (sealable, error)

// sealable is an answer that embeds wire.Envelope.
type sealable interface {
	Seal(requestID string)
}

// New makes the endpoint of a world.
func New(w *world.World) *Service {
	s := &Service{world: w}
	s.actions = map[string]action{
		"CreateFleet":                    s.createFleet,
		"CreateLaunchTemplate":           write(s.createLaunchTemplate),
		"CreateTags":                     write(s.createTags),
		"DeleteLaunchTemplate":           write(s.deleteLaunchTemplate),
		"DescribeAvailabilityZones":      read(s.describeAvailabilityZones),
		"DescribeImages":                 read(s.describeImages),
		"DescribeInstanceTypeOfferings":  read(s.describeInstanceTypeOfferings),
		"DescribeInstanceTypes":          read(s.describeInstanceTypes),
		"DescribeInstances":              read(s.describeInstances),
		"DescribeLaunchTemplateVersions": read(s.describeLaunchTemplateVersions),
		"DescribeLaunchTemplates":        read(s.describeLaunchTemplates),
		"DescribeSecurityGroups":         read(s.describeSecurityGroups),
		"DescribeSpotPriceHistory":       read(s.describeSpotPriceHistory),
		"DescribeSubnets":                read(s.describeSubnets),
		"RunInstances":                   write(s.runInstances),
		"TerminateInstances":             write(s.terminateInstances),
	}
	return s
}

// Call carries out a request.
func (s *Service) Call(r *wire.Request) (*wire.Response, error) {
	if version := r.Form.Get("Version"); version != APIVersion {
		return nil, apierror.New("NoSuchVersion", "The API version '%s' is not one that this simulator speaks: %s", version, APIVersion)
	}
	act, ok := s.actions[r.Action]
	if !ok {
		return nil, apierror.New("InvalidAction", "The action %s is not valid for this web service.", r.Action)
	}
	answer, err := act(r)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(r.Action, "Describe") && s.world.Faults().Empty(r.Action, s.world.Now()) {
		answer = emptied(answer)
	}
	answer.Seal(r.ID)
	return wire.EC2(r.Action, answer)
}

// emptied is an answer of the same kind without anything in it.
func emptied(answer sealable) sealable {
	empty, ok := reflect.TypeAssert[sealable](reflect.New(reflect.TypeOf(answer).Elem()))
	if !ok {
		return answer
	}
	return empty
}

// Refuse answers a request that could not be carried out.
func (s *Service) Refuse(r *wire.Request, e *apierror.Error) *wire.Response {
	return wire.EC2Error(r.ID, e)
}

// BadCredentials is how EC2 refuses a key that it does not know, or a request without one.
func (s *Service) BadCredentials(bool) *apierror.Error {
	return apierror.New("AuthFailure", "AWS was not able to validate the provided access credentials").WithStatus(http.StatusUnauthorized)
}

// dryRun is part of the input of every call that only reads.
type dryRun struct {
	DryRun bool `query:"DryRun"`
}

func (d dryRun) isDryRun() bool { return d.DryRun }

// read is a call that changes nothing: a dry run of it is the call with its answer thrown away.
func read[I interface{ isDryRun() bool }, O sealable](do func(I) (O, error)) action {
	return func(r *wire.Request) (sealable, error) {
		var input I
		if err := wire.DecodeQuery(r.Form, &input); err != nil {
			return nil, err
		}
		answer, err := do(input)
		if err == nil && input.isDryRun() {
			return nil, apierror.DryRun()
		}
		return answer, err
	}
}

// write is a call that changes the world. It sees to dry runs itself, and gets the fingerprint of the request for its idempotency.
func write[I any, O sealable](do func(input I, fingerprint string) (O, error)) action {
	return func(r *wire.Request) (sealable, error) {
		var input I
		if err := wire.DecodeQuery(r.Form, &input); err != nil {
			return nil, err
		}
		return do(input, fingerprint(r.Form))
	}
}

// fingerprint is equal for requests that ask for the same: all parameters count but the token and the presigned URL's.
func fingerprint(form url.Values) string {
	asked := url.Values{}
	for name, values := range form {
		if name != "ClientToken" && !wire.IsEnvelope(name) {
			asked[name] = values
		}
	}
	return asked.Encode()
}

// Weigh finds out what the request limits of a call depend on.
func Weigh(action string, form url.Values) faults.Call {
	call := faults.Call{Action: action}
	switch action {
	case "DescribeInstances", "DescribeSecurityGroups":
		call.Whole = !form.Has("MaxResults") && !form.Has("Filter.1.Name")
	case "CreateFleet":
		call.Instances, _ = strconv.Atoi(form.Get("TargetCapacitySpecification.TotalTargetCapacity")) // nonsense is refused later
	case "TerminateInstances":
		for name := range form {
			if strings.HasPrefix(name, "InstanceId.") {
				call.Instances++
			}
		}
	}
	return call
}

// Denied is how EC2 refuses what policies do not allow.
func (s *Service) Denied(principal string, r iam.Request, d iam.Decision) *apierror.Error {
	return apierror.New("UnauthorizedOperation", "You are not authorized to perform this operation. %s. Encoded authorization failure message: %s",
		d.Because(principal, r), d.Encode(r)).WithStatus(http.StatusForbidden)
}
