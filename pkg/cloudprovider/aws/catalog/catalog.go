// Package catalog is the compiled-in table of EC2 facts: instance types, zones, offerings and prices.
package catalog

import (
	"embed"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// PriceRegion is the one region whose on-demand prices are real. Every other region answers with its figures, which are then synthetic.
const PriceRegion = "us-east-1"

//go:embed data/*.csv
var files embed.FS

//nolint:gochecknoglobals // It never changes: the tables are compiled in, so they are parsed once for the life of the process.
var load = sync.OnceValues(parse)

// Load returns the catalogue. An error means that the embedded tables are damaged, which the package's tests rule out.
func Load() (*Catalog, error) { return load() }

// Catalog holds the facts. It is immutable and safe for concurrent use.
type Catalog struct {
	instanceTypes []InstanceType            // sorted by name
	byName        map[string]int            // instance type name -> index in instanceTypes
	zones         map[string][]Zone         // region -> zones sorted by name
	regionOf      map[string]string         // zone name -> region
	offerings     map[offeringKey][]string  // where and what -> zone names, sorted
	prices        map[offeringKey]float64   // where and what -> USD per hour
	offered       map[string][]InstanceType // region -> types with an offering there, sorted by name
	spot          map[offeringKey]float64   // zone and what -> stated spot price, USD per hour; nil where none is known
}

type offeringKey struct{ region, instanceType string }

// Zone is an availability zone.
type Zone struct {
	Name string
	// ID is the account-independent id, e.g. use1-az2. Which letter maps to which id differs between AWS accounts; this is one valid mapping.
	ID string
}

// InstanceTypes lists every known type sorted by name, withdrawn ones included.
func (c *Catalog) InstanceTypes() []InstanceType { return slices.Clone(c.instanceTypes) }

// InstanceTypesIn lists the types that at least one zone of the region offers, sorted by name. This is what EC2 itself would list there.
func (c *Catalog) InstanceTypesIn(region string) []InstanceType {
	return slices.Clone(c.offered[region])
}

// InstanceType looks one type up by name.
func (c *Catalog) InstanceType(name string) (InstanceType, bool) {
	i, ok := c.byName[name]
	if !ok {
		return InstanceType{}, false
	}
	return c.instanceTypes[i], true
}

// Regions lists the regions with known zones and offerings, sorted.
func (c *Catalog) Regions() []string { return slices.Sorted(maps.Keys(c.zones)) }

// Zones lists the availability zones of a region sorted by name; none for an unknown region.
func (c *Catalog) Zones(region string) []Zone { return slices.Clone(c.zones[region]) }

// ZonesOffering lists the zones of a region in which the type can be launched, sorted by name.
func (c *Catalog) ZonesOffering(region, instanceType string) []string {
	return slices.Clone(c.offerings[offeringKey{region, instanceType}])
}

// OffersInZone says whether the type can be launched in the zone.
func (c *Catalog) OffersInZone(zone, instanceType string) bool {
	return slices.Contains(c.offerings[offeringKey{c.regionOf[zone], instanceType}], zone)
}

func newCatalog() *Catalog {
	return &Catalog{
		byName:    map[string]int{},
		zones:     map[string][]Zone{},
		regionOf:  map[string]string{},
		offerings: map[offeringKey][]string{},
		prices:    map[offeringKey]float64{},
		offered:   map[string][]InstanceType{},
	}
}

func parse() (*Catalog, error) {
	c := newCatalog()
	for _, table := range []struct {
		file string
		add  func(*row)
	}{
		{"zones.csv", c.addZone},
		{"instance_types.csv", c.addInstanceType},
		{"offerings.csv", c.addOffering},
		{"prices_ondemand.csv", c.addPrice},
	} {
		if err := readTable(table.file, table.add); err != nil {
			return nil, fmt.Errorf("reading %s: %w", table.file, err)
		}
	}
	for _, region := range c.Regions() {
		for _, t := range c.instanceTypes {
			if len(c.offerings[offeringKey{region, t.Name}]) > 0 {
				c.offered[region] = append(c.offered[region], t)
			}
		}
	}
	return c, nil
}

func (c *Catalog) addZone(r *row) {
	region, zone := r.text("region"), Zone{Name: r.text("zone"), ID: r.text("zone_id")}
	if _, dup := c.regionOf[zone.Name]; dup {
		r.fail("zone", errors.New("listed twice"))
	}
	c.regionOf[zone.Name] = region
	c.zones[region] = append(c.zones[region], zone)
}

func (c *Catalog) addInstanceType(r *row) {
	t := instanceTypeFrom(r)
	if n := len(c.instanceTypes); n > 0 && c.instanceTypes[n-1].Name >= t.Name {
		r.fail("name", errors.New("rows are not sorted by unique name"))
	}
	c.byName[t.Name] = len(c.instanceTypes)
	c.instanceTypes = append(c.instanceTypes, t)
}

// addOffering expands the compact form: the zones column holds only the zone letters, joined by bars.
func (c *Catalog) addOffering(r *row) {
	key := c.keyOf(r)
	if len(c.offerings[key]) > 0 {
		r.fail("instance_type", errors.New("listed twice for the region"))
	}
	for letter := range strings.SplitSeq(r.text("zones"), "|") {
		zone := key.region + letter
		if c.regionOf[zone] != key.region {
			r.fail("zones", fmt.Errorf("unknown zone %q", zone))
		}
		c.offerings[key] = append(c.offerings[key], zone)
	}
}

func (c *Catalog) addPrice(r *row) {
	key := c.keyOf(r)
	if _, dup := c.prices[key]; dup {
		r.fail("instance_type", errors.New("priced twice for the region"))
	}
	c.prices[key] = r.decimal("usd_per_hour")
}

func (c *Catalog) keyOf(r *row) offeringKey {
	key := offeringKey{r.text("region"), r.text("instance_type")}
	if _, known := c.byName[key.instanceType]; !known {
		r.fail("instance_type", fmt.Errorf("unknown instance type %q", key.instanceType))
	}
	return key
}
