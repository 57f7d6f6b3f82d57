package ec2

import (
	"maps"
	"slices"
	"strconv"

	"github.com/kerf-autoscaler/kerf/test/awssim/iam"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

// anyID stands for a resource that is about to be made.
const anyID = "*"

// Asks lists what IAM is asked about a call, by what EC2's page of the Service Authorization Reference says of its resources. A call that cannot be
// carried out for other reasons is asked about nothing: the action itself refuses it.
func (s *Service) Asks(r *wire.Request) []iam.Ask {
	asks, ok := map[string]func(*wire.Request) []iam.Ask{
		"CreateFleet": s.asksOfFleet, "CreateLaunchTemplate": s.asksOfTemplate, "DeleteLaunchTemplate": s.asksOfDeletion,
		"TerminateInstances": s.asksOfTermination, "CreateTags": s.asksOfTagging, "RunInstances": s.asksOfRun,
	}[r.Action]
	if ok {
		return asks(r)
	}
	return []iam.Ask{ask("ec2:"+r.Action, anyID)}
}

// conditionKeys is the context of a request: condition key -> values.
type conditionKeys map[string][]string

func ask(action, resource string, contexts ...conditionKeys) iam.Ask {
	all := conditionKeys{}
	for _, c := range contexts {
		maps.Copy(all, c)
	}
	return iam.Ask{Request: iam.Request{Action: action, Resource: resource, Context: all}}
}

// requested is the keys of the tags that a call asks for.
func requested(tags world.Tags) conditionKeys {
	out := conditionKeys{}
	for key, value := range tags {
		out["aws:RequestTag/"+key] = []string{value}
	}
	if len(tags) > 0 {
		out["aws:TagKeys"] = slices.Sorted(maps.Keys(tags))
	}
	return out
}

// existing is the keys of the tags that a resource has.
func existing(tags world.Tags) conditionKeys {
	out := conditionKeys{}
	for key, value := range tags {
		out["aws:ResourceTag/"+key], out["ec2:ResourceTag/"+key] = []string{value}, []string{value}
	}
	return out
}

// asksOfMaking is about a resource that an action makes: that it may, and that it may tag it.
func (s *Service) asksOfMaking(action, kind string, tags world.Tags, more ...conditionKeys) []iam.Ask {
	arn := s.world.ARN("", kind, anyID)
	asks := []iam.Ask{ask("ec2:"+action, arn, append(more, requested(tags))...)}
	if len(tags) > 0 {
		asks = append(asks, ask("ec2:CreateTags", arn, requested(tags), conditionKeys{"ec2:CreateAction": {action}}))
	}
	return asks
}

func tagsByKind(specifications []world.TagSpecification) map[string]world.Tags {
	out := map[string]world.Tags{}
	for _, specification := range specifications {
		tags := world.Tags{}
		for _, tag := range specification.Tags {
			tags[tag.Key] = tag.Value
		}
		out[specification.ResourceType] = tags
	}
	return out
}

func (s *Service) asksOfTemplate(r *wire.Request) []iam.Ask {
	var in createLaunchTemplateInput
	if wire.DecodeQuery(r.Form, &in) != nil {
		return nil
	}
	return s.asksOfMaking("CreateLaunchTemplate", "launch-template", tagsByKind(in.TagSpecifications)["launch-template"])
}

func (s *Service) asksOfDeletion(r *wire.Request) []iam.Ask {
	var in deleteLaunchTemplateInput
	if wire.DecodeQuery(r.Form, &in) != nil {
		return nil
	}
	template, err := s.world.LaunchTemplate(in.ID, in.Name)
	if err != nil {
		return nil
	}
	return []iam.Ask{ask("ec2:DeleteLaunchTemplate", s.world.ARN("", "launch-template", template.ID), existing(template.Tags))}
}

func (s *Service) asksOfTermination(r *wire.Request) []iam.Ask {
	var in terminateInstancesInput
	if wire.DecodeQuery(r.Form, &in) != nil {
		return nil
	}
	var asks []iam.Ask
	for _, id := range in.IDs {
		if tags, ok := s.world.TagsOf(id); ok {
			asks = append(asks, ask("ec2:TerminateInstances", s.world.ARN("", "instance", id), existing(tags)))
		}
	}
	return asks
}

func (s *Service) asksOfTagging(r *wire.Request) []iam.Ask {
	var in createTagsInput
	if wire.DecodeQuery(r.Form, &in) != nil {
		return nil
	}
	wanted := world.Tags{}
	for _, tag := range in.Tags {
		wanted[tag.Key] = tag.Value
	}
	var asks []iam.Ask
	for _, id := range in.Resources {
		if tags, ok := s.world.TagsOf(id); ok {
			asks = append(asks, ask("ec2:CreateTags", s.world.ARN("", world.KindOf(id), id), requested(wanted), existing(tags)))
		}
	}
	return asks
}

// asksOfFleet is about the fleet itself and then, unless it is a dry run, about what its instances are made of. What is not allowed of the latter
// is told in the fleet's errors.
func (s *Service) asksOfFleet(r *wire.Request) []iam.Ask {
	var in world.FleetRequest
	if wire.DecodeQuery(r.Form, &in) != nil {
		return nil
	}
	launches, err := s.world.Launches(in.LaunchTemplateConfigs)
	if err != nil {
		return nil
	}
	tags := tagsByKind(in.TagSpecifications)
	asks := s.asksOfMaking("CreateFleet", "fleet", tags["fleet"])
	for _, kind := range []string{"instance", "volume"} {
		asks = append(asks, s.asksOfMaking("CreateFleet", kind, tags[kind])...)
	}
	for _, l := range launches {
		asks = append(asks, s.asksOfParts("ec2:CreateFleet", l)...)
	}
	if in.DryRun {
		return distinct(asks)
	}
	spot := in.Target.DefaultType == world.Spot || in.Target.Spot > 0
	for _, l := range launches {
		for _, a := range s.asksOfLaunch(l, tags, spot) {
			a.Late = true
			asks = append(asks, a)
		}
	}
	return distinct(asks)
}

// asksOfParts is about what an instance is made of and that is there already.
func (s *Service) asksOfParts(action string, l world.Launch) []iam.Ask {
	var asks []iam.Ask
	if l.Template.ID != "" {
		asks = append(asks, ask(action, s.world.ARN("", "launch-template", l.Template.ID), existing(l.Template.Tags)))
	}
	asks = append(asks,
		ask(action, s.world.ARN("", "image", l.Image.ID), existing(l.Image.Tags), conditionKeys{"ec2:ImageID": {l.Image.ID}, "ec2:Owner": {l.Image.OwnerID}}),
		ask(action, s.world.ARN(l.Subnet.OwnerID, "subnet", l.Subnet.ID), existing(l.Subnet.Tags), conditionKeys{
			"ec2:SubnetID": {l.Subnet.ID}, "ec2:AvailabilityZone": {l.Subnet.Zone}, "ec2:Vpc": {s.world.ARN("", "vpc", s.world.VPC().ID)},
		}))
	for _, id := range l.Snapshots {
		asks = append(asks, ask(action, s.world.ARN("", "snapshot", id), conditionKeys{"ec2:SnapshotID": {id}}))
	}
	for _, g := range l.Groups {
		asks = append(asks, ask(action, s.world.ARN(g.OwnerID, "security-group", g.ID), existing(g.Tags), conditionKeys{"ec2:SecurityGroupID": {g.ID}}))
	}
	return asks
}

// asksOfRun is about running an instance without a fleet.
func (s *Service) asksOfRun(r *wire.Request) []iam.Ask {
	var in runInstancesInput
	if wire.DecodeQuery(r.Form, &in) != nil {
		return nil
	}
	l, ok := s.world.LaunchOf(in.ImageID, in.SubnetID, in.SecurityGroupIDs)
	if !ok {
		return nil
	}
	l.Data = world.LaunchTemplateData{InstanceType: in.InstanceType, MetadataOptions: in.Metadata, IAMInstanceProfile: in.Profile}
	return s.asksOfLaunch(l, tagsByKind(in.TagSpecifications), false)
}

// asksOfLaunch is about running one instance of a fleet: EC2 runs it in the name of the caller.
func (s *Service) asksOfLaunch(l world.Launch, asked map[string]world.Tags, spot bool) []iam.Ask {
	options := l.Data.EffectiveMetadataOptions()
	template := conditionKeys{"ec2:AvailabilityZone": {l.Subnet.Zone}}
	if l.Template.ID != "" {
		template["ec2:LaunchTemplate"], template["ec2:IsLaunchTemplateResource"] = []string{s.world.ARN("", "launch-template", l.Template.ID)}, []string{"true"}
	}
	instance := conditionKeys{
		"ec2:InstanceType": {l.Data.InstanceType}, "ec2:MetadataHttpTokens": {options.HTTPTokens}, "ec2:MetadataHttpEndpoint": {options.HTTPEndpoint},
		"ec2:MetadataHttpPutResponseHopLimit": {strconv.Itoa(*options.HTTPPutResponseHopLimit)}, "ec2:InstanceMarketType": {market(spot)},
	}
	asks := s.asksOfParts("ec2:RunInstances", l)
	for _, kind := range []string{"instance", "volume", "network-interface"} {
		more := []conditionKeys{template}
		if kind == "instance" {
			more = append(more, instance)
		}
		asks = append(asks, s.asksOfMaking("RunInstances", kind, l.Data.TagsFor(kind).Merge(asked[kind]), more...)...)
	}
	if spot {
		asks = append(asks, s.asksOfMaking("RunInstances", "spot-instances-request", l.Data.TagsFor("spot-instances-request"), template)...)
	}
	if profile := l.Data.ProfileName(); profile != "" {
		asks = append(asks, ask("iam:PassRole", s.world.RoleARN(profile), conditionKeys{"iam:PassedToService": {"ec2.amazonaws.com"}}))
	}
	return asks
}

func market(spot bool) string {
	if spot {
		return "spot"
	}
	return "on-demand"
}

// distinct leaves out what was asked before: the pools of a fleet have much in common.
func distinct(asks []iam.Ask) []iam.Ask {
	seen := map[string]bool{}
	return slices.DeleteFunc(asks, func(a iam.Ask) bool {
		key := a.Key()
		before := seen[key]
		seen[key] = true
		return before
	})
}
