package ec2

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
)

type describeSpotPriceHistoryInput struct {
	dryRun
	paged
	Start               time.Time `query:"StartTime"`
	End                 time.Time `query:"EndTime"`
	InstanceTypes       []string  `query:"InstanceType"`
	ProductDescriptions []string  `query:"ProductDescription"`
	Zone                string    `query:"AvailabilityZone"`
	ZoneID              string    `query:"AvailabilityZoneId"`
	Filters             []filter  `query:"Filter"`
}

type describeSpotPriceHistoryOutput struct {
	wire.Envelope
	Prices    wire.Set[spotPrice] `xml:"spotPriceHistorySet"`
	NextToken string              `xml:"nextToken"`
}

type spotPrice struct {
	InstanceType string    `xml:"instanceType"`
	Product      string    `xml:"productDescription"`
	Price        string    `xml:"spotPrice"`
	Timestamp    wire.Time `xml:"timestamp"`
	Zone         string    `xml:"availabilityZone"`
	ZoneID       string    `xml:"availabilityZoneId"`
}

func (p spotPrice) key() string { return p.Zone + "/" + p.InstanceType }

// Spot prices of Linux are the only ones known. Inside of a VPC the product has the second name, and both name the same price.
const (
	linux      = "Linux/UNIX"
	linuxInVPC = "Linux/UNIX (Amazon VPC)"
)

// describeSpotPriceHistory has one point for every pool: prices do not move, so the history of any time is the price that was in force at its start.
func (s *Service) describeSpotPriceHistory(in describeSpotPriceHistoryInput) (*describeSpotPriceHistoryOutput, error) {
	if !in.Start.IsZero() && !in.End.IsZero() && in.End.Before(in.Start) {
		return nil, apierror.Combination("EndTime cannot be before StartTime")
	}
	prices := slices.DeleteFunc(s.spotPrices(in.Start, in.InstanceTypes), func(p spotPrice) bool {
		return in.Zone != "" && in.Zone != p.Zone || in.ZoneID != "" && in.ZoneID != p.ZoneID ||
			len(in.InstanceTypes) > 0 && !slices.Contains(in.InstanceTypes, p.InstanceType) ||
			len(in.ProductDescriptions) > 0 && !slices.Contains(in.ProductDescriptions, linux) && !slices.Contains(in.ProductDescriptions, linuxInVPC)
	})
	prices, err := selectBy(prices, in.Filters, attributes[spotPrice]{
		"availability-zone":    one(func(p spotPrice) string { return p.Zone }),
		"availability-zone-id": one(func(p spotPrice) string { return p.ZoneID }),
		"instance-type":        one(func(p spotPrice) string { return p.InstanceType }),
		"product-description":  func(spotPrice) []string { return []string{linux, linuxInVPC} },
		"spot-price":           one(func(p spotPrice) string { return p.Price }),
		"timestamp":            one(func(p spotPrice) string { return p.Timestamp.UTC().Format(wire.TimeFormat) }),
	}, nil)
	if err != nil {
		return nil, err
	}
	prices, next, err := page(prices, spotPrice.key, in.paged, pageBounds{1, 1000, 1000})
	if err != nil {
		return nil, err
	}
	return &describeSpotPriceHistoryOutput{Prices: prices, NextToken: next}, nil
}

// spotPrices lists the price of every pool of the instance types sorted by key; none of them means all.
func (s *Service) spotPrices(since time.Time, instanceTypes []string) []spotPrice {
	if since.IsZero() {
		since = s.world.Now().Truncate(time.Hour)
	}
	var all []spotPrice
	for _, t := range s.world.InstanceTypes() {
		if len(instanceTypes) > 0 && !slices.Contains(instanceTypes, t.Name) {
			continue
		}
		for _, zone := range s.world.Zones() {
			if price, ok := s.world.SpotPrice(zone.Name, t.Name); ok {
				all = append(all, spotPrice{
					InstanceType: t.Name, Product: linux, Price: strconv.FormatFloat(price, 'f', 6, 64), Timestamp: wire.Time{Time: since},
					Zone: zone.Name, ZoneID: zone.ID,
				})
			}
		}
	}
	slices.SortFunc(all, func(a, b spotPrice) int { return strings.Compare(a.key(), b.key()) })
	return all
}
