package ec2

import (
	"cmp"
	"slices"
	"strings"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/catalog"
	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
)

type describeAvailabilityZonesInput struct {
	dryRun
	Names   []string `query:"ZoneName"`
	IDs     []string `query:"ZoneId"`
	All     bool     `query:"AllAvailabilityZones"` // there are no others to opt into
	Filters []filter `query:"Filter"`
}

type describeAvailabilityZonesOutput struct {
	wire.Envelope
	Zones wire.Set[availabilityZone] `xml:"availabilityZoneInfo"`
}

type availabilityZone struct {
	OptInStatus        string           `xml:"optInStatus"`
	Messages           wire.Set[string] `xml:"messageSet"`
	Region             string           `xml:"regionName"`
	Name               string           `xml:"zoneName"`
	ID                 string           `xml:"zoneId"`
	Group              string           `xml:"groupName"`
	NetworkBorderGroup string           `xml:"networkBorderGroup"`
	Kind               string           `xml:"zoneType"`
	State              string           `xml:"zoneState"`
}

func (s *Service) describeAvailabilityZones(in describeAvailabilityZonesInput) (*describeAvailabilityZonesOutput, error) {
	zones := s.world.Zones()
	for _, name := range in.Names {
		if !slices.ContainsFunc(zones, func(z catalog.Zone) bool { return z.Name == name }) {
			return nil, apierror.New("InvalidParameterValue", "Invalid availability zone: [%s]", name)
		}
	}
	for _, id := range in.IDs {
		if !slices.ContainsFunc(zones, func(z catalog.Zone) bool { return z.ID == id }) {
			return nil, apierror.New("InvalidParameterValue", "Invalid availability zone-id: [%s]", id)
		}
	}
	zones = slices.DeleteFunc(zones, func(z catalog.Zone) bool {
		return len(in.Names) > 0 && !slices.Contains(in.Names, z.Name) || len(in.IDs) > 0 && !slices.Contains(in.IDs, z.ID)
	})
	region := s.world.Region()
	zones, err := selectBy(zones, in.Filters, attributes[catalog.Zone]{
		"group-name":    fixed[catalog.Zone](region),
		"opt-in-status": fixed[catalog.Zone]("opt-in-not-required"),
		"region-name":   fixed[catalog.Zone](region),
		"state":         fixed[catalog.Zone]("available"),
		"zone-id":       one(func(z catalog.Zone) string { return z.ID }),
		"zone-name":     one(func(z catalog.Zone) string { return z.Name }),
		"zone-type":     fixed[catalog.Zone]("availability-zone"),
	}, nil)
	if err != nil {
		return nil, err
	}
	out := &describeAvailabilityZonesOutput{}
	for _, z := range zones {
		out.Zones = append(out.Zones, availabilityZone{
			OptInStatus: "opt-in-not-required", Region: region, Name: z.Name, ID: z.ID, Group: region, NetworkBorderGroup: region,
			Kind: "availability-zone", State: "available",
		})
	}
	return out, nil
}

type describeInstanceTypeOfferingsInput struct {
	dryRun
	paged
	LocationType string   `query:"LocationType"`
	Filters      []filter `query:"Filter"`
}

type describeInstanceTypeOfferingsOutput struct {
	wire.Envelope
	Offerings wire.Set[offering] `xml:"instanceTypeOfferingSet"`
	NextToken string             `xml:"nextToken,omitempty"`
}

type offering struct {
	InstanceType string `xml:"instanceType"`
	LocationType string `xml:"locationType"`
	Location     string `xml:"location"`
}

func (s *Service) describeInstanceTypeOfferings(in describeInstanceTypeOfferingsInput) (*describeInstanceTypeOfferingsOutput, error) {
	locationType := in.LocationType
	if locationType == "" {
		locationType = "region"
	}
	offerings, err := s.offerings(locationType)
	if err != nil {
		return nil, err
	}
	offerings, err = selectBy(offerings, in.Filters, attributes[offering]{
		"instance-type": one(func(o offering) string { return o.InstanceType }),
		"location":      one(func(o offering) string { return o.Location }),
	}, nil)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(offerings, offering.compare) // what was selected is little of all
	offerings, next, err := page(slices.Compact(offerings), offering.key, in.paged, pageBounds{5, 1000, 1000})
	if err != nil {
		return nil, err
	}
	return &describeInstanceTypeOfferingsOutput{Offerings: offerings, NextToken: next}, nil
}

func (o offering) key() string { return o.Location + "/" + o.InstanceType }

// compare orders by key: no location begins with another one of its kind.
func (o offering) compare(other offering) int {
	return cmp.Or(strings.Compare(o.Location, other.Location), strings.Compare(o.InstanceType, other.InstanceType))
}

// offerings lists what is offered at the kind of location, in any order, some more than once.
func (s *Service) offerings(locationType string) ([]offering, error) {
	zones, facts := s.world.Zones(), s.world.Facts()
	locations := make([]string, len(zones))
	for i, zone := range zones {
		locations[i] = map[string]string{
			"region": s.world.Region(), "availability-zone": zone.Name, "availability-zone-id": zone.ID,
		}[locationType]
	}
	if locationType == "outpost" { // there are none
		return nil, nil
	}
	var all []offering
	for _, t := range s.world.InstanceTypes() {
		for i, zone := range zones {
			switch {
			case locations[i] == "":
				return nil, apierror.InvalidValue("LocationType", locationType, "Expecting region, availability-zone, availability-zone-id or outpost.")
			case facts.OffersInZone(zone.Name, t.Name):
				all = append(all, offering{InstanceType: t.Name, LocationType: locationType, Location: locations[i]})
			}
		}
	}
	return all, nil
}
