// Package fleet asks EC2 for the instances of a launch group and reads its answer.
package fleet

import (
	"maps"
	"slices"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// Request is what a launch group asks for. Equal requests become equal calls.
type Request struct {
	// Token makes the call idempotent.
	Token string
	// CapacityType is spot or on-demand.
	CapacityType string
	// Size is how many instances are wanted.
	Size int32
	// Addresses is how many of its subnet's an instance may take, with its pods. It is no part of the call.
	Addresses int32
	// Configs say which instances will do.
	Configs []Config
	// Tags of the instances, their volumes and the fleet.
	Tags map[string]string
	// AskedBy tells apart what templates ask of EC2. It is no part of the call.
	AskedBy string
	// Context is what AWS has told the user to send along; "" is none.
	Context string
}

// Config is a launch template with the instance types and places that it is for.
type Config struct {
	// LaunchTemplate by name: a template that was removed and made again has the same name but another id.
	LaunchTemplate string
	Overrides      []Override
	// ImageID and SecurityGroups of the launch template, as in Origin. They are no part of the call.
	ImageID, SecurityGroups string
}

// Override is an instance type in a place.
type Override struct{ InstanceType, Zone, SubnetID string }

// Input returns the call that the request is.
func (r Request) Input() *ec2.CreateFleetInput {
	in := &ec2.CreateFleetInput{
		Type:        ec2types.FleetTypeInstant,
		ClientToken: awssdk.String(r.Token),
		TargetCapacitySpecification: &ec2types.TargetCapacitySpecificationRequest{
			TotalTargetCapacity:       awssdk.Int32(r.Size),
			DefaultTargetCapacityType: ec2types.DefaultTargetCapacityType(r.CapacityType),
		},
	}
	if r.CapacityType == v1alpha5.CapacityTypeSpot {
		in.SpotOptions = &ec2types.SpotOptionsRequest{AllocationStrategy: ec2types.SpotAllocationStrategyPriceCapacityOptimized}
	} else {
		in.OnDemandOptions = &ec2types.OnDemandOptionsRequest{AllocationStrategy: ec2types.FleetOnDemandAllocationStrategyLowestPrice}
	}
	if r.Context != "" {
		in.Context = awssdk.String(r.Context)
	}
	for _, c := range r.Configs {
		in.LaunchTemplateConfigs = append(in.LaunchTemplateConfigs, c.input())
	}
	tags := r.tagList()
	for _, resource := range []ec2types.ResourceType{ec2types.ResourceTypeInstance, ec2types.ResourceTypeVolume, ec2types.ResourceTypeFleet} {
		in.TagSpecifications = append(in.TagSpecifications, ec2types.TagSpecification{ResourceType: resource, Tags: tags})
	}
	return in
}

func (c Config) input() ec2types.FleetLaunchTemplateConfigRequest {
	out := ec2types.FleetLaunchTemplateConfigRequest{
		LaunchTemplateSpecification: &ec2types.FleetLaunchTemplateSpecificationRequest{
			LaunchTemplateName: awssdk.String(c.LaunchTemplate), Version: awssdk.String("$Latest"),
		},
	}
	for _, o := range c.Overrides {
		out.Overrides = append(out.Overrides, ec2types.FleetLaunchTemplateOverridesRequest{
			InstanceType: ec2types.InstanceType(o.InstanceType), SubnetId: awssdk.String(o.SubnetID), AvailabilityZone: awssdk.String(o.Zone),
		})
	}
	return out
}

func (r Request) tagList() []ec2types.Tag {
	out := make([]ec2types.Tag, 0, len(r.Tags))
	for _, key := range slices.Sorted(maps.Keys(r.Tags)) {
		out = append(out, ec2types.Tag{Key: awssdk.String(key), Value: awssdk.String(r.Tags[key])})
	}
	return out
}
