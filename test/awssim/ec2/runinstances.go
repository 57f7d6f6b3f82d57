package ec2

import (
	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

// runInstancesInput is a request to launch instances without a fleet; what it says of them is looked at as in a launch template.
type runInstancesInput struct {
	DryRun            bool                     `query:"DryRun"`
	ClientToken       string                   `query:"ClientToken"`
	ImageID           string                   `query:"ImageId,required"`
	InstanceType      string                   `query:"InstanceType,required"`
	SubnetID          string                   `query:"SubnetId,required"`
	MinCount          int                      `query:"MinCount,required"`
	MaxCount          int                      `query:"MaxCount,required"`
	SecurityGroupIDs  []string                 `query:"SecurityGroupId"`
	Profile           *world.InstanceProfile   `query:"IamInstanceProfile"`
	Metadata          *world.MetadataOptions   `query:"MetadataOptions"`
	TagSpecifications []world.TagSpecification `query:"TagSpecification"`
}

type runInstancesOutput struct{ wire.Envelope }

// runInstances serves dry runs alone, which ask whether instances might be launched: fleets launch all that are.
func (s *Service) runInstances(in runInstancesInput, _ string) (*runInstancesOutput, error) {
	if _, err := world.CheckTagSpecifications(in.TagSpecifications, "instance", "volume", "network-interface", "spot-instances-request"); err != nil {
		return nil, err
	}
	if !in.DryRun {
		return nil, apierror.New("UnsupportedOperation", "The simulator launches instances by CreateFleet alone")
	}
	return nil, apierror.DryRun()
}
