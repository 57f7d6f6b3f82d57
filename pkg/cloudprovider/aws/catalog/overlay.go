package catalog

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// overlay is a catalogue in the making: of one region, with the types that a user names, on the ground of another catalogue.
type overlay struct {
	base   *Catalog
	region string
	// facts maps instance type -> column -> cell of the built-in table.
	facts map[string]map[string]string
	// priced and spot say whether the user states prices at all; of those who do not, the base's count.
	priced, spot bool
	out          *Catalog
}

func newOverlay(base *Catalog, region string, entries []entry) (*overlay, error) {
	o := &overlay{base: base, region: region, facts: map[string]map[string]string{}, out: newCatalog()}
	for _, e := range entries {
		_, priced := e.cells[columnPrice]
		_, spot := e.cells[columnSpot]
		o.priced, o.spot = o.priced || priced, o.spot || spot
	}
	if o.spot {
		o.out.spot = map[offeringKey]float64{}
	}
	return o, readTable("instance_types.csv", func(r *row) {
		cells := make(map[string]string, len(r.columns))
		for name, i := range r.columns {
			cells[name] = r.cells[i]
		}
		o.facts[cells[columnName]] = cells
	})
}

// add adds one instance type; the error says all that is wrong with it.
func (o *overlay) add(e entry) error {
	name := e.cells[columnName]
	if family, size, ok := strings.Cut(name, "."); !ok || family == "" || size == "" {
		return fmt.Errorf("name: %q is no instance type; one is called like m5.large", name)
	}
	if _, twice := o.out.byName[name]; twice {
		return fmt.Errorf("name: %s is there twice", name)
	}
	r, errs := o.row(e)
	zones, err := o.zones(e)
	errs = append(errs, err)
	price, onDemand, err := o.price(e)
	errs = append(errs, err)
	spot, err := o.spotPrices(e, zones)
	errs = append(errs, err)
	t := instanceTypeFrom(r)
	complete(&t, e)
	errs = append(errs, r.err)
	if err := errors.Join(append(errs, checkSize(t))...); err != nil {
		return errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	t.UsageClasses = nil
	if onDemand {
		t.UsageClasses = append(t.UsageClasses, "on-demand")
		o.out.prices[offeringKey{o.region, name}] = price
	}
	if known, ok := o.base.InstanceType(name); len(spot) > 0 || !o.spot && ok && known.Supports("spot") && onDemand {
		t.UsageClasses = append(t.UsageClasses, "spot")
	}
	if len(t.UsageClasses) == 0 {
		return fmt.Errorf("%s: has no price, so that it cannot be bought", columnPrice)
	}
	for zone, price := range spot {
		o.out.spot[offeringKey{zone, name}] = price
	}
	o.out.byName[name] = -1 // its index, once all are sorted
	o.out.instanceTypes = append(o.out.instanceTypes, t)
	o.out.offerings[offeringKey{o.region, name}] = zones
	return nil
}

// complete fills in what follows from what the user says.
func complete(t *InstanceType, e entry) {
	if e.cells["branch_enis"] != "" {
		t.Network.TrunkCompatible = t.Network.BranchENIs > 0
	}
	if e.cells["nvme_gb"] != "" && t.LocalDisks.TotalGB > 0 {
		t.LocalDisks.Count, t.LocalDisks.NVMeSupport = max(t.LocalDisks.Count, 1), "supported"
	}
}

func checkSize(t InstanceType) error {
	var errs []error
	if t.Architecture != "amd64" && t.Architecture != "arm64" {
		errs = append(errs, fmt.Errorf("arch: %q is neither amd64 nor arm64", t.Architecture))
	}
	for _, size := range []struct {
		column string
		value  int
	}{
		{"vcpu", t.CPU.VCPUs}, {"memory_mib", t.MemoryMiB}, {"enis_default_card", t.Network.ENIsDefaultCard}, {"ipv4_per_eni", t.Network.IPv4PerENI},
	} {
		if size.value <= 0 {
			errs = append(errs, fmt.Errorf("%s: must be stated and above 0: the type is not built in", size.column))
		}
	}
	return errors.Join(errs...)
}

// row returns what the user says of a type, and where that is nothing, what is built in.
func (o *overlay) row(e entry) (*row, []error) {
	r := &row{line: e.line, columns: map[string]int{}, bare: true}
	known := o.facts[e.cells[columnName]]
	var errs []error
	for column, sample := range o.facts["m5.large"] {
		cell := cmp.Or(e.cells[column], known[column])
		switch isBoolean := sample == "true" || sample == "false"; {
		case cell != "" || known != nil:
		case isBoolean:
			cell = "false"
		case column == "arch":
			cell = "amd64"
		}
		if n, err := strconv.Atoi(cell); err == nil && n < 0 {
			errs = append(errs, fmt.Errorf("%s: must not be below 0", column))
		}
		r.columns[column] = len(r.cells)
		r.cells = append(r.cells, cell)
	}
	return r, errs
}

// zones returns the zones that offer the type, in order. The user may leave out the region's name.
func (o *overlay) zones(e entry) ([]string, error) {
	stated := e.cells[columnZones]
	if stated == "" {
		zones := o.base.ZonesOffering(o.region, e.cells[columnName])
		if len(zones) == 0 {
			return nil, fmt.Errorf("%s: must be stated: it is not known which zones of %s offer the type", columnZones, o.region)
		}
		for _, zone := range zones {
			o.out.addZoneOf(o.region, zone)
		}
		return zones, nil
	}
	var out []string
	for part := range strings.SplitSeq(stated, "|") {
		zone, ok := zoneOf(o.region, strings.TrimSpace(part))
		if !ok {
			return nil, fmt.Errorf("%s: %q is no list of zones of %s; one is like a|b or %sa|%sb", columnZones, stated, o.region, o.region, o.region)
		}
		o.out.addZoneOf(o.region, zone)
		out = append(out, zone)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// afterRegion is what follows the region in the name of a zone: a letter, or for local zones the place they are in: -lax-1a.
var afterRegion = regexp.MustCompile(`^([a-z]|(-[a-z0-9]+)+)$`)

// zoneOf returns the full name of a zone, of which the user may state only the letter; false for no zone of the region.
func zoneOf(region, stated string) (string, bool) {
	if len(stated) == 1 {
		stated = region + stated
	}
	rest, ok := strings.CutPrefix(stated, region)
	return stated, ok && afterRegion.MatchString(rest)
}

// price returns the on-demand price; false for a type that is not sold so.
func (o *overlay) price(e entry) (float64, bool, error) {
	stated, ok := e.cells[columnPrice]
	switch {
	case !o.priced:
		price, known := o.base.OnDemandPrice(o.region, e.cells[columnName])
		return price, known, nil
	case !ok || stated == "":
		return 0, false, nil
	default:
		price, err := parsePrice(columnPrice, stated)
		return price, err == nil, err
	}
}

// spotPrices returns zone -> price. The user states one for all zones or one each, zone=price.
func (o *overlay) spotPrices(e entry, zones []string) (map[string]float64, error) {
	stated := e.cells[columnSpot]
	if stated == "" {
		return nil, nil
	}
	out := map[string]float64{}
	if !strings.Contains(stated, "=") {
		price, err := parsePrice(columnSpot, stated)
		for _, zone := range zones {
			out[zone] = price
		}
		return out, err
	}
	var errs []error
	for part := range strings.SplitSeq(stated, "|") {
		stated, text, _ := strings.Cut(strings.TrimSpace(part), "=")
		zone, ok := zoneOf(o.region, stated)
		if !ok {
			errs = append(errs, fmt.Errorf("%s: %q is no zone of %s; one is like a or %sa", columnSpot, stated, o.region, o.region))
			continue
		}
		if !slices.Contains(zones, zone) {
			errs = append(errs, fmt.Errorf("%s: the type is not offered in %s", columnSpot, zone))
		}
		price, err := parsePrice(columnSpot, text)
		errs = append(errs, err)
		out[zone] = price
	}
	return out, errors.Join(errs...)
}

func parsePrice(column, text string) (float64, error) {
	price, err := strconv.ParseFloat(text, 64)
	if err != nil || !(price >= 0) || math.IsInf(price, 0) {
		return 0, fmt.Errorf("%s: %q is no price in US dollars", column, text)
	}
	return price, nil
}

func (o *overlay) catalog() *Catalog {
	c := o.out
	slices.SortFunc(c.instanceTypes, func(a, b InstanceType) int { return cmp.Compare(a.Name, b.Name) })
	for i, t := range c.instanceTypes {
		c.byName[t.Name] = i
	}
	c.offered[o.region] = slices.Clone(c.instanceTypes)
	for _, zones := range c.zones {
		slices.SortFunc(zones, func(a, b Zone) int { return cmp.Compare(a.Name, b.Name) })
	}
	return c
}

// addZoneOf adds a zone without a known id, once.
func (c *Catalog) addZoneOf(region, zone string) {
	if c.regionOf[zone] == "" {
		c.regionOf[zone] = region
		c.zones[region] = append(c.zones[region], Zone{Name: zone})
	}
}
