package awssim

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
	"github.com/kerf-autoscaler/kerf/test/awssim/iam"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

// Instances lists the instances sorted by id, terminated ones included for as long as EC2 lists them.
func (s *Server) Instances() []admin.Instance {
	all := []admin.Instance{}
	for _, i := range s.world.Instances() {
		all = append(all, inspectInstance(i))
	}
	return all
}

func inspectInstance(i world.Instance) admin.Instance {
	inspected := admin.Instance{
		ID: i.ID, Type: i.Type, State: string(i.State), CapacityType: i.CapacityType, Zone: i.Subnet.Zone, ZoneID: i.Subnet.ZoneID,
		SubnetID: i.Subnet.ID, ImageID: i.Image.ID, ImageName: i.Image.Name, Architecture: i.Image.Architecture, Platform: i.Image.Platform,
		PrivateIP: i.Address.String(), PrivateDNSName: i.DNSName, UserData: i.Data.UserData, LaunchTime: i.Launched, RunningTime: i.Runs,
		ShutdownTime: optionalTime(i.Shutdown), TerminatedTime: optionalTime(i.Ends), Number: i.Number, Reboots: i.Reboots,
		InterruptionTime: optionalTime(i.Warned), Boot: i.Boot, StateReason: i.Reason.Code, Tags: maps.Clone(i.Tags), VolumeTags: maps.Clone(i.VolumeTags),
		FleetID: i.FleetID, ClientToken: i.ClientToken, LaunchTemplateID: i.TemplateID, LaunchTemplate: i.TemplateName,
		PricePerHour: i.PricePerHour, SpotRequestID: i.SpotRequestID, EFAInterfaces: i.EFAInterfaces(),
	}
	for _, group := range i.Groups {
		inspected.SecurityGroupIDs = append(inspected.SecurityGroupIDs, group.ID)
	}
	for _, v := range i.Volumes {
		inspected.Volumes = append(inspected.Volumes, admin.Volume(v))
	}
	if m := i.Data.Monitoring; m != nil {
		inspected.Monitoring = m.Enabled
	}
	options := i.Data.EffectiveMetadataOptions()
	inspected.Metadata = admin.MetadataOptions{
		HTTPTokens: options.HTTPTokens, HopLimit: *options.HTTPPutResponseHopLimit, HTTPEndpoint: options.HTTPEndpoint, HTTPProtocolIPv6: options.HTTPProtocolIPv6,
	}
	if profile := i.Data.IAMInstanceProfile; profile != nil {
		inspected.InstanceProfile = profile.Name + profile.ARN // a template gives one of them
	}
	return inspected
}

func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// LaunchTemplates lists the launch templates sorted by id.
func (s *Server) LaunchTemplates() []admin.LaunchTemplate {
	all := []admin.LaunchTemplate{}
	for _, t := range s.world.LaunchTemplates() {
		all = append(all, admin.LaunchTemplate{
			ID: t.ID, Name: t.Name, CreateTime: t.Created, ImageID: t.Data.ImageID, UserData: t.Data.UserData,
			InstanceTags: t.Data.TagsFor("instance"), Tags: maps.Clone(t.Tags),
		})
	}
	return all
}

// Fleets lists the fleets in the order of their creation.
func (s *Server) Fleets() []admin.Fleet {
	all := []admin.Fleet{}
	for _, f := range s.world.Fleets() {
		inspected := admin.Fleet{
			ID: f.ID, ClientToken: f.ClientToken, Time: f.Created, Requested: f.Requested, Fulfilled: f.Fulfilled(), Overrides: f.Overrides,
			InstanceIDs: []string{}, Errors: []admin.FleetError{}, Tags: maps.Clone(f.Tags), Context: f.Context,
		}
		for _, group := range f.Groups {
			inspected.InstanceIDs = append(inspected.InstanceIDs, group.InstanceIDs...)
		}
		for _, e := range f.Errors {
			inspected.Errors = append(inspected.Errors, admin.FleetError{
				Code: e.Code, Message: e.Message, InstanceType: e.InstanceType, SubnetID: e.Override.SubnetID, CapacityType: e.CapacityType,
			})
		}
		all = append(all, inspected)
	}
	return all
}

// Calls counts the calls that arrived so far.
func (s *Server) Calls() admin.Calls { return s.ledger.snapshot() }

// Authorizations tells what the policies were asked about, which of their statements were used, and what they have denied.
func (s *Server) Authorizations() iam.Report {
	if s.auditor == nil {
		return iam.Merge()
	}
	return s.auditor.Report()
}

// SetCapacity bounds a pool.
func (s *Server) SetCapacity(c admin.Capacity) error {
	if c.CapacityType != "" && c.CapacityType != world.Spot && c.CapacityType != world.OnDemand {
		return fmt.Errorf("capacity type %q is neither %s nor %s", c.CapacityType, world.Spot, world.OnDemand)
	}
	s.world.SetCapacity(world.CapacityLimit{
		InstanceType: c.InstanceType, Zone: c.Zone, CapacityType: c.CapacityType, Instances: c.Instances,
	})
	return nil
}

// Configure changes settings, all or none.
func (s *Server) Configure(c admin.Config) error {
	modes := []string{admin.OutageNone, admin.OutageUnavailable, admin.OutageDrop, admin.OutageHang}
	if c.Outage != nil && !slices.Contains(modes, *c.Outage) {
		return fmt.Errorf("outage %q is not one of %v", *c.Outage, modes)
	}
	err := s.world.Configure(world.Settings{
		BootDelay: (*time.Duration)(c.BootDelay), ShutdownDelay: (*time.Duration)(c.ShutdownDelay),
		TerminatedRetention: (*time.Duration)(c.TerminatedRetention), SpotNotice: (*time.Duration)(c.SpotNotice), AccessKeyIDs: c.AccessKeyIDs,
	})
	if err != nil {
		return fmt.Errorf("changing settings: %w", err)
	}
	if c.Outage != nil {
		s.outage.set(*c.Outage)
	}
	return nil
}

// Queues tells how full each queue is.
func (s *Server) Queues() []admin.Queue { return s.queues.Queues() }

// SendEvent puts an event into queues as EventBridge would.
func (s *Server) SendEvent(e admin.Event) error { return s.queues.Send(e) }

// TerminateInstance ends an instance as EC2 itself would, without anybody having asked for it.
func (s *Server) TerminateInstance(id string) error { return s.Befall(id, faults.Fail) }

// Befall has something happen to an instance that no client of AWS has asked for.
func (s *Server) Befall(id, what string) error { return s.world.Befall(id, what) }

// Faults tells the plan of faults and how often each has taken effect.
func (s *Server) Faults() faults.Report { return s.world.Faults().Report() }

// SetFaults puts another plan of faults in force, from now on.
func (s *Server) SetFaults(plan faults.Plan) error { return s.world.Faults().Set(plan, s.world.Now()) }
