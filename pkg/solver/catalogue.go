package solver

import (
	"cmp"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
)

// catalogue is a list of instance types, indexed once for all provisioners that may buy from it. An instance type is known by
// its place in the list.
//
// A label key that any instance type names is a key of instance types: a type that does not name it lacks the label. Zone and
// capacity type belong to offerings.
type catalogue struct {
	types cloudprovider.InstanceTypes // in order of name
	// allocatables of the types.
	allocatables []vector
	// ordinary are the types that are not special.
	ordinary bitset
	// columns maps a key that was asked about -> what it may be on each type; nil if it is no key of instance types.
	columns map[string]*column
	// zones and capacityTypes of available offerings, in order.
	zones, capacityTypes []string
	// prices of the offerings by type, capacity type and zone; infinite where there is none.
	prices []float64
	// cheapest are the types with a price in order of it, by capacity type and zone; nil before they are asked for.
	cheapest [][]int32
}

// catalogues indexes lists of instance types, each that is different once. Provisioners that launch from the same template share
// one; those whose templates differ have copies with capacities and labels of their own.
type catalogues struct {
	dimensions dimensions
	indexed    []*catalogue
}

// of returns the index of a list, which may be in any order.
func (c *catalogues) of(list cloudprovider.InstanceTypes) *catalogue {
	if !slices.IsSortedFunc(list, compareTypes) {
		list = slices.Clone(list)
		slices.SortStableFunc(list, compareTypes)
	}
	for _, known := range c.indexed {
		if slices.Equal(known.types, list) {
			return known
		}
	}
	out := newCatalogue(list, c.dimensions)
	c.indexed = append(c.indexed, out)
	return out
}

// compareTypes orders by name and, as names are meant to be unique, by price only to be sure of the order.
func compareTypes(a, b *cloudprovider.InstanceType) int {
	if c := cmp.Compare(a.Name, b.Name); c != 0 {
		return c
	}
	x, _ := a.Offerings.Cheapest()
	y, _ := b.Offerings.Cheapest()
	return cmp.Compare(x.Price, y.Price)
}

func newCatalogue(types cloudprovider.InstanceTypes, d dimensions) *catalogue {
	c := &catalogue{
		types: types, allocatables: make([]vector, len(types)), ordinary: newBitset(len(types)), columns: map[string]*column{},
	}
	room := make(vector, len(types)*len(d.names))
	for i, t := range types {
		c.allocatables[i] = room[i*len(d.names) : (i+1)*len(d.names) : (i+1)*len(d.names)]
		d.allocatable(t, c.allocatables[i])
		if !t.Special {
			c.ordinary.add(i)
		}
	}
	c.price()
	return c
}

// column returns what a label may be on each type; false if it is no key of instance types. Of the dozens of labels that types
// have, few are ever asked about.
func (c *catalogue) column(key string) (*column, bool) {
	known, asked := c.columns[key]
	if !asked && !isOfferingKey(key) {
		for t := range c.types {
			q, ok := c.types[t].Requirements[key]
			if !ok {
				continue
			}
			if known == nil {
				known = newColumn(key, len(c.types))
			}
			known.set(t, q)
		}
		c.columns[key] = known
	}
	return known, known != nil
}

func isOfferingKey(key string) bool {
	return key == corev1.LabelTopologyZone || key == v1alpha5.CapacityTypeLabel
}

// price fills in the offerings that can be bought, as far as the types themselves allow them.
func (c *catalogue) price() {
	for _, t := range c.types {
		for i := range t.Offerings {
			if o := &t.Offerings[i]; o.Available && o.Price >= 0 {
				c.zones, c.capacityTypes = include(c.zones, o.Zone), include(c.capacityTypes, o.CapacityType)
			}
		}
	}
	slices.Sort(c.zones)
	slices.Sort(c.capacityTypes)
	c.cheapest = make([][]int32, len(c.zones)*len(c.capacityTypes))
	c.prices = slices.Repeat([]float64{math.Inf(1)}, len(c.types)*len(c.zones)*len(c.capacityTypes))
	for i, t := range c.types {
		zone, capacityType := t.Requirements.Get(corev1.LabelTopologyZone), t.Requirements.Get(v1alpha5.CapacityTypeLabel)
		for k := range t.Offerings {
			o := &t.Offerings[k]
			if !o.Available || o.Price < 0 || !zone.Has(o.Zone) || !capacityType.Has(o.CapacityType) {
				continue
			}
			price := &c.pricesOf(i, slices.Index(c.capacityTypes, o.CapacityType))[slices.Index(c.zones, o.Zone)]
			*price = min(*price, o.Price)
		}
	}
}

// include returns the few names, this one among them.
func include(names []string, name string) []string {
	if slices.Contains(names, name) {
		return names
	}
	return append(names, name)
}

// pricesOf returns the prices of an instance type by zone. They are shared and must not be changed.
func (c *catalogue) pricesOf(t, capacityType int) []float64 {
	start := (t*len(c.capacityTypes) + capacityType) * len(c.zones)
	return c.prices[start : start+len(c.zones) : start+len(c.zones)]
}

// byPrice returns the types that can be bought as a capacity type in a zone, cheapest first and by name among equals. They are
// shared and must not be changed.
func (c *catalogue) byPrice(capacityType, zone int) []int32 {
	known := &c.cheapest[capacityType*len(c.zones)+zone]
	if *known == nil {
		price := func(t int32) float64 { return c.pricesOf(int(t), capacityType)[zone] }
		*known = []int32{}
		for t := range c.types {
			if !math.IsInf(c.pricesOf(t, capacityType)[zone], 1) {
				*known = append(*known, int32(t)) //nolint:gosec // a catalogue has thousands of types, not billions
			}
		}
		slices.SortFunc(*known, func(a, b int32) int { return cmp.Or(cmp.Compare(price(a), price(b)), cmp.Compare(a, b)) })
	}
	return *known
}
