// Package subnet finds the subnets that machines may be put into, and orders them by the room that they have.
package subnet

import (
	"cmp"
	"context"
	"slices"
	"strings"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/awserr"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/selector"
)

// API is what is asked of EC2.
type API interface {
	DescribeSubnets(context.Context, *ec2.DescribeSubnetsInput, ...func(*ec2.Options)) (*ec2.DescribeSubnetsOutput, error)
}

// Subnet is a subnet with the addresses that are free in it.
type Subnet struct {
	ID     string
	Zone   string
	ZoneID string // the same in all accounts
	Free   int32
	// Private is true of one that gives instances no public address.
	Private bool
}

// Finder finds subnets.
type Finder struct {
	api   API
	rooms *Rooms
}

// NewFinder returns a finder that tells rooms what it finds.
func NewFinder(api API, rooms *Rooms) *Finder { return &Finder{api: api, rooms: rooms} }

// Find returns the subnets that the selector selects, in no particular order.
func (f *Finder) Find(ctx context.Context, selected map[string]string) ([]Subnet, error) {
	filters, err := selector.Filters(selected, "subnet-id")
	if err != nil {
		return nil, err
	}
	var out []Subnet
	pages := ec2.NewDescribeSubnetsPaginator(f.api, &ec2.DescribeSubnetsInput{Filters: filters})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, awserr.Explain("ec2:DescribeSubnets", err)
		}
		for _, s := range page.Subnets {
			out = append(out, Subnet{
				ID: awssdk.ToString(s.SubnetId), Zone: awssdk.ToString(s.AvailabilityZone), ZoneID: awssdk.ToString(s.AvailabilityZoneId), Free: awssdk.ToInt32(s.AvailableIpAddressCount),
				Private: s.MapPublicIpOnLaunch != nil && !*s.MapPublicIpOnLaunch,
			})
		}
	}
	f.rooms.Count(out)
	return out, nil
}

// overtake is how many times the free addresses of an earlier subnet a later one needs to move ahead of it.
const overtake = 2

// Order returns the subnets, those with most free addresses first. The order of before is kept while the same subnets are
// there and none has outgrown an earlier one by far: launches name the first subnet of each zone that has room, and a launch that
// is repeated after a restart has to name the same one although addresses have been taken meanwhile.
func Order(before []awsv1alpha1.Subnet, found []Subnet) []awsv1alpha1.Subnet {
	free, told := make(map[string]int32, len(found)), make(map[string]awsv1alpha1.Subnet, len(found))
	for _, s := range found {
		free[s.ID], told[s.ID] = s.Free, awsv1alpha1.Subnet{ID: s.ID, Zone: s.Zone, ZoneID: s.ZoneID, NoPublicIP: s.Private}
	}
	if holds(before, free) {
		out := slices.Clone(before)
		for i, s := range out {
			out[i].ZoneID, out[i].NoPublicIP = told[s.ID].ZoneID, told[s.ID].NoPublicIP
		}
		return out
	}
	sorted := slices.SortedFunc(slices.Values(found), func(a, b Subnet) int {
		return cmp.Or(cmp.Compare(b.Free, a.Free), strings.Compare(a.ID, b.ID))
	})
	out := make([]awsv1alpha1.Subnet, 0, len(sorted))
	for _, s := range sorted {
		out = append(out, told[s.ID])
	}
	return out
}

// holds reports whether the order still fits the numbers (subnet id -> free addresses).
func holds(before []awsv1alpha1.Subnet, free map[string]int32) bool {
	if len(before) != len(free) {
		return false
	}
	for i, s := range before {
		earlier, ok := free[s.ID]
		if !ok {
			return false
		}
		for _, later := range before[i+1:] {
			if free[later.ID] > overtake*earlier {
				return false
			}
		}
	}
	return true
}

// Private reports whether none of the subnets gives instances a public address.
func Private(subnets []awsv1alpha1.Subnet) bool {
	return len(subnets) > 0 && !slices.ContainsFunc(subnets, func(s awsv1alpha1.Subnet) bool { return !s.NoPublicIP })
}
