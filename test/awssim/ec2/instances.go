package ec2

import (
	"fmt"
	"strconv"

	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

type describeInstancesInput struct {
	dryRun
	paged
	IDs     []string `query:"InstanceId"`
	Filters []filter `query:"Filter"`
}

type describeInstancesOutput struct {
	wire.Envelope
	Reservations wire.Set[reservation] `xml:"reservationSet"`
	NextToken    string                `xml:"nextToken,omitempty"`
}

type reservation struct {
	ID        string             `xml:"reservationId"`
	OwnerID   string             `xml:"ownerId"`
	Groups    wire.Set[string]   `xml:"groupSet"` // only EC2-Classic had any
	Instances wire.Set[instance] `xml:"instancesSet"`
}

func (s *Service) describeInstances(in describeInstancesInput) (*describeInstancesOutput, error) {
	if err := in.excludes("instancesSet", len(in.IDs)); err != nil {
		return nil, err
	}
	instances, err := s.world.Read(in.IDs)
	if err != nil {
		return nil, err
	}
	instances, err = selectBy(instances, in.Filters, s.instanceAttributes(), func(i world.Instance) world.Tags { return i.Tags })
	if err != nil {
		return nil, err
	}
	instances, next, err := page(instances, func(i world.Instance) string { return i.ID }, in.paged, pageBounds{5, 1000, 1000})
	if err != nil {
		return nil, err
	}
	out := &describeInstancesOutput{NextToken: next}
	at := map[string]int{} // reservation id -> index
	for _, i := range instances {
		n, ok := at[i.ReservationID]
		if !ok {
			n = len(out.Reservations)
			at[i.ReservationID] = n
			out.Reservations = append(out.Reservations, reservation{ID: i.ReservationID, OwnerID: s.world.AccountID()})
		}
		out.Reservations[n].Instances = append(out.Reservations[n].Instances, s.describeInstance(i))
	}
	return out, nil
}

// present makes an attribute that a terminated instance has lost.
func present(value func(world.Instance) string) func(world.Instance) []string {
	return one(func(i world.Instance) string {
		if i.State == world.Terminated {
			return ""
		}
		return value(i)
	})
}

func (s *Service) instanceAttributes() attributes[world.Instance] {
	return attributes[world.Instance]{
		"architecture":             one(func(i world.Instance) string { return i.Image.Architecture }),
		"availability-zone":        one(func(i world.Instance) string { return i.Subnet.Zone }),
		"availability-zone-id":     one(func(i world.Instance) string { return i.Subnet.ZoneID }),
		"client-token":             one(func(i world.Instance) string { return i.ClientToken }),
		"hypervisor":               fixed[world.Instance]("xen"),
		"iam-instance-profile.arn": one(s.profileARN),
		"image-id":                 one(func(i world.Instance) string { return i.Image.ID }),
		"instance-id":              one(func(i world.Instance) string { return i.ID }),
		"instance-lifecycle":       one(lifecycle),
		"instance-state-code":      one(func(i world.Instance) string { return strconv.Itoa(i.State.Code()) }),
		"instance-state-name":      one(func(i world.Instance) string { return string(i.State) }),
		"instance-type":            one(func(i world.Instance) string { return i.Type }),
		"instance.group-id":        instanceGroups(func(g world.SecurityGroup) string { return g.ID }),
		"instance.group-name":      instanceGroups(func(g world.SecurityGroup) string { return g.Name }),
		"launch-index":             one(func(i world.Instance) string { return strconv.Itoa(i.LaunchIndex) }),
		"launch-time":              one(func(i world.Instance) string { return i.Launched.UTC().Format(wire.TimeFormat) }),
		"owner-id":                 fixed[world.Instance](s.world.AccountID()),
		"platform":                 one(func(i world.Instance) string { return i.Image.Platform }),
		"private-dns-name":         present(func(i world.Instance) string { return i.DNSName }),
		"private-ip-address":       present(func(i world.Instance) string { return i.Address.String() }),
		"reservation-id":           one(func(i world.Instance) string { return i.ReservationID }),
		"root-device-name":         one(func(i world.Instance) string { return i.Image.RootDevice }),
		"root-device-type":         fixed[world.Instance]("ebs"),
		"spot-instance-request-id": one(func(i world.Instance) string { return i.SpotRequestID }),
		"state-reason-code":        one(func(i world.Instance) string { return i.Reason.Code }),
		"subnet-id":                present(func(i world.Instance) string { return i.Subnet.ID }),
		"tenancy":                  fixed[world.Instance]("default"),
		"virtualization-type":      fixed[world.Instance]("hvm"),
		"vpc-id":                   present(func(world.Instance) string { return s.world.VPC().ID }),
	}
}

func instanceGroups(value func(world.SecurityGroup) string) func(world.Instance) []string {
	return func(i world.Instance) []string {
		var all []string
		for _, g := range i.Groups {
			all = append(all, value(g))
		}
		return all
	}
}

// lifecycle is spot or nothing: EC2 has no word for on-demand.
func lifecycle(i world.Instance) string {
	if i.CapacityType == world.Spot {
		return world.Spot
	}
	return ""
}

func (s *Service) profileARN(i world.Instance) string {
	profile := i.Data.IAMInstanceProfile
	switch {
	case profile == nil:
		return ""
	case profile.ARN != "":
		return profile.ARN
	}
	return fmt.Sprintf("arn:aws:iam::%s:instance-profile/%s", s.world.AccountID(), profile.Name)
}

type terminateInstancesInput struct {
	dryRun
	IDs            []string `query:"InstanceId,required"`
	Force          bool     `query:"Force"`          // every end is alike here
	SkipOSShutdown bool     `query:"SkipOsShutdown"` // the same
}

type terminateInstancesOutput struct {
	wire.Envelope
	Instances wire.Set[stateChange] `xml:"instancesSet"`
}

type stateChange struct {
	ID       string `xml:"instanceId"`
	Current  state  `xml:"currentState"`
	Previous state  `xml:"previousState"`
}

type state struct {
	Code int         `xml:"code"`
	Name world.State `xml:"name"`
}

func stateOf(s world.State) state { return state{Code: s.Code(), Name: s} }

func (s *Service) terminateInstances(in terminateInstancesInput, _ string) (*terminateInstancesOutput, error) {
	changes, err := s.world.Terminate(in.IDs, in.DryRun)
	if err != nil {
		return nil, err
	}
	out := &terminateInstancesOutput{}
	for _, change := range changes {
		out.Instances = append(out.Instances, stateChange{ID: change.ID, Current: stateOf(change.Current), Previous: stateOf(change.Previous)})
	}
	return out, nil
}

type createTagsInput struct {
	dryRun
	Resources []string    `query:"ResourceId,required"`
	Tags      []world.Tag `query:"Tag,required"`
}

type createTagsOutput struct {
	wire.Envelope
	Return bool `xml:"return"`
}

func (s *Service) createTags(in createTagsInput, _ string) (*createTagsOutput, error) {
	tags, err := world.CheckTags(in.Tags)
	if err != nil {
		return nil, err
	}
	if err := s.world.CreateTags(in.Resources, tags, in.DryRun); err != nil {
		return nil, err
	}
	return &createTagsOutput{Return: true}, nil
}
