package solver

import (
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// shelf is what one provisioner may buy of a catalogue. Keys of instance types and of offerings are the catalogue's; all other
// keys are the provisioner's own.
type shelf struct {
	provisioner *Provisioner
	dimensions  dimensions
	catalogue   *catalogue
	// template holds the requirements of every machine, the provisioner's name among them.
	template scheduling.Requirements
	// stocks are all instance types of the catalogue, in its order.
	stocks []*stock
	// allowed are the stocks that the template allows; no other has a ware that is sold.
	allowed bitset
	// zones with an offering that the template allows, in order, and places of them in the catalogue's list.
	zones  []string
	places []int
	// capacityTypes with an offering that the template allows, as places in the catalogue's list.
	capacityTypes []int
	// prices are indexed by stock, capacity type of the catalogue and zone; infinite where there is no offering.
	prices []float64
	// wants are what the instance types of a machine have to have between them.
	wants []want
	// relaxed says that a machine is bought even where wants cannot be met.
	relaxed bool
	// runs say where DaemonSets run.
	runs []run
	// ways to buy a stock; more are found as pods settle labels that DaemonSets ask for.
	ways []way
	// waysOf maps which runs the provisioner's own labels let be -> the ways that there are then.
	waysOf map[string][]int
	budget *budget
	// share is what the machines of which there are so many may cost more of the limits than their offers, each.
	share   vector
	sharers int
	// dearer is how many times its first price a machine may cost.
	dearer float64
	// choices, values, verdicts and rankings are the answers to what was asked before.
	choices  map[question]*choice
	values   map[valuesQuestion]map[string]toll
	verdicts map[valuesQuestion]verdict
	rankings map[rankQuestion]ranking
	// sold is what was bought so far.
	sold []purchase
}

// stock is one instance type.
type stock struct {
	instanceType *cloudprovider.InstanceType
	allocatable  vector
	// capacity counts against limits, in the order of the budget's names.
	capacity vector
	// wares are indexed by way.
	wares []ware
}

// ware is an instance type that is bought in one way.
type ware struct {
	// prices are indexed by zone; infinite where there is no offering.
	prices []float64
	// usable is what DaemonSets leave of allocatable.
	usable vector
	*load
	// sold is false when no zone has an offering.
	sold bool
}

// newShelf returns what the provisioner may buy of the catalogue, with room for the DaemonSets that will run on it.
func newShelf(p *Provisioner, c *catalogue, d dimensions, daemons []*daemon) *shelf {
	s := &shelf{
		provisioner: p,
		dimensions:  d,
		catalogue:   c,
		template:    p.Requirements.Union(scheduling.FromLabels(map[string]string{v1alpha5.ProvisionerNameLabel: p.Name})),
		allowed:     fullBitset(len(c.types)),
		waysOf:      map[string][]int{},
		budget:      newBudget(p.Remaining),
		choices:     map[question]*choice{},
		values:      map[valuesQuestion]map[string]toll{},
		verdicts:    map[valuesQuestion]verdict{},
		rankings:    map[rankQuestion]ranking{},
	}
	for key, q := range s.template {
		if labels, known := c.column(key); known {
			s.allowed.and(labels.touching(q, q))
		}
	}
	s.wants = s.wantsOf(p.MinValues)
	s.fillStocks()
	s.fillPrices()
	s.runs = s.runsOf(daemons)
	labels, _ := s.settle(nil)
	s.waysFor(labels)
	return s
}

func (s *shelf) fillStocks() {
	all := make([]stock, len(s.catalogue.types))
	s.stocks = make([]*stock, len(all))
	for t := range all {
		all[t].instanceType, all[t].allocatable = s.catalogue.types[t], s.catalogue.allocatables[t]
		s.stocks[t] = &all[t]
	}
	if len(s.budget.names) == 0 {
		return
	}
	for t := range s.allowed.all {
		all[t].capacity = s.budget.charge(all[t].instanceType.Capacity)
	}
}

// fillPrices finds what is on offer, takes over its prices from the catalogue, and shares them if the template allows all zones.
func (s *shelf) fillPrices() {
	c := s.catalogue
	zones := s.onOffer()
	for _, z := range zones {
		s.zones, s.places = append(s.zones, c.zones[z]), append(s.places, z)
	}
	if len(zones) == len(c.zones) {
		s.prices = c.prices
		return
	}
	s.prices = make([]float64, 0, len(c.types)*len(c.capacityTypes)*len(zones))
	for t := range c.types {
		for k := range c.capacityTypes {
			prices := c.pricesOf(t, k)
			for _, z := range zones {
				s.prices = append(s.prices, prices[z])
			}
		}
	}
}

// onOffer notes the capacity types in which an allowed stock can be had, and returns the zones.
func (s *shelf) onOffer() []int {
	c := s.catalogue
	zone, capacityType := s.template.Get(corev1.LabelTopologyZone), s.template.Get(v1alpha5.CapacityTypeLabel)
	offers := func(z, k int) bool {
		for t := range s.allowed.all {
			if !math.IsInf(c.pricesOf(t, k)[z], 1) {
				return true
			}
		}
		return false
	}
	var zones []int
	for z, name := range c.zones {
		there := false
		for k, way := range c.capacityTypes {
			if !zone.Has(name) || !capacityType.Has(way) || !offers(z, k) {
				continue
			}
			if there = true; !slices.Contains(s.capacityTypes, k) {
				s.capacityTypes = append(s.capacityTypes, k)
			}
		}
		if there {
			zones = append(zones, z)
		}
	}
	slices.Sort(s.capacityTypes)
	return zones
}

// pricesOf returns the prices of a stock by zone; they are shared and must not be changed.
func (s *shelf) pricesOf(t, capacityType int) []float64 {
	start := (t*len(s.catalogue.capacityTypes) + capacityType) * len(s.zones)
	return s.prices[start : start+len(s.zones) : start+len(s.zones)]
}
