package world

import (
	"cmp"
	"encoding/base64"
	"encoding/xml"
	"slices"
	"strings"

	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
)

// InstanceProfile names the IAM role of an instance.
type InstanceProfile struct {
	ARN  string `query:"Arn" xml:"arn,omitempty"`
	Name string `query:"Name" xml:"name,omitempty"`
}

// Monitoring asks for metrics each minute.
type Monitoring struct {
	Enabled bool `query:"Enabled" xml:"enabled"`
}

// MetadataOptions govern the instance metadata service.
type MetadataOptions struct {
	HTTPTokens              string `query:"HttpTokens" xml:"httpTokens,omitempty"`
	HTTPPutResponseHopLimit *int   `query:"HttpPutResponseHopLimit" xml:"httpPutResponseHopLimit,omitempty"`
	HTTPEndpoint            string `query:"HttpEndpoint" xml:"httpEndpoint,omitempty"`
	HTTPProtocolIPv6        string `query:"HttpProtocolIpv6" xml:"httpProtocolIpv6,omitempty"`
	InstanceMetadataTags    string `query:"InstanceMetadataTags" xml:"instanceMetadataTags,omitempty"`
}

// CreditSpecification is the credit mode of burstable types.
type CreditSpecification struct {
	CPUCredits string `query:"CpuCredits" xml:"cpuCredits,omitempty"`
}

// PrivateDNSNameOptions say how the instance is named.
type PrivateDNSNameOptions struct {
	HostnameType                 string `query:"HostnameType" xml:"hostnameType,omitempty"`
	EnableResourceNameDNSARecord *bool  `query:"EnableResourceNameDnsARecord" xml:"enableResourceNameDnsARecord,omitempty"`
	EnableResourceNameDNSAAAA    *bool  `query:"EnableResourceNameDnsAAAARecord" xml:"enableResourceNameDnsAAAARecord,omitempty"`
}

// BlockDeviceMapping puts a volume on a device.
type BlockDeviceMapping struct {
	DeviceName  string  `query:"DeviceName" xml:"deviceName,omitempty"`
	VirtualName string  `query:"VirtualName" xml:"virtualName,omitempty"`
	EBS         *Volume `query:"Ebs" xml:"ebs,omitempty"`
	NoDevice    *string `query:"NoDevice" xml:"noDevice,omitempty"`
}

// Volume is an EBS volume to make.
type Volume struct {
	Encrypted           *bool  `query:"Encrypted" xml:"encrypted,omitempty"`
	DeleteOnTermination *bool  `query:"DeleteOnTermination" xml:"deleteOnTermination,omitempty"`
	IOPS                *int   `query:"Iops" xml:"iops,omitempty"`
	Throughput          *int   `query:"Throughput" xml:"throughput,omitempty"`
	KMSKeyID            string `query:"KmsKeyId" xml:"kmsKeyId,omitempty"`
	SnapshotID          string `query:"SnapshotId" xml:"snapshotId,omitempty"`
	SizeGiB             *int   `query:"VolumeSize" xml:"volumeSize,omitempty"`
	Type                string `query:"VolumeType" xml:"volumeType,omitempty"`
}

// NetworkInterfaceSpec is a network interface to make.
type NetworkInterfaceSpec struct {
	AssociatePublicIP   *bool           `query:"AssociatePublicIpAddress" xml:"associatePublicIpAddress,omitempty"`
	DeleteOnTermination *bool           `query:"DeleteOnTermination" xml:"deleteOnTermination,omitempty"`
	Description         string          `query:"Description" xml:"description,omitempty"`
	DeviceIndex         *int            `query:"DeviceIndex" xml:"deviceIndex,omitempty"`
	NetworkCardIndex    *int            `query:"NetworkCardIndex" xml:"networkCardIndex,omitempty"`
	InterfaceType       string          `query:"InterfaceType" xml:"interfaceType,omitempty"`
	Groups              InterfaceGroups `query:"SecurityGroupId" xml:"groupSet,omitempty"`
	SubnetID            string          `query:"SubnetId" xml:"subnetId,omitempty"`
	IPv6AddressCount    *int            `query:"Ipv6AddressCount" xml:"ipv6AddressCount,omitempty"`
	PrimaryIPv6         *bool           `query:"PrimaryIpv6" xml:"primaryIpv6,omitempty"`
}

func (d LaunchTemplateData) check() error {
	decoded, err := base64.StdEncoding.DecodeString(d.UserData)
	if err != nil {
		return apierror.New("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.")
	}
	if len(decoded) > maxUserData {
		return apierror.InvalidValue("UserData", "...", "User data is limited to 16384 bytes.")
	}
	if len(d.SecurityGroupIDs) > 0 && len(d.NetworkInterfaces) > 0 {
		return apierror.Combination("Network interfaces and an instance-level security groups may not be specified on the same request")
	}
	if profile := d.IAMInstanceProfile; profile != nil && profile.ARN != "" && profile.Name != "" {
		return apierror.Combination("An instance profile is given by its ARN or by its name, not by both")
	}
	if err := d.MetadataOptions.check(); err != nil {
		return err
	}
	_, err = CheckTagSpecifications(d.TagSpecifications, "instance", "volume", "network-interface", "spot-instances-request")
	return err
}

// maxHops bounds how far answers of the metadata service travel.
const maxHops = 64

func (m *MetadataOptions) check() error {
	if m == nil {
		return nil
	}
	for _, option := range []struct {
		name, value string
		allowed     []string
	}{
		{"HttpTokens", m.HTTPTokens, []string{"optional", "required"}},
		{"HttpEndpoint", m.HTTPEndpoint, []string{"enabled", "disabled"}},
		{"HttpProtocolIpv6", m.HTTPProtocolIPv6, []string{"enabled", "disabled"}},
		{"InstanceMetadataTags", m.InstanceMetadataTags, []string{"enabled", "disabled"}},
	} {
		if option.value != "" && !slices.Contains(option.allowed, option.value) {
			return apierror.InvalidValue("MetadataOptions."+option.name, option.value, "Expecting one of "+strings.Join(option.allowed, ", ")+".")
		}
	}
	if hops := m.HTTPPutResponseHopLimit; hops != nil && (*hops < 1 || *hops > maxHops) {
		return apierror.InvalidValue("MetadataOptions.HttpPutResponseHopLimit", *hops, "Expecting a number from 1 to 64.")
	}
	return nil
}

// EffectiveMetadataOptions fills in EC2's defaults for what the template leaves open.
func (d LaunchTemplateData) EffectiveMetadataOptions() MetadataOptions {
	hops := 1
	m := MetadataOptions{
		HTTPTokens: "optional", HTTPPutResponseHopLimit: &hops, HTTPEndpoint: "enabled", HTTPProtocolIPv6: "disabled", InstanceMetadataTags: "disabled",
	}
	asked := d.MetadataOptions
	if asked == nil {
		return m
	}
	for _, option := range []struct {
		value *string
		asked string
	}{
		{&m.HTTPTokens, asked.HTTPTokens}, {&m.HTTPEndpoint, asked.HTTPEndpoint},
		{&m.HTTPProtocolIPv6, asked.HTTPProtocolIPv6}, {&m.InstanceMetadataTags, asked.InstanceMetadataTags},
	} {
		if option.asked != "" {
			*option.value = option.asked
		}
	}
	if asked.HTTPPutResponseHopLimit != nil {
		m.HTTPPutResponseHopLimit = asked.HTTPPutResponseHopLimit
	}
	return m
}

// ProfileName is the name of the instance profile, however the template gives it; empty without one.
func (d LaunchTemplateData) ProfileName() string {
	if d.IAMInstanceProfile == nil {
		return ""
	}
	return cmp.Or(d.IAMInstanceProfile.Name, d.IAMInstanceProfile.ARN[strings.LastIndex(d.IAMInstanceProfile.ARN, "/")+1:])
}

// groups are the security groups by id, wherever the template gives them.
func (d LaunchTemplateData) groups() []string {
	for _, spec := range d.NetworkInterfaces {
		if spec.DeviceIndex == nil || *spec.DeviceIndex == 0 {
			return spec.Groups
		}
	}
	return d.SecurityGroupIDs
}

// InterfaceGroups is the one EC2 list whose elements are not called item.
type InterfaceGroups []string

// MarshalXML implements xml.Marshaler.
func (g InterfaceGroups) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	return e.EncodeElement(struct {
		IDs []string `xml:"groupId"`
	}{g}, start)
}

// TagsFor are the tags that a template puts on a kind of resource.
func (d LaunchTemplateData) TagsFor(kind string) Tags {
	tags := Tags{}
	for _, specification := range d.TagSpecifications {
		if specification.ResourceType != kind {
			continue
		}
		for _, tag := range specification.Tags {
			tags[tag.Key] = tag.Value
		}
	}
	return tags
}
