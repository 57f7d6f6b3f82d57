package instancetype

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/awserr"
)

// pageSize is the largest page that EC2 gives of descriptions. A page is converted and dropped before the next is asked for.
const pageSize = 100

// API is what is asked of EC2.
type API interface {
	DescribeInstanceTypes(context.Context, *ec2.DescribeInstanceTypesInput, ...func(*ec2.Options)) (*ec2.DescribeInstanceTypesOutput, error)
	DescribeInstanceTypeOfferings(context.Context, *ec2.DescribeInstanceTypeOfferingsInput, ...func(*ec2.Options)) (*ec2.DescribeInstanceTypeOfferingsOutput, error)
}

// Store holds what EC2 told last. It is safe for concurrent use.
type Store struct {
	api    API
	limits func(instanceType string) *Limits

	mu         sync.RWMutex
	generation uint64              // changes with the content
	infos      []Info              // in order of name; nil until loaded
	zones      map[string][]string // instance type -> zones that offer it, in order; nil until loaded
}

// NewStore returns a store that knows nothing until it is loaded. Limits returns what is published of a type, or nil.
func NewStore(api API, limits func(instanceType string) *Limits) *Store {
	return &Store{api: api, limits: limits}
}

// Snapshot is what EC2 told at one time. It never changes.
type Snapshot struct {
	Generation uint64
	Infos      []Info // in order of name
	zones      map[string][]string
}

// Snapshot returns the present content; an error as long as there is none.
func (s *Store) Snapshot() (Snapshot, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.infos == nil || s.zones == nil {
		return Snapshot{}, errors.New("instance types have not been read from EC2 yet")
	}
	return Snapshot{Generation: s.generation, Infos: s.infos, zones: s.zones}, nil
}

// Info returns the type of that name.
func (s Snapshot) Info(name string) (Info, bool) {
	i, ok := slices.BinarySearchFunc(s.Infos, name, func(i Info, name string) int { return cmp.Compare(i.Name, name) })
	if !ok {
		return Info{}, false
	}
	return s.Infos[i], true
}

// Zones returns the zones that offer the type, in order.
func (s Snapshot) Zones(name string) []string { return s.zones[name] }

// LoadTypes reads the descriptions of all types.
func (s *Store) LoadTypes(ctx context.Context) error {
	infos := []Info{}
	pages := ec2.NewDescribeInstanceTypesPaginator(s.api, &ec2.DescribeInstanceTypesInput{
		MaxResults: awssdk.Int32(pageSize),
		Filters: []ec2types.Filter{
			{Name: awssdk.String("supported-virtualization-type"), Values: []string{"hvm"}},
			{Name: awssdk.String("processor-info.supported-architecture"), Values: []string{"x86_64", "arm64"}},
		},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return awserr.Explain("ec2:DescribeInstanceTypes", err)
		}
		for i := range page.InstanceTypes {
			d := &page.InstanceTypes[i]
			if info, ok := infoFrom(d, s.limits(string(d.InstanceType))); ok {
				infos = append(infos, info)
			}
		}
	}
	if len(infos) == 0 {
		return errors.New("calling ec2:DescribeInstanceTypes: the answer holds no instance type")
	}
	slices.SortFunc(infos, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.infos, infos) {
		s.infos = slices.Clip(infos)
		s.generation++
	}
	return nil
}

// LoadOfferings reads which zones offer which types.
func (s *Store) LoadOfferings(ctx context.Context) error {
	zones := map[string][]string{}
	names := map[string]string{} // zone -> the one copy of its name
	pages := ec2.NewDescribeInstanceTypeOfferingsPaginator(s.api, &ec2.DescribeInstanceTypeOfferingsInput{
		LocationType: ec2types.LocationTypeAvailabilityZone,
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return awserr.Explain("ec2:DescribeInstanceTypeOfferings", err)
		}
		for _, o := range page.InstanceTypeOfferings {
			zone := awssdk.ToString(o.Location)
			if _, ok := names[zone]; !ok {
				names[zone] = zone
			}
			zones[string(o.InstanceType)] = append(zones[string(o.InstanceType)], names[zone])
		}
	}
	if len(zones) == 0 {
		return errors.New("calling ec2:DescribeInstanceTypeOfferings: the answer holds no offering")
	}
	for name, list := range zones {
		slices.Sort(list)
		zones[name] = slices.Clip(slices.Compact(list))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !maps.EqualFunc(s.zones, zones, slices.Equal[[]string]) {
		s.zones = zones
		s.generation++
	}
	return nil
}
