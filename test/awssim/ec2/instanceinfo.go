package ec2

import (
	"fmt"

	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

// instance is an instance as DescribeInstances shows it.
type instance struct {
	ID              string                     `xml:"instanceId"`
	ImageID         string                     `xml:"imageId"`
	State           state                      `xml:"instanceState"`
	PrivateDNSName  string                     `xml:"privateDnsName"`
	PublicDNSName   string                     `xml:"dnsName"`
	Transition      string                     `xml:"reason"`
	KeyName         string                     `xml:"keyName,omitempty"`
	LaunchIndex     int                        `xml:"amiLaunchIndex"`
	Type            string                     `xml:"instanceType"`
	Launched        wire.Time                  `xml:"launchTime"`
	Placement       placement                  `xml:"placement"`
	Platform        string                     `xml:"platform,omitempty"`
	PlatformDetails string                     `xml:"platformDetails"`
	Monitoring      monitoring                 `xml:"monitoring"`
	SubnetID        string                     `xml:"subnetId,omitempty"`
	VPC             string                     `xml:"vpcId,omitempty"`
	PrivateIP       string                     `xml:"privateIpAddress,omitempty"`
	Groups          wire.Set[groupReference]   `xml:"groupSet"`
	Reason          *stateReason               `xml:"stateReason,omitempty"`
	Architecture    string                     `xml:"architecture"`
	RootDeviceType  string                     `xml:"rootDeviceType"`
	RootDevice      string                     `xml:"rootDeviceName,omitempty"`
	Volumes         wire.Set[attachedVolume]   `xml:"blockDeviceMapping"`
	Virtualization  string                     `xml:"virtualizationType"`
	Lifecycle       string                     `xml:"instanceLifecycle,omitempty"`
	SpotRequestID   string                     `xml:"spotInstanceRequestId,omitempty"`
	ClientToken     string                     `xml:"clientToken"`
	Tags            wire.Set[world.Tag]        `xml:"tagSet"`
	Hypervisor      string                     `xml:"hypervisor"`
	Interfaces      wire.Set[networkInterface] `xml:"networkInterfaceSet"`
	Profile         *profile                   `xml:"iamInstanceProfile,omitempty"`
	EBSOptimized    bool                       `xml:"ebsOptimized"`
	ENA             bool                       `xml:"enaSupport"`
	Metadata        metadata                   `xml:"metadataOptions"`
}

type placement struct {
	Zone    string `xml:"availabilityZone"`
	ZoneID  string `xml:"availabilityZoneId"`
	Tenancy string `xml:"tenancy"`
}

type monitoring struct {
	State string `xml:"state"`
}

type groupReference struct {
	ID   string `xml:"groupId"`
	Name string `xml:"groupName"`
}

type stateReason struct {
	Code    string `xml:"code"`
	Message string `xml:"message"`
}

type attachedVolume struct {
	Device string            `xml:"deviceName"`
	EBS    attachedVolumeEBS `xml:"ebs"`
}

type attachedVolumeEBS struct {
	ID                  string    `xml:"volumeId"`
	Status              string    `xml:"status"`
	Attached            wire.Time `xml:"attachTime"`
	DeleteOnTermination bool      `xml:"deleteOnTermination"`
}

type networkInterface struct {
	ID         string                   `xml:"networkInterfaceId"`
	SubnetID   string                   `xml:"subnetId"`
	VPC        string                   `xml:"vpcId"`
	OwnerID    string                   `xml:"ownerId"`
	Status     string                   `xml:"status"`
	PrivateIP  string                   `xml:"privateIpAddress"`
	PrivateDNS string                   `xml:"privateDnsName"`
	Groups     wire.Set[groupReference] `xml:"groupSet"`
	Addresses  wire.Set[privateAddress] `xml:"privateIpAddressesSet"`
	Attachment attachment               `xml:"attachment"`
}

type privateAddress struct {
	IP      string `xml:"privateIpAddress"`
	DNS     string `xml:"privateDnsName"`
	Primary bool   `xml:"primary"`
}

type attachment struct {
	DeviceIndex         int       `xml:"deviceIndex"`
	NetworkCardIndex    int       `xml:"networkCardIndex"`
	Status              string    `xml:"status"`
	Attached            wire.Time `xml:"attachTime"`
	DeleteOnTermination bool      `xml:"deleteOnTermination"`
}

type profile struct {
	ARN string `xml:"arn"`
}

type metadata struct {
	State string `xml:"state"`
	world.MetadataOptions
}

func (s *Service) describeInstance(i world.Instance) instance {
	described := instance{
		ID: i.ID, ImageID: i.Image.ID, State: stateOf(i.State), LaunchIndex: i.LaunchIndex, Type: i.Type, Launched: wire.Time{Time: i.Launched},
		Placement: placement{Zone: i.Subnet.Zone, ZoneID: i.Subnet.ZoneID, Tenancy: "default"}, Platform: i.Image.Platform,
		PlatformDetails: platformDetails(i.Image), Monitoring: monitoring{State: "disabled"}, Architecture: i.Image.Architecture,
		RootDeviceType: "ebs", RootDevice: i.Image.RootDevice, Virtualization: "hvm", Lifecycle: lifecycle(i), SpotRequestID: i.SpotRequestID,
		ClientToken: i.ClientToken, Tags: i.Tags.List(), Hypervisor: "xen", ENA: true, KeyName: i.Data.KeyName, Metadata: metadata{State: "applied", MetadataOptions: i.Data.EffectiveMetadataOptions()},
		EBSOptimized: i.Data.EBSOptimized != nil && *i.Data.EBSOptimized,
	}
	if m := i.Data.Monitoring; m != nil && m.Enabled {
		described.Monitoring.State = "enabled"
	}
	if arn := s.profileARN(i); arn != "" {
		described.Profile = &profile{ARN: arn}
	}
	if i.Reason.Code != "" {
		described.Reason = &stateReason{Code: i.Reason.Code, Message: i.Reason.Message}
		described.Transition = fmt.Sprintf("User initiated (%s GMT)", i.Shutdown.UTC().Format("2006-01-02 15:04:05"))
	}
	if i.State != world.Terminated {
		s.describeAttachments(i, &described)
	}
	return described
}

// describeAttachments adds what an instance has until it is terminated: its place in the network and its disks.
func (s *Service) describeAttachments(i world.Instance, described *instance) {
	described.PrivateDNSName, described.PrivateIP = i.DNSName, i.Address.String()
	described.SubnetID, described.VPC = i.Subnet.ID, s.world.VPC().ID
	for _, g := range i.Groups {
		described.Groups = append(described.Groups, groupReference{ID: g.ID, Name: g.Name})
	}
	for _, v := range i.Volumes {
		described.Volumes = append(described.Volumes, attachedVolume{Device: v.Device, EBS: attachedVolumeEBS{
			ID: v.ID, Status: "attached", Attached: wire.Time{Time: i.Launched}, DeleteOnTermination: v.DeleteOnTermination,
		}})
	}
	described.Interfaces = wire.Set[networkInterface]{{
		ID: i.InterfaceID, SubnetID: i.Subnet.ID, VPC: s.world.VPC().ID, OwnerID: s.world.AccountID(), Status: "in-use",
		PrivateIP: i.Address.String(), PrivateDNS: i.DNSName, Groups: described.Groups,
		Addresses:  wire.Set[privateAddress]{{IP: i.Address.String(), DNS: i.DNSName, Primary: true}},
		Attachment: attachment{Status: "attached", Attached: wire.Time{Time: i.Launched}, DeleteOnTermination: true},
	}}
}
