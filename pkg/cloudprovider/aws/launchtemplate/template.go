// Package launchtemplate makes the launch templates that fleets refer to, and removes them when nothing needs them any more.
package launchtemplate

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/blockdevice"
)

// namePrefix starts the names of all launch templates; a hash follows.
const namePrefix = "karpenter.k8s.aws/"

// Own reports whether a launch template of that name is one that kerf has made.
func Own(name string) bool { return strings.HasPrefix(name, namePrefix) }

// hashBytes is how much of the hash goes into the name.
const hashBytes = 16

// hopLimit lets pods without host networking reach the instance metadata, one hop further than the host.
const hopLimit = 2

// interfaceTypeEFA is an interface for EFA that has addresses as well.
const interfaceTypeEFA = "efa"

// Spec is what a launch template holds.
type Spec struct {
	ImageID         string
	InstanceProfile string
	SecurityGroups  []string // ids, in order
	// NoPublicIP asks for no public address, rather than leave that to the subnet.
	NoPublicIP bool
	UserData   string
	// Metadata as the user wants it: what it leaves out is EC2's to decide. nil is kerf's own choice: tokens are required.
	Metadata *awsv1alpha1.MetadataOptions
	// IPv6 gives interfaces an address of IPv6, whatever the subnet does by itself, and has instances of kerf's own choice reach
	// their metadata over it as well.
	IPv6 bool
	// EFAInterfaces are made, on so many of the last cards, of all Cards; 0 makes none.
	Cards, EFAInterfaces int64
	// Volumes; none leaves them to the image.
	Volumes []awsv1alpha1.BlockDeviceMapping
	// DetailedMonitoring; nil leaves it to EC2, which does without.
	DetailedMonitoring *bool
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
	out := &ec2types.RequestLaunchTemplateData{
		ImageId:            awssdk.String(s.ImageID),
		IamInstanceProfile: &ec2types.LaunchTemplateIamInstanceProfileSpecificationRequest{Name: awssdk.String(s.InstanceProfile)},
		MetadataOptions:    s.metadata(),
		TagSpecifications: []ec2types.LaunchTemplateTagSpecificationRequest{
			{ResourceType: ec2types.ResourceTypeNetworkInterface, Tags: tagList(s.Tags)},
		},
	}
	if out.NetworkInterfaces = s.interfaces(); len(out.NetworkInterfaces) == 0 { // else they have the security groups
		out.SecurityGroupIds = s.SecurityGroups
	}
	if s.UserData != "" {
		out.UserData = awssdk.String(base64.StdEncoding.EncodeToString([]byte(s.UserData)))
	}
	if s.DetailedMonitoring != nil {
		out.Monitoring = &ec2types.LaunchTemplatesMonitoringRequest{Enabled: s.DetailedMonitoring}
	}
	for _, v := range s.Volumes {
		out.BlockDeviceMappings = append(out.BlockDeviceMappings, mapping(v))
	}
	return out
}

type networkInterface = ec2types.LaunchTemplateInstanceNetworkInterfaceSpecificationRequest

// interfaces returns the network interfaces: none where EC2 makes the only one as it would by itself.
func (s Spec) interfaces() []networkInterface {
	if !s.NoPublicIP && !s.IPv6 && s.EFAInterfaces == 0 {
		return nil
	}
	out := []networkInterface{{DeviceIndex: awssdk.Int32(0), Groups: s.SecurityGroups}}
	if s.EFAInterfaces > 0 {
		out[0].NetworkCardIndex = awssdk.Int32(0)
		if s.EFAInterfaces >= s.Cards {
			out[0].InterfaceType = awssdk.String(interfaceTypeEFA)
		}
		for card := max(s.Cards-s.EFAInterfaces, 1); card < s.Cards; card++ {
			out = append(out, networkInterface{
				DeviceIndex: awssdk.Int32(1), NetworkCardIndex: narrow(&card), InterfaceType: awssdk.String(interfaceTypeEFA),
				Groups: s.SecurityGroups, DeleteOnTermination: awssdk.Bool(true),
			})
		}
	}
	if s.IPv6 {
		for i := range out {
			out[i].Ipv6AddressCount = awssdk.Int32(1)
		}
		out[0].PrimaryIpv6 = awssdk.Bool(true)
	}
	if s.NoPublicIP && len(out) == 1 { // EC2 gives none to an instance of several, and takes no word about it
		out[0].AssociatePublicIpAddress = awssdk.Bool(false)
	}
	return out
}

// metadata passes on what the user says, and nothing else beside it: a part that is left out is left to EC2.
func (s Spec) metadata() *ec2types.LaunchTemplateInstanceMetadataOptionsRequest {
	if m := s.Metadata; m != nil {
		return &ec2types.LaunchTemplateInstanceMetadataOptionsRequest{
			HttpEndpoint:            ec2types.LaunchTemplateInstanceMetadataEndpointState(awssdk.ToString(m.HTTPEndpoint)),
			HttpProtocolIpv6:        ec2types.LaunchTemplateInstanceMetadataProtocolIpv6(awssdk.ToString(m.HTTPProtocolIPv6)),
			HttpPutResponseHopLimit: narrow(m.HTTPPutResponseHopLimit),
			HttpTokens:              ec2types.LaunchTemplateHttpTokensState(awssdk.ToString(m.HTTPTokens)),
		}
	}
	ipv6 := ec2types.LaunchTemplateInstanceMetadataProtocolIpv6Disabled
	if s.IPv6 {
		ipv6 = ec2types.LaunchTemplateInstanceMetadataProtocolIpv6Enabled
	}
	return &ec2types.LaunchTemplateInstanceMetadataOptionsRequest{
		HttpEndpoint:            ec2types.LaunchTemplateInstanceMetadataEndpointStateEnabled,
		HttpProtocolIpv6:        ipv6,
		HttpPutResponseHopLimit: awssdk.Int32(hopLimit),
		HttpTokens:              ec2types.LaunchTemplateHttpTokensStateRequired,
	}
}

func mapping(m awsv1alpha1.BlockDeviceMapping) ec2types.LaunchTemplateBlockDeviceMappingRequest {
	out := ec2types.LaunchTemplateBlockDeviceMappingRequest{DeviceName: m.DeviceName}
	if v := m.EBS; v != nil {
		out.Ebs = &ec2types.LaunchTemplateEbsBlockDeviceRequest{
			DeleteOnTermination: v.DeleteOnTermination, Encrypted: v.Encrypted, Iops: narrow(v.IOPS), KmsKeyId: v.KMSKeyID,
			SnapshotId: v.SnapshotID, Throughput: narrow(v.Throughput), VolumeType: ec2types.VolumeType(awssdk.ToString(v.VolumeType)),
		}
		if v.VolumeSize != nil {
			out.Ebs.VolumeSize = awssdk.Int32(blockdevice.GiB(*v.VolumeSize))
		}
	}
	return out
}

// narrow returns a number as EC2 takes it; one that is too large stays so and is EC2's to refuse.
func narrow(n *int64) *int32 {
	if n == nil {
		return nil
	}
	return awssdk.Int32(int32(max(min(*n, math.MaxInt32), math.MinInt32)))
}

// TrialName is the name of a launch template that is only tried to make, and never made.
const TrialName = namePrefix + "permission-check"

// Tagged gives each kind of resource the same tags.
func Tagged(tags map[string]string, kinds ...ec2types.ResourceType) []ec2types.TagSpecification {
	out := make([]ec2types.TagSpecification, 0, len(kinds))
	for _, kind := range kinds {
		out = append(out, ec2types.TagSpecification{ResourceType: kind, Tags: tagList(tags)})
	}
	return out
}

// tagList returns tags in order of key.
func tagList(tags map[string]string) []ec2types.Tag {
	out := make([]ec2types.Tag, 0, len(tags))
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, ec2types.Tag{Key: awssdk.String(key), Value: awssdk.String(tags[key])})
	}
	return out
}
