package catalog

import (
	"hash/fnv"
	"math"
)

// The synthetic spot price lies between these parts of the on-demand price, and never under spotFloor.
const (
	spotLeastPart = 0.30
	spotSpread    = 0.40
	spotDecimals  = 1e4
	spotFloor     = 0.0001
)

// OnDemandPrice is the price of the type in USD per hour (Linux, nothing pre-installed). Only PriceRegion has real figures; any other region,
// also one without known offerings, answers with those, so there the figure is synthetic.
func (c *Catalog) OnDemandPrice(region, instanceType string) (float64, bool) {
	if price, ok := c.prices[offeringKey{region, instanceType}]; ok {
		return price, true
	}
	price, ok := c.prices[offeringKey{PriceRegion, instanceType}]
	return price, ok
}

// PricesAreOf reports whether on-demand prices are those of the region.
func (c *Catalog) PricesAreOf(region string) bool {
	for key := range c.prices {
		if key.region == region {
			return true
		}
	}
	return false
}

// StatesSpot reports whether spot prices are those that a user states; otherwise they are synthetic.
func (c *Catalog) StatesSpot() bool { return c.spot != nil }

// SpotPrice is the spot price in USD per hour that a user states, else a synthetic one: no real one is known. The latter is a fixed part, between 0.30 and 0.70 and drawn from a hash of
// zone and type, of the on-demand price. A type that is not sold as spot, or is not offered in the zone, has none.
func (c *Catalog) SpotPrice(zone, instanceType string) (float64, bool) {
	if c.StatesSpot() {
		price, ok := c.spot[offeringKey{zone, instanceType}]
		return price, ok
	}
	t, ok := c.InstanceType(instanceType)
	if !ok || !t.Supports("spot") || !c.OffersInZone(zone, instanceType) {
		return 0, false
	}
	onDemand, ok := c.OnDemandPrice(c.regionOf[zone], instanceType)
	if !ok {
		return 0, false
	}
	part := spotLeastPart + spotSpread*unitHash(zone+"|"+instanceType)
	return max(math.Round(onDemand*part*spotDecimals)/spotDecimals, spotFloor), true
}

// unitHash maps a string to [0,1): the upper 53 bits of its 64-bit FNV-1a hash, which is all that a float64 holds exactly.
func unitHash(s string) float64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return float64(h.Sum64()>>11) / (1 << 53)
}
