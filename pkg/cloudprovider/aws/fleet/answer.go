package fleet

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/awserr"
)

// API is what is asked of EC2.
type API interface {
	CreateFleet(context.Context, *ec2.CreateFleetInput, ...func(*ec2.Options)) (*ec2.CreateFleetOutput, error)
}

// Answer is what a request got. It never changes: EC2 gives a repeated request the same one.
type Answer struct {
	// Instances in order of id: the place among them is what a machine's index means.
	Instances []Instance
	// Failures say why there are not more.
	Failures []Failure
}

// idPrefix starts the id of every instance.
const idPrefix = "i-"

// Instance is an instance of the answer.
type Instance struct {
	ID, InstanceType, Zone, CapacityType string
	Origin
}

// Origin is what an instance was made with, each "" where that is not known.
type Origin struct {
	ImageID, SubnetID string
	// SecurityGroups are the ids, in order, with commas between them.
	SecurityGroups string
	// LaunchTemplate is a name.
	LaunchTemplate string
}

// Complete reports whether it is known what the instance is and where: without that, its Node is not recognized.
func (i Instance) Complete() bool { return i.InstanceType != "" && i.Zone != "" }

// Failure is an offering that gave nothing, or less than was wanted.
type Failure struct{ Code, Message, InstanceType, Zone, CapacityType string }

// Launch makes the call. The error is of EC2 or the way to it: no instance may have come of it.
func Launch(ctx context.Context, api API, r Request) (Answer, error) {
	out, err := api.CreateFleet(ctx, r.Input())
	if err != nil {
		return Answer{}, awserr.Explain("ec2:CreateFleet", err)
	}
	return read(out, r), nil
}

// read takes an answer apart. What it leaves out, such as the zone, is filled in from the request.
func read(out *ec2.CreateFleetOutput, r Request) Answer {
	zones, subnets := map[string]string{}, map[string]string{} // subnet -> zone, zone -> its one subnet
	origins := map[string]Origin{}                             // instance type -> all but the subnet
	for _, c := range r.Configs {
		for _, o := range c.Overrides {
			zones[o.SubnetID], subnets[o.Zone] = o.Zone, o.SubnetID
			origins[o.InstanceType] = Origin{ImageID: c.ImageID, SecurityGroups: c.SecurityGroups, LaunchTemplate: c.LaunchTemplate}
		}
	}
	var answer Answer
	for _, i := range out.Instances {
		instanceType, zone := place(i.LaunchTemplateAndOverrides, zones)
		instanceType, zone = cmp.Or(string(i.InstanceType), instanceType), cmp.Or(awssdk.ToString(i.AvailabilityZone), zone)
		origin := origins[instanceType]
		origin.SubnetID = subnets[zone]
		for _, id := range i.InstanceIds {
			if !strings.HasPrefix(id, idPrefix) {
				continue
			}
			answer.Instances = append(answer.Instances, Instance{
				ID: id, InstanceType: instanceType, Zone: zone, CapacityType: cmp.Or(string(i.Lifecycle), r.CapacityType), Origin: origin,
			})
		}
	}
	slices.SortStableFunc(answer.Instances, func(a, b Instance) int { return strings.Compare(a.ID, b.ID) }) // what is told first counts
	answer.Instances = slices.CompactFunc(answer.Instances, func(a, b Instance) bool { return a.ID == b.ID })
	for _, e := range out.Errors {
		instanceType, zone := place(e.LaunchTemplateAndOverrides, zones)
		answer.Failures = append(answer.Failures, Failure{
			Code: awssdk.ToString(e.ErrorCode), Message: awserr.Stable(awssdk.ToString(e.ErrorMessage)),
			InstanceType: instanceType, Zone: zone, CapacityType: cmp.Or(string(e.Lifecycle), r.CapacityType),
		})
	}
	return answer
}

func place(t *ec2types.LaunchTemplateAndOverridesResponse, zones map[string]string) (instanceType, zone string) {
	if t == nil || t.Overrides == nil {
		return "", ""
	}
	zone = awssdk.ToString(t.Overrides.AvailabilityZone)
	return string(t.Overrides.InstanceType), cmp.Or(zone, zones[awssdk.ToString(t.Overrides.SubnetId)])
}

// Unserved is the answer to a request that EC2 turned down as a whole, for a reason that another request does not cure.
func Unserved(r Request, code, message string) Answer {
	return Answer{Failures: []Failure{{Code: code, Message: message, CapacityType: r.CapacityType}}}
}

// Silent reports whether the answer holds neither instances nor failures. That settles nothing: what was launched may be left
// out of it.
func (a Answer) Silent() bool { return len(a.Instances) == 0 && len(a.Failures) == 0 }

// Exhausted reports whether the cloud has nothing of the override now, for anybody: it says so, or gave nothing at all for no
// other reason than that there was none.
func (a Answer) Exhausted(o Override) bool {
	return len(a.Instances) == 0 && a.Only(awserr.Capacity, awserr.NoAddresses, awserr.Quota) || slices.ContainsFunc(a.Failures, func(f Failure) bool {
		return awserr.Unfulfillable(f.Code) && f.concerns(o)
	})
}

// Refused reports whether nothing came of the request for another reason than a lack of capacity, which may lie in what is asked of
// the override: an image that it does not boot, a permission for other types only. Passing says that the reason passes by itself.
func (a Answer) Refused(o Override) (refused, passing bool) {
	passing = true
	for _, f := range a.Failures {
		if len(a.Instances) > 0 || !f.concerns(o) {
			continue
		}
		switch awserr.Of(f.Code) {
		case awserr.Capacity, awserr.NoAddresses, awserr.Quota, awserr.NoSpotRole:
		default:
			refused, passing = true, passing && awserr.PassingCode(f.Code)
		}
	}
	return refused, refused && passing
}

// Full reports whether the subnet that was asked for in the zone had no addresses.
func (a Answer) Full(zone string) bool {
	return slices.ContainsFunc(a.Failures, func(f Failure) bool {
		return awserr.Of(f.Code) == awserr.NoAddresses && (f.Zone == "" || f.Zone == zone)
	})
}

// Crowded reports whether a lack of addresses is all that the answer says against an override.
func (a Answer) Crowded(o Override) bool {
	return a.Full(o.Zone) && !slices.ContainsFunc(a.Failures, func(f Failure) bool {
		return awserr.Of(f.Code) != awserr.NoAddresses && f.concerns(o)
	})
}

// concerns reports whether the failure is about the override. What it does not name, it is about all of.
func (f Failure) concerns(o Override) bool {
	return (f.InstanceType == "" || f.InstanceType == o.InstanceType) && (f.Zone == "" || f.Zone == o.Zone)
}

// Starved reports whether nothing came of the request for no other reason than that there was nothing to be had: capacity comes
// back by itself, unlike a quota.
func (a Answer) Starved() bool {
	return len(a.Instances) == 0 && a.Only(awserr.Capacity, awserr.NoAddresses)
}

// Only reports whether there are failures and all of them mean one of the meanings.
func (a Answer) Only(meanings ...awserr.Meaning) bool {
	return len(a.Failures) > 0 && !slices.ContainsFunc(a.Failures, func(f Failure) bool {
		return !slices.Contains(meanings, awserr.Of(f.Code))
	})
}

// Has reports whether one of the failures means this.
func (a Answer) Has(meaning awserr.Meaning) bool {
	return slices.ContainsFunc(a.Failures, func(f Failure) bool { return awserr.Of(f.Code) == meaning })
}

// Reason sums the failures up: each code once, with the first message and how many offerings it was told of, if of any.
func (a Answer) Reason() string {
	if len(a.Failures) == 0 {
		return "EC2 gave no reason"
	}
	var parts []string
	counts := map[string]int{}
	for _, f := range a.Failures {
		if f.InstanceType != "" {
			counts[f.Code]++
		}
	}
	told := map[string]bool{} // code -> it is among the parts
	for _, f := range a.Failures {
		switch n := counts[f.Code]; {
		case told[f.Code]:
		case n == 0 && strings.Contains(f.Message, f.Code):
			parts = append(parts, f.Message)
		case n == 0:
			parts = append(parts, fmt.Sprintf("%s (%s)", f.Code, f.Message))
		default:
			parts = append(parts, fmt.Sprintf("%s for %d offerings (%s)", f.Code, n, f.Message))
		}
		told[f.Code] = true
	}
	return strings.Join(parts, "; ")
}
