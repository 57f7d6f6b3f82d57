package ec2

import (
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

type createFleetOutput struct {
	wire.Envelope
	ID        string                  `xml:"fleetId"`
	Instances wire.Set[fleetInstance] `xml:"fleetInstanceSet"`
	Errors    wire.Set[fleetError]    `xml:"errorSet"`
}

type fleetInstance struct {
	From         templateAndOverrides `xml:"launchTemplateAndOverrides"`
	Lifecycle    string               `xml:"lifecycle"`
	InstanceIDs  wire.Set[string]     `xml:"instanceIds"`
	InstanceType string               `xml:"instanceType"`
	Platform     string               `xml:"platform,omitempty"`
}

type fleetError struct {
	From      templateAndOverrides `xml:"launchTemplateAndOverrides"`
	Lifecycle string               `xml:"lifecycle"`
	Code      string               `xml:"errorCode"`
	Message   string               `xml:"errorMessage"`
}

type templateAndOverrides struct {
	Template world.TemplateReference `xml:"launchTemplateSpecification"`
	Override world.FleetOverride     `xml:"overrides"`
}

func (s *Service) createFleet(r *wire.Request) (sealable, error) {
	var in world.FleetRequest
	if err := wire.DecodeQuery(r.Form, &in); err != nil {
		return nil, err
	}
	in.Fingerprint, in.Refused = fingerprint(r.Form), r.LaunchRefused
	fleet, err := s.world.CreateFleet(in)
	if err != nil {
		return nil, err
	}
	out := &createFleetOutput{ID: fleet.ID}
	for _, group := range fleet.Groups {
		out.Instances = append(out.Instances, fleetInstance{
			From: from(group.Choice), Lifecycle: group.CapacityType, InstanceIDs: group.InstanceIDs, InstanceType: group.InstanceType,
			Platform: group.Platform,
		})
	}
	for _, e := range fleet.Errors {
		out.Errors = append(out.Errors, fleetError{From: from(e.Choice), Lifecycle: e.CapacityType, Code: e.Code, Message: e.Message})
	}
	return out, nil
}

func from(c world.Choice) templateAndOverrides {
	return templateAndOverrides{Template: c.Template, Override: c.Override}
}
