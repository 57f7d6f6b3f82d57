// Package launchtemplate makes the launch templates that fleets refer to, and removes them when nothing needs them any more.
package launchtemplate

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// namePrefix starts the names of all launch templates; a hash follows.
const namePrefix = "karpenter.k8s.aws/"

// hashBytes is how much of the hash goes into the name.
const hashBytes = 16

// The root volume of both AMI families.
const (
	rootDevice = "/dev/xvda"
	rootGiB    = 20
)

// hopLimit lets pods without host networking reach the instance metadata, one hop further than the host.
const hopLimit = 2

// Spec is what a launch template holds.
type Spec struct {
	ImageID         string
	InstanceProfile string
	SecurityGroups  []string // ids, in order
	UserData        string
	// Tags of the template itself and of the network interfaces that it makes.
	Tags map[string]string
}

// Name returns a name that differs whenever the content does, so that a template never has to change.
func (s Spec) Name() (string, error) {
	encoded, err := json.Marshal(struct {
		Data *ec2types.RequestLaunchTemplateData
		Tags map[string]string
	}{s.data(), s.Tags})
	if err != nil {
		return "", fmt.Errorf("hashing a launch template: %w", err)
	}
	sum := sha256.Sum256(encoded)
	return namePrefix + hex.EncodeToString(sum[:hashBytes]), nil
}

func (s Spec) data() *ec2types.RequestLaunchTemplateData {
	return &ec2types.RequestLaunchTemplateData{
		ImageId:            awssdk.String(s.ImageID),
		IamInstanceProfile: &ec2types.LaunchTemplateIamInstanceProfileSpecificationRequest{Name: awssdk.String(s.InstanceProfile)},
		SecurityGroupIds:   s.SecurityGroups,
		UserData:           awssdk.String(base64.StdEncoding.EncodeToString([]byte(s.UserData))),
		MetadataOptions: &ec2types.LaunchTemplateInstanceMetadataOptionsRequest{
			HttpEndpoint:            ec2types.LaunchTemplateInstanceMetadataEndpointStateEnabled,
			HttpProtocolIpv6:        ec2types.LaunchTemplateInstanceMetadataProtocolIpv6Disabled,
			HttpPutResponseHopLimit: awssdk.Int32(hopLimit),
			HttpTokens:              ec2types.LaunchTemplateHttpTokensStateRequired,
		},
		BlockDeviceMappings: []ec2types.LaunchTemplateBlockDeviceMappingRequest{{
			DeviceName: awssdk.String(rootDevice),
			Ebs: &ec2types.LaunchTemplateEbsBlockDeviceRequest{
				VolumeSize: awssdk.Int32(rootGiB), VolumeType: ec2types.VolumeTypeGp3,
				Encrypted: awssdk.Bool(true), DeleteOnTermination: awssdk.Bool(true),
			},
		}},
		TagSpecifications: []ec2types.LaunchTemplateTagSpecificationRequest{
			{ResourceType: ec2types.ResourceTypeNetworkInterface, Tags: tagList(s.Tags)},
		},
	}
}

// tagList returns tags in order of key.
func tagList(tags map[string]string) []ec2types.Tag {
	out := make([]ec2types.Tag, 0, len(tags))
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, ec2types.Tag{Key: awssdk.String(key), Value: awssdk.String(tags[key])})
	}
	return out
}
