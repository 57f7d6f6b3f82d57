package ec2

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

type describeSubnetsInput struct {
	dryRun
	paged
	IDs     []string `query:"SubnetId"`
	Filters []filter `query:"Filter"`
}

type describeSubnetsOutput struct {
	wire.Envelope
	Subnets   wire.Set[subnet] `xml:"subnetSet"`
	NextToken string           `xml:"nextToken,omitempty"`
}

type subnet struct {
	ID                      string              `xml:"subnetId"`
	ARN                     string              `xml:"subnetArn"`
	State                   string              `xml:"state"`
	VPC                     string              `xml:"vpcId"`
	CIDR                    string              `xml:"cidrBlock"`
	IPv6                    wire.Set[string]    `xml:"ipv6CidrBlockAssociationSet"`
	FreeAddresses           int                 `xml:"availableIpAddressCount"`
	Zone                    string              `xml:"availabilityZone"`
	ZoneID                  string              `xml:"availabilityZoneId"`
	DefaultForZone          bool                `xml:"defaultForAz"`
	MapPublicIP             bool                `xml:"mapPublicIpOnLaunch"`
	AssignIPv6              bool                `xml:"assignIpv6AddressOnCreation"`
	MapCustomerOwnedAddress bool                `xml:"mapCustomerOwnedIpOnLaunch"`
	IPv6Native              bool                `xml:"ipv6Native"`
	DNS64                   bool                `xml:"enableDns64"`
	OwnerID                 string              `xml:"ownerId"`
	Tags                    wire.Set[world.Tag] `xml:"tagSet"`
}

func (s *Service) describeSubnets(in describeSubnetsInput) (*describeSubnetsOutput, error) {
	all, err := byID(s.world.Subnets(), in.IDs, func(n world.SubnetStatus) string { return n.ID }, "InvalidSubnetID.NotFound", "The subnet ID '%s' does not exist")
	if err != nil {
		return nil, err
	}
	all, err = selectBy(all, in.Filters, attributes[world.SubnetStatus]{
		"availability-zone":          one(func(n world.SubnetStatus) string { return n.Zone }),
		"availabilityZone":           one(func(n world.SubnetStatus) string { return n.Zone }),
		"availability-zone-id":       one(func(n world.SubnetStatus) string { return n.ZoneID }),
		"availabilityZoneId":         one(func(n world.SubnetStatus) string { return n.ZoneID }),
		"available-ip-address-count": one(func(n world.SubnetStatus) string { return strconv.Itoa(n.FreeAddresses) }),
		"cidr-block":                 one(func(n world.SubnetStatus) string { return n.CIDR }),
		"cidr":                       one(func(n world.SubnetStatus) string { return n.CIDR }),
		"cidrBlock":                  one(func(n world.SubnetStatus) string { return n.CIDR }),
		"default-for-az":             fixed[world.SubnetStatus]("false"),
		"defaultForAz":               fixed[world.SubnetStatus]("false"),
		"ipv6-native":                fixed[world.SubnetStatus]("false"),
		"map-public-ip-on-launch":    flag(func(n world.SubnetStatus) bool { return n.MapPublicIP }),
		"owner-id":                   one(func(n world.SubnetStatus) string { return s.owner(n.OwnerID) }),
		"state":                      fixed[world.SubnetStatus]("available"),
		"subnet-arn":                 one(func(n world.SubnetStatus) string { return s.world.ARN(n.OwnerID, "subnet", n.ID) }),
		"subnet-id":                  one(func(n world.SubnetStatus) string { return n.ID }),
		"vpc-id":                     fixed[world.SubnetStatus](s.world.VPC().ID),
	}, func(n world.SubnetStatus) world.Tags { return n.Tags })
	if err != nil {
		return nil, err
	}
	all, next, err := page(all, func(n world.SubnetStatus) string { return n.ID }, in.paged, pageBounds{5, 1000, 1000})
	if err != nil {
		return nil, err
	}
	out := &describeSubnetsOutput{NextToken: next}
	for _, n := range all {
		out.Subnets = append(out.Subnets, subnet{
			ID: n.ID, ARN: s.world.ARN(n.OwnerID, "subnet", n.ID), State: "available", VPC: s.world.VPC().ID, CIDR: n.CIDR, FreeAddresses: n.FreeAddresses,
			Zone: n.Zone, ZoneID: n.ZoneID, MapPublicIP: n.MapPublicIP, OwnerID: s.owner(n.OwnerID), Tags: n.Tags.List(),
		})
	}
	return out, nil
}

type describeSecurityGroupsInput struct {
	dryRun
	paged
	IDs     []string `query:"GroupId"`
	Names   []string `query:"GroupName"`
	Filters []filter `query:"Filter"`
}

type describeSecurityGroupsOutput struct {
	wire.Envelope
	Groups    wire.Set[securityGroup] `xml:"securityGroupInfo"`
	NextToken string                  `xml:"nextToken,omitempty"`
}

type securityGroup struct {
	OwnerID     string              `xml:"ownerId"`
	ID          string              `xml:"groupId"`
	ARN         string              `xml:"securityGroupArn"`
	Name        string              `xml:"groupName"`
	Description string              `xml:"groupDescription"`
	VPC         string              `xml:"vpcId"`
	Ingress     wire.Set[string]    `xml:"ipPermissions"`
	Egress      wire.Set[string]    `xml:"ipPermissionsEgress"`
	Tags        wire.Set[world.Tag] `xml:"tagSet"`
}

func (s *Service) describeSecurityGroups(in describeSecurityGroupsInput) (*describeSecurityGroupsOutput, error) {
	groups, err := byID(s.world.SecurityGroups(), in.IDs, func(g world.SecurityGroup) string { return g.ID },
		"InvalidGroup.NotFound", "The security group '%s' does not exist")
	if err != nil {
		return nil, err
	}
	groups, err = byID(groups, in.Names, func(g world.SecurityGroup) string { return g.Name },
		"InvalidGroup.NotFound", "The security group '%s' does not exist in default VPC")
	if err != nil {
		return nil, err
	}
	groups, err = selectBy(groups, in.Filters, attributes[world.SecurityGroup]{
		"description": one(func(g world.SecurityGroup) string { return g.Description }),
		"group-id":    one(func(g world.SecurityGroup) string { return g.ID }),
		"group-name":  one(func(g world.SecurityGroup) string { return g.Name }),
		"owner-id":    one(func(g world.SecurityGroup) string { return s.owner(g.OwnerID) }),
		"vpc-id":      fixed[world.SecurityGroup](s.world.VPC().ID),
	}, func(g world.SecurityGroup) world.Tags { return g.Tags })
	if err != nil {
		return nil, err
	}
	groups, next, err := page(groups, func(g world.SecurityGroup) string { return g.ID }, in.paged, pageBounds{5, 1000, 1000})
	if err != nil {
		return nil, err
	}
	out := &describeSecurityGroupsOutput{NextToken: next}
	for _, g := range groups {
		out.Groups = append(out.Groups, securityGroup{
			OwnerID: s.owner(g.OwnerID), ID: g.ID, ARN: s.world.ARN(g.OwnerID, "security-group", g.ID), Name: g.Name, Description: g.Description,
			VPC: s.world.VPC().ID, Tags: g.Tags.List(),
		})
	}
	return out, nil
}

// owner is the account that a resource belongs to: the world's own unless it is shared.
func (s *Service) owner(other string) string { return cmp.Or(other, s.world.AccountID()) }

// byID keeps the resources with the ids that a request names, all of which must exist. No ids means all resources.
func byID[T any](list []T, ids []string, id func(T) string, code, message string) ([]T, error) {
	if len(ids) == 0 {
		return list, nil
	}
	for _, wanted := range ids {
		if !slices.ContainsFunc(list, func(resource T) bool { return id(resource) == wanted }) {
			return nil, apierror.New(code, message, wanted)
		}
	}
	return slices.DeleteFunc(list, func(resource T) bool { return !slices.Contains(ids, id(resource)) }), nil
}
